"""The same lanes and board as live, driven from a file by one thread and no clock.

Physiology is a function of the blocks alone, so a recording replayed gives the readings and the alarm transitions
that were made live. Silence cannot be replayed from blocks; recordings carry it as ``SourceStatus`` entries.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from edge.alarms.board import Board
from edge.clock import ManualClock
from edge.fusion import Fusion
from edge.lane import Lane
from edge.recording import Entry, Lost, Tick, pack
from edge.types import Alarm, Block, Command, Event, Fault, Reading, Source, SourceStatus

_TICK_S = 1.0


def replay(
    entries: Iterable[Entry],
    *,
    lanes: Sequence[Lane],
    board: Board,
    clock: ManualClock,
    fusion: Fusion | None = None,
    real_pause: Iterator[None] | None = None,
) -> Iterator[Event]:
    """Feed recorded entries to lanes and board; yields every event in the order it is made.

    Readings and alarms that a recording holds are not fed: they are what a replay makes again. clock is moved along
    with the blocks, so that pauses and standby end when they did.
    """
    next_tick: float | None = None
    for entry in entries:
        if isinstance(entry, (Reading, Alarm)):
            continue
        if isinstance(entry, Block):
            clock.move_to(entry.t_end)
            for lane in lanes:
                if lane.source == entry.source and entry.kind in lane.kinds:
                    yield from _judge(lane.feed(entry), board, fusion)
        elif isinstance(entry, Command):
            clock.move_to(entry.t)
            result, transitions = board.command(entry)
            yield from transitions
            yield result
        elif isinstance(entry, (SourceStatus, Fault)):
            clock.move_to(entry.t)
            if isinstance(entry, SourceStatus):
                yield entry
            yield from board.update(entry)
        else:
            clock.move_to(entry.t)
        now = clock.now()
        if next_tick is None:
            next_tick = now + _TICK_S
        elif now >= next_tick:
            next_tick = now + _TICK_S
            yield from board.tick(now)
        if real_pause is not None:
            next(real_pause)
    for lane in lanes:
        yield from _judge(lane.finish(), board, fusion)
    if fusion is not None:
        for fused in fusion.flush():
            yield fused
            yield from board.update(fused)


@dataclass(slots=True)
class Comparison:
    """How a replay compares with what the recording says was made live. first: the first difference, in words."""

    readings: int = 0
    alarms: int = 0
    different: int = 0
    first: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not self.different

    def differs(self, text: str) -> None:
        self.different += 1
        self.first = self.first or text

    def line(self) -> str:
        """One sentence of what was reproduced and what was not."""
        what = f"{self.readings} readings and {self.alarms} alarm transitions"
        notes = "".join(f"; {note}" for note in dict.fromkeys(self.notes))
        if self.same:
            return f"{what} are bit for bit those made live{notes}"
        return f"{self.different} of {what} differ from those made live, the first: {self.first}{notes}"


def reproduce(
    entries: Iterable[Entry],
    *,
    lanes: Sequence[Lane],
    board: Board,
    clock: ManualClock,
    found: Comparison,
    fusion: Fusion | None = None,
    same_rules: bool = True,
) -> Iterator[Event]:
    """Make everything again in the order in which the main thread took it, and compare.

    Readings are computed from the blocks; a recorded one only says when its turn at the board was, and stands in
    where the blocks that made it are not in the recording. board: restored from the header. same_rules: whether alarm
    transitions are to be the same; not with another configuration.
    """
    made: dict[tuple[str, str, str], deque[Reading]] = {}
    told: deque[Alarm] = deque()

    def keep(readings: Iterable[Reading]) -> None:
        for reading in readings:
            made.setdefault((reading.bed, reading.source, reading.metric), deque()).append(reading)

    def tell(transitions: Iterable[Alarm]) -> Iterator[Alarm]:
        for alarm in transitions:
            told.append(alarm)
            yield alarm

    def turn(recorded: Reading) -> Reading:
        queue = made.setdefault((recorded.bed, recorded.source, recorded.metric), deque())
        if not queue or queue[0].t > recorded.t:
            for lane in lanes:  # the end of a stream computes the hops that waited for a companion
                if not queue and lane.source == recorded.source:
                    keep(lane.finish())
            if not queue and fusion is not None and recorded.metric.startswith("fused."):
                keep(fusion.flush())
        if not queue or queue[0].t > recorded.t:
            found.differs(f"{recorded.metric} at {recorded.t:.3f} s: its samples are not in the recording")
            return recorded
        reading = queue.popleft()
        if pack(reading) != pack(recorded):
            found.differs(
                f"{reading.metric} at {reading.t:.3f} s: {reading.value} {reading.reason}, "
                f"live {recorded.value} {recorded.reason}"
            )
        return reading

    for entry in entries:
        clock.move_to(entry.t_end if isinstance(entry, Block) else entry.t)
        if isinstance(entry, Block):
            for lane in lanes:
                if lane.source == entry.source and entry.kind in lane.kinds:
                    keep(lane.feed(entry))
        elif isinstance(entry, Reading):
            found.readings += 1
            reading = turn(entry)
            yield reading
            yield from tell(board.update(reading))
            if fusion is not None and not reading.metric.startswith("fused."):
                keep(fusion.update(reading))
        elif isinstance(entry, Alarm):
            found.alarms += 1
            live = told.popleft() if told else None
            if same_rules and (live is None or pack(live) != pack(entry)):
                found.differs(f"alarm {entry.id} {entry.presence} at {entry.t:.3f} s")
        elif isinstance(entry, Command):
            result, transitions = board.command(entry)
            yield from tell(transitions)
            yield result
        elif isinstance(entry, Tick):
            yield from tell(board.tick(entry.t))
        elif isinstance(entry, (SourceStatus, Fault)):
            if isinstance(entry, SourceStatus):
                yield entry
            yield from tell(board.update(entry))
        elif isinstance(entry, Lost):
            found.notes.append(f"{entry.entries} entries before {entry.t:.1f} s were not kept")
    if same_rules and told:
        found.notes.append(f"{len(told)} transition(s) at the very end were made and not recorded")
    waiting = sum(len(queue) for queue in made.values())
    if waiting:
        found.notes.append(f"{waiting} reading(s) at the very end were computed and not recorded")


def blocks_of(sources: Sequence[Source]) -> Iterator[Block]:
    """Blocks of several file sources, merged by time, each opened and closed here."""
    yield from heapq.merge(*(_read_all(s) for s in sources), key=lambda b: b.t0)


def _read_all(source: Source) -> Iterator[Block]:
    try:
        source.open()
        while True:
            yield from source.read()
    except EOFError:
        return
    finally:
        source.close()


def _judge(readings: Iterable[Reading], board: Board, fusion: Fusion | None) -> Iterator[Event]:
    for reading in readings:
        yield reading
        yield from board.update(reading)
        for fused in fusion.update(reading) if fusion is not None else ():
            yield fused
            yield from board.update(fused)
