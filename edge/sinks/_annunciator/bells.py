"""Ways to be heard or seen in the room: a program that is run, a line that is switched. What rings them is the
annunciator."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from typing import Final, Protocol

from edge.sinks._annunciator.gpio import OutputLine
from edge.types import Alarm

POLL_S: Final = 0.1
"""So often an output is asked whether it rings."""


class Output(Protocol):
    """One way to be heard or seen. None of it waits, for the others want to ring, too; ``ring`` and ``rings`` raise OSError
    when it does not work."""

    def ring(self, alarm: Alarm) -> None:
        """Begin once more, for ``alarm``."""

    def rings(self) -> bool:
        """Whether it has not come to its end yet; then it has shown that it works."""

    def quiet(self) -> None:
        """Nothing rings any more; calling twice is harmless."""

    def close(self) -> None:
        """The end: quiet, and let go of what was held."""


class Program:
    """Runs a program for each ring, a different one by priority; ends it when it is no longer wanted or takes too long.

    It leads a group of its own: what it started ends with it, or with the ringing where it goes on without it.
    """

    def __init__(self, by_priority: Mapping[str, tuple[str, ...]], longest_s: float) -> None:
        self._by_priority, self._longest_s = by_priority, longest_s
        self._running: subprocess.Popen[bytes] | None = None
        self._command = ""
        self._polls_left = 0

    def ring(self, alarm: Alarm) -> None:
        self.quiet()
        command = self._by_priority[alarm.priority]
        named = {"ALARM": alarm.id, "PRIORITY": alarm.priority, "BED": alarm.bed, "TEXT": alarm.text}
        named["DRILL"] = "1" if alarm.drill else ""
        environment = {**os.environ, **{f"EDGE_VITALS_{key}": text for key, text in named.items()}}
        null = subprocess.DEVNULL
        self._command, self._polls_left = command[0], max(1, round(self._longest_s / POLL_S))
        self._running = subprocess.Popen(
            command, env=environment, stdin=null, stdout=null, stderr=null, start_new_session=True
        )

    def rings(self) -> bool:
        code = None if self._running is None else _ended(self._running.pid)
        if code is None and self._polls_left > 0:
            self._polls_left -= 1
            return True
        if code == 0:
            return False  # what it left behind may be what is heard
        self.quiet()
        raise OSError(
            f"{self._command} took longer than {self._longest_s:g} s"
            if code is None
            else f"{self._command} ended with code {code}"
        )

    def quiet(self) -> None:
        """End the program and all it started."""
        process, self._running = self._running, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """The same; nothing else is held."""
        self.quiet()


class Lamp:
    """A line that is on from the first ring until all is quiet."""

    def __init__(self, line: OutputLine) -> None:
        self._line = line

    def ring(self, alarm: Alarm) -> None:  # noqa: ARG002
        self._line.set(True)

    def rings(self) -> bool:
        return False  # it goes on by itself

    def quiet(self) -> None:
        self._line.set(False)

    def close(self) -> None:
        self._line.close()


def _ended(pid: int) -> int | None:
    """The exit code of a child, or None while it runs. It stays a zombie: its group's number is not given to others."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
