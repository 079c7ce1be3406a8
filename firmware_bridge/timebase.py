"""Device time to host time, by the least-delayed arrivals. Standard library only.

A frame can arrive late, never early: the smallest ``arrival - device time`` of each few seconds lies close to the
truth, and the lower hull of these points is a line whose slope is the drift (Moon, Skelly and Towsley 1999, for
one-way delays). The mapping follows that line at a bounded rate and never goes back; when the line jumps by more
than a second, or runs away from the mapping by as much (the host slept, the device restarted unseen), ``map`` says so
and starts anew. A crystal is off by some hundred ppm at most; a slope beyond that is believed up to some per cent (a
microcontroller that runs on its own resistor and capacitor) where nearly all points lie close to one line.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Final

_BUCKET_S: Final = 2.0
_BUCKETS: Final = 45
_CRYSTAL_SKEW: Final = 500e-6
_MAX_SKEW: Final = 0.06
_PLAIN_S: Final = 0.1  # delays that grow or shrink by more than this are no jitter
_NEAR: Final = 0.25  # of that growth: so close to the line lie the points of a clock that is off
_MOST_POINTS: Final = 0.8
_SLEW: Final = 1e-3  # s of correction a second beside the drift, once settled
_SLEW_EARLY: Final = 20e-3  # during the first minute
_SETTLED_S: Final = 60.0
_JUMP_S: Final = 1.0
_WRAP_US: Final = 1 << 32


class TimeBase:
    """Maps the 32-bit microsecond counter of one device to host-monotonic seconds."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: the device started anew."""
        self._us: int | None = None
        self._points: deque[tuple[float, float]] = deque(maxlen=_BUCKETS)
        self._bucket_end = 0.0
        self._best = (0.0, 0.0)
        self._offset = 0.0
        self._skew = self._plain_skew = 0.0
        self._at = 0.0
        self._first = 0.0
        self._pivot = self._target = 0.0
        self._late_since: float | None = None

    @property
    def skew_ppm(self) -> float:
        """How much faster than the host's the device's clock is estimated to run, negated; 1e-6."""
        return self._skew * 1e6

    @property
    def measured(self) -> bool:
        """Whether it has heard enough to tell a drift from jitter."""
        return len(self._points) * _BUCKET_S >= _SETTLED_S / 4

    def map(self, device_us: int, arrival: float) -> tuple[float, bool]:
        """Host time of ``device_us`` for a frame that arrived at host time ``arrival``, both s; and whether the
        mapping had to start anew (a new epoch). Frames in order of arrival."""
        first = self._us is None
        device_s = self._unwrap(device_us)
        delay = arrival - device_s
        if first:
            self._offset, self._at, self._first = delay, device_s, device_s
            self._best, self._bucket_end = (device_s, delay), device_s + _BUCKET_S
            return arrival, False
        ahead = self._line(device_s) - delay  # > 0: arrived before the mapping says it was sent
        if ahead > _JUMP_S or self._long_late(ahead, arrival):
            self.reset()
            mapped, _ = self.map(device_us, arrival)
            return mapped, True
        if device_s >= self._bucket_end:
            self._points.append(self._best)
            self._best, self._bucket_end = (device_s, delay), device_s + _BUCKET_S
            self._fit()
        elif delay < self._best[1]:
            self._best = (device_s, delay)
        self._follow(device_s)
        if abs(self._line(device_s) - self._offset) > _JUMP_S:
            self.reset()
            mapped, _ = self.map(device_us, arrival)
            return mapped, True
        return device_s + self._offset, False

    def _unwrap(self, device_us: int) -> float:
        if self._us is None:
            self._us = device_us
        else:
            step = (device_us - self._us) % _WRAP_US
            self._us += step if step < _WRAP_US // 2 else step - _WRAP_US
        return self._us / 1e6

    def _line(self, device_s: float) -> float:
        return self._target + self._skew * (device_s - self._pivot) if self._points else self._best[1]

    def _long_late(self, ahead: float, arrival: float) -> bool:
        if ahead > -_JUMP_S:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = arrival
        return arrival - self._late_since > 2 * _BUCKET_S

    def _fit(self) -> None:
        """The edge of the lower hull under the middle of the points, its slope bounded by what is plausible."""
        points = list(self._points)
        hull: list[tuple[float, float]] = []
        for point in points:
            while len(hull) >= 2 and _turn(hull[-2], hull[-1], point) <= 0:
                hull.pop()
            hull.append(point)
        middle = (points[0][0] + points[-1][0]) / 2
        left, right = hull[0], hull[0]
        for a, b in pairwise(hull):
            if a[0] <= middle:
                left, right = a, b
        skew = (right[1] - left[1]) / (right[0] - left[0]) if self.measured else 0.0
        if abs(skew) < _MAX_SKEW and _is_straight(points, right, skew):
            self._plain_skew = skew
        low, high = sorted((0.0, self._plain_skew))
        self._skew = max(low - _CRYSTAL_SKEW, min(high + _CRYSTAL_SKEW, skew))
        self._pivot, self._target = right if skew else min(points, key=lambda p: p[1])

    def _follow(self, device_s: float) -> None:
        """Move the offset towards the line, no faster than the slew allows; time passes only forwards."""
        step = device_s - self._at
        if step <= 0:
            return
        self._at = device_s
        slew = _SLEW_EARLY if device_s - self._first < _SETTLED_S else _SLEW
        limit = slew * step
        self._offset += self._skew * step
        self._offset += max(-limit, min(limit, self._line(device_s) - self._offset))


def _is_straight(points: list[tuple[float, float]], pivot: tuple[float, float], skew: float) -> bool:
    """Whether nearly all points lie so close to the line that its slope is a clock's, not a step's or a stall's."""
    growth_s = abs(skew) * (points[-1][0] - points[0][0])
    above = sorted(abs(delay - pivot[1] - skew * (t - pivot[0])) for t, delay in points)
    return growth_s > _PLAIN_S and above[int(_MOST_POINTS * (len(above) - 1))] < _NEAR * growth_s


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
