"""``run`` and the signals that end it: each a clean end, and a second one while the program leaves changes nothing."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from edge.cli.run import stop_signals
from edge.recording import Recording
from edge.types import Reading
from synthetic_device import SYNTHETIC

STOPS = ("SIGTERM", "SIGINT", "SIGHUP")

LEAVES = """
import atexit, os, signal, sys
import edge.cli
from edge.__main__ import main
from edge.cli.run import stop_signals

def again():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)

class Late:
    def __del__(self):  # when Python has given every handler of its own back
        again()

def command():
    with stop_signals() as told:
        told(lambda: print("stopped", end="", flush=True))
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    again()
    return 0

atexit.register(again)
sys.late = Late()
edge.cli.main = command
sys.exit(main())
"""


def as_in_a_terminal():
    """Whatever these tests are run under: nohup has a hangup ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("first", STOPS)
def test_a_second_signal_while_the_program_leaves_makes_no_failure_of_an_orderly_end(first):
    done = subprocess.run(
        [sys.executable, "-c", LEAVES, first],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=as_in_a_terminal,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped", "")


@pytest.mark.parametrize("name", STOPS)
def test_a_signal_that_comes_first_is_told_at_once(name):
    as_in_a_terminal()
    stopped = []
    with stop_signals() as told:
        signal.raise_signal(getattr(signal, name))
        told(lambda: stopped.append(name))
    assert stopped == [name]
    signal.raise_signal(getattr(signal, name))
    assert stopped == [name], "the program has ended; it only leaves"


def test_a_hangup_is_left_alone_where_it_is_ignored():
    """As under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_signals() as told:
        told(lambda: pytest.fail("stopped"))
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_terminal_that_is_closed_ends_it_as_a_stop_does(tmp_path):
    """Its output has nowhere to go by then, and its recording has its end."""
    config = tmp_path / "bedside.toml"
    config.write_text(SYNTHETIC)
    ours, theirs = pty.openpty()
    kept = tmp_path / "kept.evrec"
    command = [sys.executable, "-m", "edge", "run", str(config), "--record", str(kept)]

    def leads() -> None:
        as_in_a_terminal()
        os.setsid()
        os.close(os.open(os.ttyname(1), os.O_RDWR))  # the first terminal that a session opens is its own

    program = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=leads,  # noqa: PLW1509
    )
    os.close(theirs)
    try:
        while b"bpm" not in os.read(ours, 4096):
            pass
        os.close(ours)
        assert program.wait(timeout=60) == 0
    finally:
        program.kill()
        program.wait()
    assert any(isinstance(entry, Reading) for entry in Recording(kept)), "the end was written"
