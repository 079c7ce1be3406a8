"""Time as an interface: the shell asks a clock, the core is told. ``ManualClock`` ships because replay needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

SET_AFTER: Final = 1_704_067_200.0
"""2024-01-01: a wall clock before it was never set. One after it need not be right: a Pi without a clock battery starts
with the time of its last stop."""
CLOCK_STEP_S: Final = 1.0
"""A wall clock that moves by more was set; by less, it was steered."""
_UNSYNCED_US: Final = 16_000_000
"""The kernel's largest error, µs, where no time server keeps the clock (NTP_PHASE_LIMIT); it also grows to that within
nine hours without one. ``timedatectl`` goes by it, too: the status bit beside it says what is done to the RTC."""
_TIMEX_LONGS: Final = 64  # struct timex, and room for what a kernel may add to it
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MAXERROR: Final = 3  # modes, offset, freq, maxerror: its fourth long, where those have 32 bits, too


class Clock(Protocol):
    """Monotonic seconds for durations and order, wall seconds for labels."""

    def now(self) -> float:
        """Monotonic time, s."""

    def wall(self) -> float:
        """Unix time, s; may jump."""

    def synced(self) -> bool:
        """Whether a time server keeps the wall clock; where nobody can say, whether it was ever set."""

    def counts_from(self) -> str:
        """Which start of the machine the monotonic time counts from, so that of two runs is one; "" where nobody knows."""

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of monotonic time pass; for paced sources, in the shell."""


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        self._counts_from = machine_start()  # once: it is asked for with every alarm

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def synced(self) -> bool:
        return self.wall() > SET_AFTER and kept_by_time_server() is not False

    def counts_from(self) -> str:
        return self._counts_from

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that moves only when told, for replay and tests. kept: whether a time server keeps it; machine: see
    ``Clock.counts_from``."""

    def __init__(
        self, now: float = 0.0, wall: float = 1_700_000_000.0, *, kept: bool = True, machine: str = ""
    ) -> None:
        self._now, self.kept, self.machine = now, kept, machine
        self._wall_offset = wall - now

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._wall_offset

    def synced(self) -> bool:
        return self.kept and self.wall() > SET_AFTER

    def counts_from(self) -> str:
        return self.machine

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


def wall_offset(clock: Clock) -> float:
    """Wall time less monotonic time at one moment, s: of three looks the quickest, since a thread may be held up in one."""
    looks = []
    for _ in range(3):
        before = clock.now()
        ahead_s = clock.wall() - before
        looks.append((clock.now() - before, ahead_s))
    return min(looks)[1]


def iso(wall: float) -> str:
    """Unix seconds as ISO 8601 UTC with milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def machine_start() -> str:
    """Linux's id of this start of the machine; "" where there is none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def kept_by_time_server(adjtimex: Callable[[Any], int] | None = None) -> bool | None:
    """Whether the kernel knows that a time server keeps the wall clock (adjtimex(2)); None where it does not say.

    adjtimex: the C library's, unless given: fills an array of longs, and returns less than 0 where it may not.
    """
    ask = adjtimex or _adjtimex()
    if ask is None:
        return None
    from ctypes import c_long

    timex = (c_long * _TIMEX_LONGS)()  # no modes: nothing is set
    return None if ask(timex) < 0 else timex[_MAXERROR] < _UNSYNCED_US


@cache
def _adjtimex() -> Callable[[Any], int] | None:
    import ctypes

    return getattr(ctypes.CDLL(None), "adjtimex", None)
