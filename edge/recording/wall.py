"""What time it was, by the marks of the wall clock in a recording."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from edge.clock import SET_AFTER
from edge.recording.entries import ClockMark


def set_marks(marks: Iterable[ClockMark]) -> list[ClockMark]:
    """Those of a clock that was set: times before the first are counted back from it."""
    return [mark for mark in marks if mark.wall > SET_AFTER]


def wall_at(t: float, marks: Sequence[ClockMark]) -> float | None:
    """Unix time, s, of a monotonic time by ``set_marks`` in order; None without any."""
    if not marks:
        return None
    mark = marks[max(bisect_right(marks, t, key=lambda one: one.t) - 1, 0)]
    return t + mark.wall - mark.t
