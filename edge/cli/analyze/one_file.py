"""What every ``analyze`` command does alike: a file's samples, through a lane as live, and a report or JSON lines."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edge.cli._events import jsonl as as_json
from edge.cli._progress import Progress, show
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
    """A file from begin to end in memory, ``kind`` the stream that must be there with what belongs to it, ``what`` it
    is in words; raises SourceError in one line."""
    file = OneFile(path, kind, what, rate_hz=rate_hz, channel=channel)
    show("reading ...")  # a night's table is looked through before the first sample comes
    try:
        blocks = sorted(file, key=lambda b: (b.t0, b.kind))
    finally:
        show("")
    return Played(blocks, {b.kind: b.rate for b in blocks}, file.notes)


class OneFile:
    """The blocks of a file, read from its begin each time they are asked for, so that an hour of sound need not fit into
    memory.

    kind: the stream that must be there with what belongs to it; what: it is in words. Reading raises SourceError in one
    line. Once read, ``notes``: what its channels lack; ``unheard``: channels of ``kind`` beside the one that was read.
    """

    def __init__(
        self, path: str | Path, kind: str, what: str, *, rate_hz: float | None = None, channel: int | None = None
    ) -> None:
        from edge.sources import files

        self._path, self._kind, self._what = path, kind, what
        self._source = files.build(
            name="file", path=str(path), signal=kind, rate_hz=rate_hz, channel=channel, block_s=1.0, clock=ManualClock()
        )

    def __iter__(self) -> Iterator[Block]:
        kinds: set[str] = set()
        for block in read_all(self._source):
            kinds.add(block.kind)
            yield block
        if self._kind not in kinds:
            raise SourceError(f"{self._path}: no {self._what} in it: no sample of it is a number")

    @property
    def notes(self) -> list[str]:
        return self._source.notes

    @property
    def end_s(self) -> float:
        """How long it is, s, 0 before it is read."""
        return self._source.end_s

    @property
    def rate_hz(self) -> float:
        """Sampling rate of ``kind``, Hz, 0 before it is read."""
        return self._source.rates_hz.get(self._kind, 0.0)

    @property
    def unheard(self) -> int:
        return self._source.unheard.get(self._kind, 0)


def through(lane: Lane, blocks: Iterable[Block], end_s: Callable[[], float] = lambda: 0.0) -> list[Reading]:
    """The lane's readings; a fault of an analyzer is raised. end_s: see ``Progress``."""
    readings: list[Reading] = []
    with Progress(end_s) as progress:
        for block in blocks:
            readings += lane.feed(block)
            progress.at(block.t_end)
    readings += lane.finish()
    if faults := lane.take_faults():
        raise faults[0].error
    return readings


def left_out(what: str, reasons: Counter[str], why: Mapping[str, str]) -> list[str]:
    """The line that says how many of ``what`` have no value, and why; none where all have one."""
    words = "; ".join(f"{n} because {why.get(reason, reason)} ({reason})" for reason, n in reasons.most_common())
    return [f"{what} left out: {words}."] if words else []


def main_reason(reasons: Counter[str], why: Mapping[str, str]) -> str:
    """Why most have no value, in words; warming up only where it was nothing else."""
    later = Counter({reason: n for reason, n in reasons.items() if reason != "warming_up"}) or reasons
    reason = later.most_common(1)[0][0] if later else "too_short"
    return f"{why.get(reason, reason)} ({reason})"


def as_text(file: str) -> str:
    """A file's name for JSON, which is UTF-8 and a name may not be: with the escapes that the terminal shows for it."""
    return file.encode("utf-8", "backslashreplace").decode()


def tell(readings: Sequence[Reading], words: Sequence[str], *, jsonl: bool, file: str) -> None:
    """The report, or each reading as a line of JSON and the report beside it on standard error. file: said in each line."""
    if jsonl:
        for reading in readings:
            print(as_json(reading, {"file": as_text(file)}))
    print("\n".join(words), file=sys.stderr if jsonl else sys.stdout)
