"""What every ``analyze`` command does alike: a file's samples, through a lane as live, and a report or JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from edge.cli._events import jsonl as as_json
from edge.clock import ManualClock
from edge.lane import Lane
from edge.replay import read_all
from edge.types import Block, Reading, SourceError


class Played(NamedTuple):
    """A file's samples in order of time, the sampling rate of each of its streams, and what its channels lack."""

    blocks: list[Block]
    rates_hz: dict[str, float]
    notes: list[str]


def played(
    path: str | Path, kind: str, what: str, *, rate_hz: float | None = None, channel: int | None = None
) -> Played:
    """A file from begin to end, ``kind`` the stream that must be there with what belongs to it, ``what`` it is in
    words; raises SourceError in one line."""
    from edge.sources import files

    source = files.build(
        name="file", path=str(path), signal=kind, rate_hz=rate_hz, channel=channel, block_s=1.0, clock=ManualClock(0.0)
    )
    blocks = sorted(read_all(source), key=lambda b: (b.t0, b.kind))
    rates_hz = {b.kind: b.rate for b in blocks}
    if kind not in rates_hz:
        raise SourceError(f"{path}: no {what} in it: no sample of it is a number")
    return Played(blocks, rates_hz, source.notes)


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
