"""What every ``analyze`` command does alike: a file's samples, through a lane as live, and a report or JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from edge.cli._events import jsonl as as_json
from edge.clock import ManualClock
from edge.lane import Lane
from edge.types import Block, Reading, Source, SourceError


def blocks_of(
    path: str | Path, kind: str, what: str, *, rate_hz: float | None = None, channel: int | None = None
) -> list[Block]:
    """A file's samples, ``kind`` the stream that must be there, ``what`` it is in words; raises SourceError in
    one line."""
    from edge.sources import files

    source = files.build(
        name="file", path=str(path), signal=kind, rate_hz=rate_hz, channel=channel, block_s=1.0, clock=ManualClock(0.0)
    )
    blocks = list(all_of(source))
    if not any(b.kind == kind for b in blocks):
        raise SourceError(f"{path}: no {what} in it: no sample of it is a number")
    return blocks


def all_of(source: Source) -> Iterable[Block]:
    """Every block of a source that ends; it is opened and closed."""
    source.open()
    try:
        while True:
            yield from source.read()
    except EOFError:
        pass
    finally:
        source.close()


def through(lane: Lane, blocks: Iterable[Block]) -> list[Reading]:
    """The lane's readings; a fault of an analyzer is raised."""
    readings = [reading for block in blocks for reading in lane.feed(block)] + lane.finish()
    if faults := lane.take_faults():
        raise faults[0].error
    return readings


def tell(readings: Sequence[Reading], words: Sequence[str], *, jsonl: bool) -> None:
    """The report, or each reading as a line of JSON and the report beside it on standard error."""
    if jsonl:
        for reading in readings:
            print(as_json(reading))
    print("\n".join(words), file=sys.stderr if jsonl else sys.stdout)
