"""The same lanes and board as live, driven from a file by one thread and no clock.

Physiology is a function of the blocks alone, so a recording replayed gives the readings and the alarm transitions
that were made live. Silence cannot be replayed from blocks; recordings carry it as ``SourceStatus`` entries. Here
readings are judged as they come; in the order of then, and compared with it: ``edge.exact_replay``.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from edge.alarms.board import Board
from edge.clock import ManualClock
from edge.fusion import Fusion
from edge.lane import Lane
from edge.recording import Entry, time_of
from edge.types import Alarm, Block, Command, Event, Fault, Reading, Source, SourceStatus

_TICK_S = 1.0


def replay(
    entries: Iterable[Entry],
    *,
    lanes: Sequence[Lane],
    board: Board,
    clock: ManualClock,
    fusion: Fusion | None = None,
) -> Iterator[Event]:
    """Feed recorded entries to lanes and board; yields every event in the order it is made.

    Readings and alarms that a recording holds are not fed: they are what a replay makes again. clock is moved along
    with the blocks, so that pauses and standby end when they did.
    """
    next_tick: float | None = None
    for entry in entries:
        if isinstance(entry, (Reading, Alarm)):
            continue
        clock.move_to(time_of(entry))
        if isinstance(entry, Block):
            for lane in lanes:
                if lane.source == entry.source and entry.kind in lane.kinds:
                    yield from _judge(lane.feed(entry), board, fusion)
        elif isinstance(entry, Command):
            result, transitions = board.command(entry)
            yield from transitions
            yield result
        elif isinstance(entry, (SourceStatus, Fault)):
            if isinstance(entry, SourceStatus):
                yield entry
            yield from board.update(entry)
        now = clock.now()
        if next_tick is None:
            next_tick = now + _TICK_S
        elif now >= next_tick:
            next_tick = now + _TICK_S
            yield from board.tick(now)
    for lane in lanes:
        yield from _judge(lane.finish(), board, fusion)
    if fusion is not None:
        for fused in fusion.flush():
            yield fused
            yield from board.update(fused)


def blocks_of(sources: Sequence[Source]) -> Iterator[Block]:
    """Blocks of several file sources, merged by time, each opened and closed here."""
    yield from heapq.merge(*(read_all(s) for s in sources), key=lambda b: b.t0)


def read_all(source: Source) -> Iterator[Block]:
    """Every block of a source that ends; it is opened and closed here."""
    try:
        source.open()
        while True:
            yield from source.read()
    except EOFError:
        return
    finally:
        source.close()


def _judge(readings: Iterable[Reading], board: Board, fusion: Fusion | None) -> Iterator[Event]:
    for made in readings:
        reading = board.locate(made)
        yield reading
        yield from board.update(reading)
        for fused in fusion.update(reading) if fusion is not None else ():
            yield fused
            yield from board.update(fused)
