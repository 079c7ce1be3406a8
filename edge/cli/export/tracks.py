"""A recording laid out for other programs: samples on one grid a stream, gaps left open, marks on the same time line.

A day does not fit into memory, so it is read several times: once for what must be known before the first sample is
written (``session``: spans, rates, ranges, clocks), once for the gaps (``Session.gaps``), and once for each format.
Each source's true rate is measured against the monotonic clock, since the files of other programs have one rate for all
time. Streams whose samples come one by one at times of their own (a camera) have no grid: only tables hold them.
A stream that comes with other channels from some moment on, as from a device that was exchanged, is another one from
there on: those of ``node`` are then called ``node-V2``, a name that no source can have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.cli.export.grid import Gaps, Grid
from edge.clock import SET_AFTER, iso
from edge.recording import ClockMark, Damage, Entry, Lost, MainState, Recording, set_marks, wall_at
from edge.sources._files.exported import COLUMNS
from edge.types import Alarm, Block, Command, Fault, Reading, SourceStatus

STEP_S = 1.0
_MEASURED_FROM_S = 60.0
_SKEW_MOST = 1e-3  # a device further off than this has the wrong rate declared, and keeps it
_LOOKED_AT = 4096  # samples at once


@dataclass(slots=True)
class Run:
    """Blocks without a missing sample, first and last of them: what a rate is measured by."""

    t0: float
    seq: int
    last_t0: float
    last_seq: int

    @property
    def seconds(self) -> float:
        return self.last_t0 - self.t0


@dataclass(slots=True)
class Track:
    """One stream, of the same channels throughout. labels: a name of its own for each. rate_hz: nominal, of most of it
    where it changed; true_hz: measured; low, high: of each channel's finite samples; whole: whether those are whole
    numbers; on_grid: whether samples come at a fixed rate (not so where each has a time of its own)."""

    stream: str
    labels: tuple[str, ...]
    dtype: np.dtype[Any]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    whole: NDArray[np.bool_]
    on_grid: bool = False
    true_hz: float = 0.0
    last_hz: float = 0.0
    _seconds: dict[float, float] = field(default_factory=dict)
    _longest: dict[float, Run] = field(default_factory=dict)
    _run: Run | None = None
    _expected: tuple[int, int, float] = (0, 0, 0.0)
    _unseen: list[NDArray[np.generic]] = field(default_factory=list)
    _waiting: int = 0

    @classmethod
    def begin(cls, block: Block, stream: str) -> Track:
        """The track that this block opens."""
        channels = channels_of(block).shape[1]
        nothing = np.full(channels, np.inf)
        return cls(stream, _told_apart(_labels(block)), block.data.dtype, nothing, -nothing, np.ones(channels, bool))

    @property
    def source(self) -> str:
        return self.stream.partition("/")[0]

    @property
    def rate_hz(self) -> float:
        return max(self._seconds, key=lambda rate: self._seconds[rate])

    @property
    def longest(self) -> Run:
        """The longest run of its rate."""
        return self._longest[self.rate_hz]

    def survey(self, block: Block) -> None:
        """Take a block into what is known of the whole stream."""
        data = channels_of(block)
        self.on_grid = self.on_grid or len(data) > 1
        self.dtype, self.last_hz = np.result_type(self.dtype, data.dtype), block.rate
        self._seconds[block.rate] = self._seconds.get(block.rate, 0.0) + len(data) / block.rate
        if self._run is None or (block.epoch, block.seq, block.rate) != self._expected:
            self._run = Run(block.t0, block.seq, block.t0, block.seq)
        self._run.last_t0, self._run.last_seq = block.t0, block.seq
        self._expected = (block.epoch, block.next_seq, block.rate)
        best = self._longest.setdefault(block.rate, self._run)
        if self._run.seconds > best.seconds:
            self._longest[block.rate] = self._run
        self._unseen.append(data)
        self._waiting += len(data)
        if self._waiting >= _LOOKED_AT:
            self.look()

    def look(self) -> None:
        """The range of the samples not yet looked at."""
        if not self._unseen:
            return
        data = np.concatenate(self._unseen).astype(np.float64)
        self._unseen.clear()
        self._waiting = 0
        for channel, x in enumerate(data.T):
            known = x[np.isfinite(x)]
            if len(known):
                self.low[channel] = min(self.low[channel], known.min())
                self.high[channel] = max(self.high[channel], known.max())
                self.whole[channel] &= bool((known == np.rint(known)).all())


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: monotonic time, s; how long, s (0: a moment); of what kind; in words."""

    t: float
    seconds: float
    kind: str
    text: str


