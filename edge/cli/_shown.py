"""A recording whose reading is seen at a terminal: a night takes minutes, and nobody waits long before an empty line."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from edge.cli._progress import Progress
from edge.recording import Entry, Recording, time_of


class ShownRecording(Recording):
    """A recording; where standard error is a terminal it shows there how far into it each reading of it has come."""

    def entries(self, *, samples: bool = True) -> Iterator[Entry]:
        """All entries in order; samples: with the blocks."""
        found = super().entries(samples=samples)
        yield from shown(found) if sys.stderr.isatty() else found


def shown(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same entries; a terminal at standard error shows how far they have come."""
    first: float | None = None
    with Progress() as progress:
        for entry in entries:
            t = time_of(entry)
            first = t if first is None else first
            progress.at(t - first)
            yield entry
