"""Which marks of the wall clock say what time it was."""

from __future__ import annotations

from collections.abc import Sequence

from edge.clock import SYNCED_AFTER
from edge.recording.entries import ClockMark


def since_set(marks: Sequence[ClockMark]) -> list[ClockMark]:
    """Those from when the clock was set on, so that times before it are counted back from there; all of them where it
    never was."""
    return [mark for mark in marks if mark.wall > SYNCED_AFTER] or list(marks)
