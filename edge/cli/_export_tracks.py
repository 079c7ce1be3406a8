"""A recording laid out for other programs: samples on one grid a stream, gaps left open, marks on the same time line.

A stream's samples keep their number and order. What is consecutive in the recording is consecutive on the grid; after a
gap, an epoch's end or a device clock that fell behind by more than 50 ms, samples go on where their time says. Each
source's true rate is measured against the monotonic clock, since the files of other programs have one rate for all time.
Streams whose samples come one by one at times of their own (a camera) have no grid: only tables hold them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from edge.recording import ClockMark, Entry, Lost, Recording
from edge.types import Alarm, Block, Command, Fault, Reading, SourceStatus

SLIP_S = 0.05
STEP_S = 1.0
_MEASURED_FROM_S = 60.0
_SKEW_MOST = 1e-3  # a device further off than this has the wrong rate declared, and keeps it


@dataclass(slots=True)
class Track:
    """One stream. rate_hz: nominal; true_hz: measured; blocks in order, their data as (n, channels)."""

    stream: str
    rate_hz: float
    labels: tuple[str, ...]
    true_hz: float
    blocks: list[tuple[Block, NDArray[np.generic]]] = field(default_factory=list)

    @property
    def source(self) -> str:
        return self.stream.partition("/")[0]

    @property
    def on_grid(self) -> bool:
        """Whether samples come at a fixed rate: not so where each block is one sample with a time of its own."""
        return any(len(data) > 1 for _, data in self.blocks)

    def spans(self) -> Iterator[list[tuple[Block, NDArray[np.generic]]]]:
        """Runs of blocks without a missing sample."""
        run: list[tuple[Block, NDArray[np.generic]]] = []
        for block, data in self.blocks:
            if run and (run[-1][0].epoch, run[-1][0].next_seq) != (block.epoch, block.seq):
                yield run
                run = []
            run.append((block, data))
        if run:
            yield run

    def grid(self, start: float, count: int) -> tuple[NDArray[np.float64], list[tuple[float, float]]]:
        """``count`` samples from ``start``, NaN where there are none: (n, channels); and the gaps (t, seconds)."""
        out = np.full((count, len(self.labels)), np.nan)
        end, gaps = 0, list[tuple[float, float]]()

        def gap(until: int) -> None:
            if until > end:
                gaps.append((start + end / self.true_hz, (until - end) / self.true_hz))

        for span in self.spans():
            for index, (block, data) in enumerate(span):
                due = round((block.t0 - start) * self.true_hz)
                if index == 0 or due - end > SLIP_S * self.true_hz:
                    gap(due)
                    end = max(end, due)
                fits = min(len(data), max(0, count - end))
                out[end : end + fits] = data[:fits]
                end += len(data)
        gap(count)
        return out, gaps


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: monotonic time, s; how long, s (0: a moment); of what kind; in words."""

    t: float
    seconds: float
    kind: str
    text: str


@dataclass(slots=True)
class Session:
    """A whole recording: its streams, what happened, its readings, and what the wall clock said when."""

    device: str
    start: float
    end: float
    tracks: list[Track]
    marks: list[Mark]
    readings: list[Reading]
    clocks: list[ClockMark]

    def wall(self, t: float) -> float:
        """Unix time that the wall clock showed at monotonic ``t``, s."""
        mark = self.clocks[max(bisect_right(self.clocks, t, key=lambda one: one.t) - 1, 0)]
        return t + mark.wall - mark.t

    def started(self) -> datetime:
        """Wall time of ``start``, UTC."""
        return datetime.fromtimestamp(self.wall(self.start), UTC)


