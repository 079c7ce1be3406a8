"""A real mosquitto on a free loopback port."""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from edge.demo.broker import free_port

OPEN = "allow_anonymous true\n"
_START_S, _TRY_EVERY_S = 30.0, 0.01
_FLOOD = "max_queued_messages 0\nmax_inflight_messages 0\n"  # its defaults drop messages in a flood


def find() -> str | None:
    """Where mosquitto is installed, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Mosquitto:
    """One broker; ``stop`` and ``start`` keep port and folder. settings: further lines of mosquitto.conf."""

    def __init__(self, program: str, folder: Path, settings: str = OPEN) -> None:
        self.port = free_port()
        self._program, self._folder = program, folder
        self.configure(settings)
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, settings: str) -> None:
        """Other settings, for the next start."""
        # started by root it would become another user, who cannot read the test folder
        listener = f"listener {self.port} 127.0.0.1\nuser {getpass.getuser()}\n"
        (self._folder / "mosquitto.conf").write_text(f"{listener}{_FLOOD}{settings}", encoding="utf-8")

    def start(self) -> Mosquitto:
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [self._program, "-c", str(self._folder / "mosquitto.conf"), "-v"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        by = time.monotonic() + _START_S
        while self._process.poll() is None and time.monotonic() < by:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
            except OSError:
                time.sleep(_TRY_EVERY_S)  # it needs the processor more than we do
                continue
            return self
        self.stop(kill=True)
        raise RuntimeError((self._folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace"))

    def reload(self) -> None:
        """Read passwords and access rules again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(5.0)
            self._process = None