class Layouts:
    """What the streams of a recording are called, by the channels they have: see the module."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, tuple[str, ...]], str] = {}

    def name(self, block: Block) -> str:
        """The stream that this block belongs to."""
        layout = block.stream, _labels(block)
        if layout not in self._names:
            number = 1 + sum(stream == block.stream for stream, _ in self._names)
            source, _, kind = block.stream.partition("/")
            self._names[layout] = block.stream if number == 1 else f"{source}-V{number}/{kind}"
        return self._names[layout]


@dataclass(slots=True)
class Session:
    """What is known of a whole recording: its streams, what happened, and what the wall clock said when."""

    recording: Recording
    device: str
    start: float
    end: float
    tracks: list[Track]
    marks: list[Mark]
    clocks: list[ClockMark]
    _layouts: Layouts
    _gaps: dict[bool, dict[str, Gaps]] = field(default_factory=dict)
    _offsets: NDArray[np.float64] | None = None

    def wall(self, t: float) -> float:
        """Unix time that the wall clock showed at monotonic ``t``, s; before it was set, counted back from then."""
        wall = wall_at(t, self.clocks)
        assert wall is not None  # there is always a clock, be it one that was never set
        return wall

    def time(self, t: float) -> str | None:
        """The same as ISO 8601 UTC; None by a clock that was never set."""
        return iso(self.wall(t)) if self.dated else None

    def walls(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """``wall`` for many times."""
        if self._offsets is None:
            self._offsets = np.array([(mark.t, mark.wall - mark.t) for mark in self.clocks]).T
        index = np.maximum(np.searchsorted(self._offsets[0], t, side="right") - 1, 0)
        return np.asarray(t + self._offsets[1, index], np.float64)

    @property
    def dated(self) -> bool:
        """Whether the wall clock was ever set."""
        return self.clocks[0].wall > SET_AFTER

    def started(self) -> datetime:
        """Wall time of ``start``, UTC, by what the clock said for most of the recording: files with one beginning for all
        of their samples would else be of another day where the clock was wrong until it was set."""
        held: dict[float, float] = {}
        offset, since = self.clocks[0].wall - self.clocks[0].t, self.start
        for mark in [*self.clocks, ClockMark(self.end, np.inf)]:
            now = mark.wall - mark.t
            if abs(now - offset) > STEP_S:
                held[offset] = held.get(offset, 0.0) + max(0.0, mark.t - since)
                offset, since = now, max(mark.t, self.start)
        return datetime.fromtimestamp(self.start + max(held, key=lambda one: held[one]), UTC)

    def count(self, track: Track) -> int:
        """Samples on the track's grid from the session's start to its end."""
        return max(1, round((self.end - self.start) * track.true_hz))

    def gaps(self, *, one_rate: bool) -> dict[str, Gaps]:
        """By stream on a grid, the gaps (t, seconds); the recording is read for it, once. one_rate: blocks of another rate
        than the track's are a gap, too."""
        if one_rate not in self._gaps:
            grids = {
                t.stream: Grid(self.start, t.true_hz, self.count(t), nominal_hz=t.rate_hz, one_rate=one_rate)
                for t in self.tracks
                if t.on_grid
            }
            self._gaps[one_rate] = self.fill(grids)
        return self._gaps[one_rate]

    def stream_of(self, block: Block) -> str:
        """The track's stream that a block of the recording belongs to."""
        return self._layouts.name(block)

    def fill(self, grids: Mapping[str, Grid]) -> dict[str, Gaps]:
        """Read the recording into grids of its streams, to their ends; the gaps of each."""
        for entry in self.recording if grids else ():
            if isinstance(entry, Block) and (grid := grids.get(self.stream_of(entry))):
                grid.add(entry)
        return {stream: grid.finish() for stream, grid in grids.items()}

    def marks_with_gaps(self, streams: list[str], *, one_rate: bool = True) -> list[Mark]:
        """The session's marks and the gaps of some of its streams, in order of time; one_rate: see ``gaps``."""
        gaps = self.gaps(one_rate=one_rate)
        found = [Mark(t, s, "gap", f"gap in {stream}: {s:.3f} s") for stream in streams for t, s in gaps[stream]]
        return sorted([*self.marks, *found], key=lambda mark: mark.t)


