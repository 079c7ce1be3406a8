"""What goes into the recording of an alarm: the last minutes of its bed, and what of them a replay needs. Pure.

Entries are the very ones a recorder is told, states of lanes and board among them, so that an alarm's recording is
replayed as any other. What the main thread has come to is the present: blocks that run ahead of it wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from edge.alarms.conditions import OF_DEVICE
from edge.recording import STATE_EVERY_S, Damage, Entry, LaneState, MainState, Tick, time_of
from edge.types import DEVICE_BED, Alarm, Block, Fault, Reading

CONFIRM_S: Final = 90.0
"""An alarm that took longer than this to be raised has its beginning cut off."""
_WINDOW_S: Final = 20.0  # of samples that a lane looks back over
_LATE_S: Final = 6.0  # behind the clock samples come at most: what an inbox holds and a little
_LATE_READING_S: Final = 2.0  # behind a reading of its bed
_RING_BYTES: Final = 1 << 25  # of samples of one bed
_TOGETHER: Final = 50  # alarms in one recording


@dataclass(slots=True)
class Span:
    """What is to be cut out for alarms of one bed: their occurrences, and from when until when, s. beyond: how many more
    came together with them, and get none."""

    bed: str
    raised: float
    start: float
    until: float
    header: Mapping[str, Any]
    occurrences: list[str] = field(default_factory=list)
    beyond: int = 0


class Ring:
    """The last minutes of every bed as entries in order, and the spans that alarms ask for. sources: source to bed."""

    def __init__(self, sources: Mapping[str, str], *, before_s: float, after_s: float) -> None:
        self._bed_of = dict(sources)
        self._before_s, self._after_s = before_s, after_s
        self._keep_s = before_s + after_s * 2 + CONFIRM_S + 2 * STATE_EVERY_S + _WINDOW_S
        self._entries: dict[str, deque[Entry]] = {bed: deque() for bed in {*sources.values(), DEVICE_BED}}
        self._bytes = dict.fromkeys(self._entries, 0)
        self._now = dict.fromkeys(self._entries, float("-inf"))
        self._ticked = dict(self._now)
        self._reached: dict[str, dict[str, float]] = {bed: {} for bed in self._entries}  # end of each stream so far
        self.wanted: list[Span] = []

    def take(self, entry: Entry, header: Callable[[], Mapping[str, Any]]) -> list[tuple[Span, list[Entry]]]:
        """Keep an entry; the spans that are complete by it, each with all that is kept of its bed."""
        for bed in self._beds(entry):
            self._keep(bed, entry)
        if isinstance(entry, Alarm) and entry.evidence.get("change") == "raised" and entry.bed in self._entries:
            self._want(entry, header)
        return [] if isinstance(entry, (Block, LaneState)) else self.cut()

    def cut(self, *, all_of_them: bool = False) -> list[tuple[Span, list[Entry]]]:
        """The spans that are complete, or all at once."""
        done = [span for span in self.wanted if all_of_them or self._complete(span)]
        self.wanted = [span for span in self.wanted if span not in done]
        return [(span, list(self._entries[span.bed])) for span in done]

    def _complete(self, span: Span) -> bool:
        """One lane's readings may run ahead of another's samples: every stream must be there, or be late for good."""
        if self._now[span.bed] < span.until:
            return False
        return self._ticked[span.bed] >= span.until or all(t >= span.until for t in self._reached[span.bed].values())

    def _beds(self, entry: Entry) -> Sequence[str]:
        if isinstance(entry, (Block, LaneState)):
            bed = self._bed_of.get(entry.source, "")
        elif isinstance(entry, Fault) and entry.condition in OF_DEVICE:
            bed = DEVICE_BED
        else:
            named = getattr(entry, "bed", None)
            if named is None:
                return list(self._entries)
            bed = named or DEVICE_BED
        return [bed] if bed in self._entries else []

    def _keep(self, bed: str, entry: Entry) -> None:
        if isinstance(entry, Block) and entry.kind == "video":
            raise ValueError("camera frames are never kept")
        entries = self._entries[bed]
        entries.append(entry)
        if isinstance(entry, Block):
            self._bytes[bed] += entry.data.nbytes
            self._reached[bed][entry.stream] = entry.t_end
        elif isinstance(entry, (Tick, Reading)):  # what the main thread has come to: no block is forgotten before
            late_s = _LATE_READING_S if isinstance(entry, Reading) else _LATE_S
            self._now[bed] = max(self._now[bed], entry.t - late_s)
            if isinstance(entry, Tick):
                self._ticked[bed] = entry.t - late_s
        oldest = self._now[bed] - self._keep_s
        while entries and (time_of(entries[0]) < oldest or self._bytes[bed] > _RING_BYTES):
            gone = entries.popleft()
            self._bytes[bed] -= gone.data.nbytes if isinstance(gone, Block) else 0

    def _want(self, alarm: Alarm, header: Callable[[], Mapping[str, Any]]) -> None:
        start = max(min(alarm.since, alarm.t), alarm.t - CONFIRM_S) - self._before_s
        span = next((s for s in self.wanted if s.bed == alarm.bed and alarm.t <= s.raised + self._after_s), None)
        if span is None:
            span = Span(alarm.bed, alarm.t, start, alarm.t, dict(header()))
            self.wanted.append(span)
        if len(span.occurrences) >= _TOGETHER:
            span.beyond += 1
            return
        span.occurrences.append(alarm.occurrence)
        span.start = min(span.start, start)
        span.until = max(span.until, alarm.t + self._after_s)


def exact_part(entries: Sequence[Entry], span: Span) -> list[Entry]:
    """Of a bed's entries what a replay of the span needs: the last states before it, and all since.

    Before the board's state only what its lanes need stays: their last states, and the samples they look back at.
    """
    first = _begin(entries, span.start)
    lanes = {(e.source, e.primary): (i, e) for i, e in enumerate(entries[:first]) if isinstance(e, LaneState)}
    return [*_looked_back_at(entries[:first], lanes.values()), *_since(entries[first:], lanes, span.bed)]


def _begin(entries: Sequence[Entry], start: float) -> int:
    """Where the board's last state at the span's start stands, or its first one where there is none before."""
    states = [(i, e.t) for i, e in enumerate(entries) if isinstance(e, MainState)]
    return next((i for i, t in reversed(states) if t <= start), states[0][0] if states else 0)


def _looked_back_at(entries: Sequence[Entry], lanes: Collection[tuple[int, LaneState]]) -> Iterator[Entry]:
    """The lanes' states, every damage, and of the samples what a lane looks back at or was fed after its state."""
    fed_from: dict[str, int] = {}
    needed_from: dict[str, float] = {}
    for i, state in lanes:
        fed_from[state.source] = min(i, fed_from.get(state.source, i))
        for kind, stream in state.state["streams"].items():
            name, oldest = f"{state.source}/{kind}", state.t if stream is None else stream["oldest"]
            needed_from[name] = min(oldest, needed_from.get(name, oldest))
    kept = {i for i, _ in lanes}
    for i, entry in enumerate(entries):
        if isinstance(entry, Block):
            if entry.t_end > needed_from.get(entry.stream, 0.0) or i > fed_from.get(entry.source, 0):
                yield entry
        elif i in kept or isinstance(entry, Damage):
            yield entry


def _since(
    entries: Sequence[Entry], lanes: Mapping[tuple[str, str], tuple[int, LaneState]], bed: str
) -> Iterator[Entry]:
    """All from the board's state on, but states that the replay comes to by itself: the board's later ones, and those of
    a lane that has begun already, unless it goes on with other models."""
    variants = {lane: state.state.get("models") for lane, (_, state) in lanes.items()}
    begun = False
    for entry in entries:
        if isinstance(entry, LaneState) and (lane := (entry.source, entry.primary)) in variants:
            if entry.state.get("models") == variants[lane]:
                continue
            variants[lane] = entry.state.get("models")
        elif isinstance(entry, MainState):
            if not begun:
                yield _of_bed(entry, bed)
            begun = True
            continue
        yield entry


def _of_bed(state: MainState, bed: str) -> MainState:
    """The same without other beds: an alarm's evidence is of one person."""
    beds = {name: kept for name, kept in state.board["beds"].items() if name == bed}
    fusion = {name: kept for name, kept in state.fusion.items() if name == bed}
    return replace(state, board={**state.board, "beds": beds}, fusion=fusion)
