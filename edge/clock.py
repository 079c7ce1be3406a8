"""Time as an interface: the shell asks a clock, the core is told. ``ManualClock`` ships because replay needs it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final, Protocol

SYNCED_AFTER: Final = 1_704_067_200.0
"""2024-01-01: a wall clock before it was never set; a Pi without a clock battery starts in the past."""


class Clock(Protocol):
    """Monotonic seconds for durations and order, wall seconds for labels."""

    def now(self) -> float:
        """Monotonic time, s."""

    def wall(self) -> float:
        """Unix time, s; may jump."""

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of monotonic time pass; for paced sources, in the shell."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that moves only when told, for replay and tests."""

    def __init__(self, now: float = 0.0, wall: float = 1_700_000_000.0) -> None:
        self._now = now
        self._wall_offset = wall - now

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._wall_offset

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``; a monotonic clock never goes back."""
        if seconds < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now += seconds

    def move_to(self, now: float) -> None:
        """Move to ``now`` if that lies ahead."""
        self._now = max(self._now, now)

    def step_wall(self, seconds: float) -> None:
        """Jump the wall clock only, as NTP does."""
        self._wall_offset += seconds


def iso(wall: float) -> str:
    """Unix seconds as ISO 8601 UTC with milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