def session(recording: Recording) -> Session:
    """Read all of a recording once; what is kept of it does not grow with its samples."""
    tracks: dict[str, Track] = {}
    marks: list[Mark] = []
    clocks: list[ClockMark] = []
    sites: dict[str, str] = {}
    layouts = Layouts()
    start, end = np.inf, -np.inf
    header = recording.header
    for entry in recording:
        if isinstance(entry, Block):
            stream = layouts.name(entry)
            if stream not in tracks:
                tracks[stream] = Track.begin(entry, stream)
                marks += _layout_marks(tracks[stream], entry)
            marks += _rate_marks(tracks[stream].last_hz, entry)
            tracks[stream].survey(entry)
            start, end = min(start, entry.t0), max(end, entry.t_end)
        elif isinstance(entry, ClockMark):
            marks += _clock_marks(clocks, entry)
            clocks.append(entry)
        elif isinstance(entry, MainState):
            marks += _site_marks(sites, entry)
        elif not isinstance(entry, Reading):
            marks += _marks(entry)
    clocks = set_marks(clocks) or clocks or [ClockMark(float(header.get("mono", 0.0)), float(header.get("wall", 0.0)))]
    if not tracks:
        start = end = clocks[0].t
    for track in tracks.values():
        track.look()
    marks += [Mark(start, 0.0, "recording", text) for text in recording.said]
    _measure(list(tracks.values()))
    marks.sort(key=lambda mark: mark.t)
    return Session(recording, str(header.get("device", "")), start, end, list(tracks.values()), marks, clocks, layouts)


def channels_of(block: Block) -> NDArray[np.generic]:
    """A block's samples as (n, channels)."""
    return block.data.reshape(len(block.data), -1)


def _labels(block: Block) -> tuple[str, ...]:
    """Names of its channels: those of the source, where it names all of them, else numbers."""
    channels = channels_of(block).shape[1]
    return block.labels if len(block.labels) == channels else tuple(map(str, range(channels)))


def _told_apart(labels: Sequence[str]) -> tuple[str, ...]:
    """The same names, where two channels have one, or a channel that of another column, with numbers behind them."""
    found: list[str] = []
    for label in labels:
        names = chain([label], (f"{label}_{number}" for number in count(2)))
        found.append(next(name for name in names if name not in (*COLUMNS, *found)))
    return tuple(found)


def _measure(tracks: list[Track]) -> None:
    """Every source's rates by the monotonic clock, from its longest run without a gap."""
    for track in tracks:
        track.true_hz = track.rate_hz
    for source in {track.source for track in tracks}:
        mine = [track for track in tracks if track.source == source and track.on_grid]
        best = max(mine, key=lambda one: one.longest.seconds, default=None)
        if best is None or best.longest.seconds < _MEASURED_FROM_S:
            continue
        factor = (best.longest.last_seq - best.longest.seq) / best.longest.seconds / best.rate_hz
        if abs(factor - 1.0) <= _SKEW_MOST:
            for one in mine:
                one.true_hz = one.rate_hz * round(factor, 6)


def _layout_marks(track: Track, block: Block) -> Iterator[Mark]:
    if track.stream != block.stream:
        text = f"{block.stream}: other channels from here on, {', '.join(track.labels)}: called {track.stream}"
        yield Mark(block.t0, 0.0, "channels", text)


def _rate_marks(before_hz: float, block: Block) -> Iterator[Mark]:
    if before_hz not in (0.0, block.rate) and len(block.data) > 1:
        text = f"{block.stream}: {block.rate:g} samples a second from here on, {before_hz:g} before"
        yield Mark(block.t0, 0.0, "rate", text)


def _clock_marks(before: list[ClockMark], mark: ClockMark) -> Iterator[Mark]:
    if before:
        step_s = (mark.wall - mark.t) - (before[-1].wall - before[-1].t)
        if abs(step_s) > STEP_S:
            yield Mark(mark.t, 0.0, "clock_step", f"wall clock stepped by {step_s:+.3f} s")
    yield Mark(mark.t, 0.0, "clock", f"monotonic {mark.t:.3f} s is {mark.wall:.3f} s Unix time")


def _site_marks(before: dict[str, str], state: MainState) -> Iterator[Mark]:
    """Where each bed's microphone sat when the recording began; later moves are commands, with their own time."""
    for bed, kept in state.board.get("beds", {}).items():
        site = kept.get("auscultation", {}).get("site", "") if isinstance(kept, dict) else ""
        if site and bed not in before:
            yield Mark(state.t, 0.0, "site", f"{bed} {site}")
        before.setdefault(bed, site)


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
    elif isinstance(entry, Damage):
        yield Mark(
            entry.t - entry.seconds, entry.seconds, "damaged", f"{entry.size} bytes of the recording cannot be read"
        )
