"""What doctor finds, asked for by a test; and a device on a pseudo-terminal for it to find."""

from __future__ import annotations

import json
import os
import resource
import signal

import numpy as np
import pytest

from edge.cli.doctor.source import listen
from edge.clock import SystemClock
from edge.config import parse
from edge.demo.pty_device import PtyDevice
from firmware_bridge.frames import StreamInfo
from firmware_bridge.simulator import Faults, SimulatedStream, Simulator

PPG = StreamInfo(1, "ppg", ("ir",), 100.0)
LISTEN_S = 1.6


def in_child(do, *, nobody=False, file_bytes=None):
    """Run in a process of its own, as a user without rights or with small files only; what it returned."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if file_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
            if nobody:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(into, json.dumps(do()).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="dropping rights needs root, as in CI")


def words(found):
    return [one.fault for one in found if one.fault]


def listening(text, listen_s=LISTEN_S, clock=None):
    config = parse("[sources.node]\n" + text)
    return list(listen(config.sources["node"], clock or SystemClock(), listen_s, lambda left_s: None))


def serial(port, listen_s=LISTEN_S, more=""):
    return listening(f'kind = "serial_port"\nport = "{port}"\nanalyzers = ["pulse"]\n{more}', listen_s)


def wave(first, count):
    return [[int(50_000 + 2000 * np.sin((first + i) / 12.0))] for i in range(count)]


@pytest.fixture
def device(tmp_path):
    made = []

    def make(*, samples=wave, info=PPG, faults=None, flags=lambda first: 0, device=None):
        simulator = device or Simulator(
            [SimulatedStream(info, samples, 10, flags=flags)], faults=faults or Faults(), name="pulse-node"
        )
        one = PtyDevice(simulator, tmp_path / "ttyNODE")
        one.__enter__()
        made.append(one)
        return one.path

    yield make
    for one in made:
        one.__exit__()
