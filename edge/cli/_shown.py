"""A recording whose reading is seen at a terminal: a night takes minutes, and nobody waits long before an empty line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from edge.cli._events import clock_text
from edge.recording import Entry, Recording, time_of

_TELL_EVERY_S: Final = 60.0  # of the recording
_WIDTH: Final = 20


class ShownRecording(Recording):
    """A recording; where standard error is a terminal it shows there how far into it each reading of it has come."""

    def entries(self, *, samples: bool = True) -> Iterator[Entry]:
        """All entries in order; samples: with the blocks."""
        found = super().entries(samples=samples)
        yield from _shown(found) if sys.stderr.isatty() else found


def _shown(entries: Iterator[Entry]) -> Iterator[Entry]:
    first: float | None = None
    told = 0.0
    try:
        for entry in entries:
            t = time_of(entry)
            first = t if first is None else first
            if t - first - told >= _TELL_EVERY_S:
                told = t - first
                print(f"  {clock_text(told)} ...", end="\r", file=sys.stderr, flush=True)
            yield entry
    finally:
        if told:
            print(" " * _WIDTH, end="\r", file=sys.stderr, flush=True)
