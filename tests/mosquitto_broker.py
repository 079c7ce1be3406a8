"""A real mosquitto on a free loopback port, started and stopped by the test that asks for it."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_FLOOD = "max_queued_messages 0\nmax_inflight_messages 0\n"  # its defaults drop messages in a flood


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker; ``stop`` and ``start`` keep port and folder. settings: further lines of mosquitto.conf."""

    def __init__(self, program: str, folder: Path, settings: str = "allow_anonymous true\n") -> None:
        self.port = free_port()
        self._program, self._folder = program, folder
        # started by root it would become another user, who cannot read the test folder
        listener = f"listener {self.port} 127.0.0.1\nuser {getpass.getuser()}\n"
        (folder / "mosquitto.conf").write_text(f"{listener}{_FLOOD}{settings}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Mosquitto:
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [self._program, "-c", str(self._folder / "mosquitto.conf"), "-v"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        while self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
            except OSError:
                continue
            return self
        raise RuntimeError((self._folder / "mosquitto.log").read_text())

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(5.0)
            self._process = None


@pytest.fixture
def new_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Mosquitto]]:
    """Makes brokers that are not started yet; all are stopped at the end."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed; tools/test installs it")
    made: list[Mosquitto] = []

    def make(settings: str = "allow_anonymous true\n") -> Mosquitto:
        made.append(Mosquitto(program, tmp_path_factory.mktemp("mosquitto"), settings))
        return made[-1]

    yield make
    for broker in made:
        broker.stop(kill=True)


@pytest.fixture
def mosquitto(new_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A started broker that lets everybody in."""
    return new_mosquitto().start()