def session(recording: Recording) -> Session:
    """Read all of a recording into memory."""
    tracks: dict[str, Track] = {}
    marks: list[Mark] = []
    readings: list[Reading] = []
    clocks: list[ClockMark] = []
    header = recording.header
    for entry in recording:
        if isinstance(entry, Block):
            _add(tracks, entry)
        elif isinstance(entry, Reading):
            readings.append(entry)
        elif isinstance(entry, ClockMark):
            marks += _clock_marks(clocks, entry)
            clocks.append(entry)
        else:
            marks += _marks(entry)
    clocks = clocks or [ClockMark(float(header.get("mono", 0.0)), float(header.get("wall", 0.0)))]
    blocks = [block for track in tracks.values() for block, _ in track.blocks]
    start = min((block.t0 for block in blocks), default=clocks[0].t)
    end = max((block.t_end for block in blocks), default=start)
    marks += [Mark(start, 0.0, "recording", text) for text in (recording.torn, recording.missing) if text]
    _measure(list(tracks.values()))
    marks.sort(key=lambda mark: mark.t)
    return Session(str(header.get("device", "")), start, end, list(tracks.values()), marks, readings, clocks)


def _add(tracks: dict[str, Track], block: Block) -> None:
    data = block.data.reshape(len(block.data), -1)
    track = tracks.get(block.stream)
    if track is None:
        labels = block.labels if len(block.labels) == data.shape[1] else tuple(map(str, range(data.shape[1])))
        track = tracks[block.stream] = Track(block.stream, block.rate, labels, block.rate)
    track.blocks.append((block, data))


def _measure(tracks: list[Track]) -> None:
    """Every source's rates by the monotonic clock, from its longest run without a gap."""
    for source in {track.source for track in tracks}:
        mine = [track for track in tracks if track.source == source and track.on_grid]
        runs = [(run[-1][0].t0 - run[0][0].t0, track, run) for track in mine for run in track.spans()]
        seconds, track, run = max(runs, key=lambda found: found[0], default=(0.0, None, []))
        if track is None or seconds < _MEASURED_FROM_S:
            continue
        factor = (run[-1][0].seq - run[0][0].seq) / seconds / track.rate_hz
        if abs(factor - 1.0) <= _SKEW_MOST:
            for one in mine:
                one.true_hz = one.rate_hz * round(factor, 6)


def _clock_marks(before: list[ClockMark], mark: ClockMark) -> Iterator[Mark]:
    if before:
        step_s = (mark.wall - mark.t) - (before[-1].wall - before[-1].t)
        if abs(step_s) > STEP_S:
            yield Mark(mark.t, 0.0, "clock_step", f"wall clock stepped by {step_s:+.3f} s")
    yield Mark(mark.t, 0.0, "clock", f"monotonic {mark.t:.3f} s is {mark.wall:.3f} s Unix time")


def _marks(entry: Entry) -> Iterator[Mark]:
    if isinstance(entry, Alarm):
        yield Mark(entry.t, 0.0, "alarm", f"{entry.id} {entry.presence} ({entry.priority}): {entry.text}")
    elif isinstance(entry, SourceStatus):
        yield Mark(entry.t, 0.0, "source", f"{entry.source} {entry.state} {entry.reason}".rstrip())
    elif isinstance(entry, Fault):
        yield Mark(entry.t, 0.0, "fault", f"{entry.condition} {'on' if entry.present else 'off'} {entry.text}".rstrip())
    elif isinstance(entry, Command):
        what = " ".join(part for part in (entry.name, entry.bed, entry.id or entry.site) if part)
        yield Mark(entry.t, 0.0, "command", f"{what} by {entry.by}")
    elif isinstance(entry, Lost):
        yield Mark(entry.t, 0.0, "lost", f"{entry.entries} entries could not be recorded before this moment")


def marks_with_gaps(session: Session, gaps: dict[str, list[tuple[float, float]]]) -> list[Mark]:
    """The session's marks and the gaps of its streams, in order of time."""
    found = [Mark(t, s, "gap", f"gap in {stream}: {s:.3f} s") for stream, all_ in gaps.items() for t, s in all_]
    return sorted([*session.marks, *found], key=lambda mark: mark.t)
