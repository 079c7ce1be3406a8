"""One clock for the program under attack and for those who judge it: as fast as asked, and with a wall that can step."""

from __future__ import annotations

import threading
import time


class ScaledClock:
    """The machine's monotonic clock, ``speed`` times as fast since ``origin``; several processes given the same
    arguments agree. wall: Unix time at ``origin``, s."""

    def __init__(self, speed: float = 1.0, origin: float = 0.0, wall: float = 0.0) -> None:
        self.arguments = {"speed": speed, "origin": origin, "wall": wall}
        self._speed, self._origin = speed, origin
        self._offset = wall - origin

    @classmethod
    def starting_now(cls, speed: float) -> ScaledClock:
        return cls(speed, time.monotonic(), time.time())

    def now(self) -> float:
        return self._origin + (time.monotonic() - self._origin) * self._speed

    def wall(self) -> float:
        return self.now() + self._offset

    def synced(self) -> bool:
        return True

    def counts_from(self) -> str:
        return ""

    def sleep(self, seconds: float) -> None:
        threading.Event().wait(seconds / self._speed)

    def step_wall(self, seconds: float) -> None:
        """Jump the wall clock only."""
        self._offset += seconds
        self.arguments["wall"] += seconds
