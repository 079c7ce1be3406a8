"""How fast a stream's samples really come, by the device's own count and clock. Standard library only.

A sensor with an oscillator of its own may be some per cent off what the firmware declares, and a firmware may declare
what another board did; either way every heart rate would be off by as much.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple


class _Look(NamedTuple):
    """A rate that is ``off`` by more, in two spans in a row that are ``alike`` to so much, is not the one declared."""

    span_s: float
    off: float
    alike: float


_EARLY: Final = _Look(1.5, 0.03, 0.02)  # twice, before any window is full
_LATER: Final = _Look(10.0, 0.01, 0.005)
_MOST: Final = 4.0  # times as fast or as slow as declared: beyond it the count or the clock is wrong, not the rate
_SLOWEST_HZ: Final = 10.0  # temperatures and the like come too seldom to tell
_PAUSE_S: Final = 0.3  # longer than its samples take at the pace of the others: they stopped, and were not counted
_WRAP: Final = 1 << 32


class SampleRate:
    """``hz`` of one stream: as declared, until its frames say otherwise.

    After 3 s a rate more than 3 % off is noticed, later one more than 1 % off. Two spans without a pause must agree, since
    a device that stamps its frames in bursts is wrong by another amount each time; beyond four times or a quarter of what
    is declared none is believed, and under 10 Hz none is looked for.
    """

    def __init__(self, declared_hz: float) -> None:
        self.declared_hz = self.hz = declared_hz
        self.strange_hz = 0.0  # what two spans in a row agree on that none believes; 0: nothing
        self._spans = 0
        self._before_hz = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin to measure anew: samples were lost uncounted, or the device's clock jumped."""
        self._begin: tuple[int, int] | None = None
        self._last = (0, 0)
        self._fastest_s = math.inf  # a sample, between neighbouring frames

    def add(self, index: int, device_us: int) -> bool:
        """The first sample of a frame, by its index and its time on the device (both wrap at 2^32); whether ``hz`` is
        another one from here on."""
        if self.declared_hz < _SLOWEST_HZ:
            return False
        if self._begin is None or self._paused(index, device_us):
            self.restart()
            self._begin = self._last = index, device_us
            return False
        self._last = index, device_us
        look = _EARLY if self._spans < 2 else _LATER
        seconds = (device_us - self._begin[1]) % _WRAP / 1e6
        if seconds < look.span_s:
            return False
        found_hz = (index - self._begin[0]) % _WRAP / seconds
        self._begin = index, device_us
        before_hz, self._before_hz = self._before_hz, found_hz
        alike = found_hz > 0.0 and abs(before_hz / found_hz - 1.0) < look.alike
        if not 1.0 / _MOST <= found_hz / self.declared_hz <= _MOST:
            self.strange_hz = found_hz if alike else 0.0
            return False
        self.strange_hz = 0.0
        self._spans += 1
        if abs(found_hz / self.hz - 1.0) <= look.off or not alike:
            return False
        self.hz = round((before_hz + found_hz) / 2.0, 1)
        return True

    def _paused(self, index: int, device_us: int) -> bool:
        samples, seconds = (index - self._last[0]) % _WRAP, (device_us - self._last[1]) % _WRAP / 1e6
        if not samples:
            return seconds > _PAUSE_S
        self._fastest_s = min(self._fastest_s, seconds / samples)
        return seconds > samples * self._fastest_s + _PAUSE_S
