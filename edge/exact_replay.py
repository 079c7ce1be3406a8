"""A recording made again in the order in which the main thread took it, and compared with what it holds, bit for bit.

Lanes and board go on from the states that a recording holds now and then, so that it may begin anywhere; behind damage
they begin anew.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields

from edge.alarms.board import Board
from edge.clock import ManualClock
from edge.fusion import Fusion
from edge.lane import Lane
from edge.recording import Damage, Entry, LaneState, Lost, MainState, Tick, pack, time_of
from edge.types import FUSED, Alarm, Block, Command, Event, Fault, Reading, SourceError, SourceStatus


@dataclass(slots=True)
class Comparison:
    """How a replay compares with what the recording says was made live. first: the first difference, in words.

    given: readings that were made of samples from before the recording, and so were taken from it. then, now: alarm
    transitions of the recording and of here that were not compared, since other rules made them.
    """

    readings: int = 0
    alarms: int = 0
    given: int = 0
    then: int = 0
    now: int = 0
    different: int = 0
    first: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not self.different

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to compare."""
        return not (self.readings or self.alarms or self.different)

    @property
    def other_alarms(self) -> bool:
        """Whether there were alarm transitions, and other rules made them."""
        return bool(self.then or self.now)

    def differs(self, text: str) -> None:
        self.different += 1
        self.first = self.first or text

    def line(self) -> str:
        """One sentence of what was reproduced and what was not."""
        what = f"{self.readings} readings"
        notes = "".join(f"; {note}" for note in dict.fromkeys(self.notes))
        if self.given:
            notes = f"; {self.given} reading(s) of samples from before it were taken as recorded{notes}"
        if self.other_alarms:
            notes = f"; alarm transitions were not compared: {self.then} then, {self.now} now, by other rules{notes}"
        else:
            what += f" and {self.alarms} alarm transitions"
        if self.nothing:
            return f"nothing was compared{notes}"
        if self.same:
            return f"{what} are bit for bit those made live{notes}"
        return f"{self.different} of {what} differ from those made live, the first: {self.first}{notes}"


def reproduce(
    entries: Iterable[Entry],
    *,
    lanes: Sequence[Lane],
    board_of: Callable[[MainState], Board],
    clock: ManualClock,
    found: Comparison,
    fusion: Fusion | None = None,
    same_rules: bool = True,
) -> Iterator[Event]:
    """Make everything again in the order in which the main thread took it, and compare.

    Lanes and board begin at their first states in the recording, wherever that is: what is computed goes on from
    there. Readings are computed from the blocks; a recorded one only says when its turn at the board was, and stands in
    where the blocks that made it are not in the recording. So they do again behind damage. board_of: the board as it was
    at a state. same_rules: whether alarm transitions are to be the same; else they are counted only. Raises SourceError
    for a state that another version of the program recorded and this one cannot read.
    """
    run = _Reproduction(lanes, fusion, found, same_rules=same_rules)
    board: Board | None = None
    missing = "the recording holds no state to begin with"
    for entry in entries:
        clock.move_to(time_of(entry))
        if isinstance(entry, (Block, LaneState)):
            run.feed(entry)
        elif isinstance(entry, MainState):
            if board is None:
                with states_of_then():
                    board = board_of(entry)
                    if fusion is not None:
                        fusion.restore(entry.fusion)
        elif isinstance(entry, Damage):
            board = None
            missing = "no state follows the last damage: nothing behind it was compared"
            run.begin_anew()
            found.notes.append(
                f"{entry.size} bytes before {entry.t:.1f} s are damaged; it goes on from the next states"
            )
        elif board is None:
            continue
        elif isinstance(entry, Reading):
            reading = run.turn(entry, board.locate)
            yield reading
            yield from run.tell(board.update(reading))
            run.fuse(reading)
        elif isinstance(entry, Alarm):
            run.alarm(entry)
        elif isinstance(entry, Command):
            result, transitions = board.command(entry)
            yield from run.tell(transitions)
            yield result
        elif isinstance(entry, Tick):
            yield from run.tell(board.tick(entry.t))
        elif isinstance(entry, (SourceStatus, Fault)):
            if isinstance(entry, SourceStatus):
                yield entry
            yield from run.tell(board.update(entry))
        elif isinstance(entry, Lost):
            found.notes.append(f"{entry.entries} entries before {entry.t:.1f} s were not kept")
    if board is None:
        found.notes.append(missing)
    run.end()


class _Reproduction:
    """Lanes that begin at their first state, what they computed, and what the board told, until each has its turn."""

    def __init__(self, lanes: Sequence[Lane], fusion: Fusion | None, found: Comparison, *, same_rules: bool) -> None:
        self._lanes, self._fusion, self._found, self._same_rules = lanes, fusion, found, same_rules
        self._asleep = list(lanes)
        self._lane_of = {(lane.source, m): lane for lane in lanes for a in lane.analyzers.values() for m in a.metrics}
        self._made: dict[tuple[str, str, str], deque[Reading]] = {}
        self._begun: set[tuple[str, str, str]] = set()
        self._told: deque[Alarm] = deque()

    def begin_anew(self) -> None:
        """Something is missing here: what was remembered is no longer what was remembered live."""
        for lane in self._lanes:
            lane.reset()
        self._asleep = list(self._lanes)
        for kept in (self._made, self._begun, self._told):
            kept.clear()

    def feed(self, entry: Block | LaneState) -> None:
        """A block to the lanes of its source, or a state to its own: one that runs takes the models' variants of it only."""
        if isinstance(entry, LaneState):
            for lane in self._lanes:
                if (lane.source, lane.primary) != (entry.source, entry.primary):
                    continue
                with states_of_then():
                    if lane not in self._asleep:
                        lane.restore_models(entry.state)
                    elif lane.restore(entry.state):
                        self._asleep.remove(lane)
            return
        for lane in self._lanes:
            if lane.source == entry.source and entry.kind in lane.kinds:
                if lane in self._asleep:
                    lane.prime(entry)
                else:
                    self._keep(lane.feed(entry))

    def turn(self, recorded: Reading, locate: Callable[[Reading], Reading]) -> Reading:
        """The reading of here whose turn it is, compared with the recorded one. locate: the board's last word on it."""
        lane = self._lane_of.get((recorded.source, recorded.metric))
        if lane is not None and self._is_from_before(recorded, lane):
            self._found.given += 1
            return locate(recorded)
        self._found.readings += 1
        made = self._next(recorded)
        if made is None:
            told = lane is not None or recorded.metric.startswith(FUSED)
            why = "its samples are not in the recording" if told else "nothing here makes it"
            self._found.differs(f"{recorded.metric} at {recorded.t:.3f} s: {why}")
            return locate(recorded)
        reading = locate(made)
        if pack(reading) != pack(recorded):
            self._found.differs(f"{reading.metric} at {reading.t:.3f} s: {_apart(reading, recorded)}")
        return reading

    def _is_from_before(self, recorded: Reading, lane: Lane) -> bool:
        """Whether it was made of samples from before the state that its lane goes on from."""
        return lane in self._asleep or recorded.t < lane.answers_from.get(recorded.metric, -math.inf) - 1e-6

    def _next(self, recorded: Reading) -> Reading | None:
        """What was made here for that moment, or None; what was made for earlier ones had no turn, and is told."""
        key = (recorded.bed, recorded.source, recorded.metric)
        queue = self._made.setdefault(key, deque())
        if key not in self._begun:  # what a lane made before the board's first state had its turn before
            self._begun.add(key)
            while queue and queue[0].t < recorded.t:
                queue.popleft()
        for lane in self._lanes:  # the end of a stream computes the hops that waited for a companion
            if not queue and lane.source == recorded.source and lane not in self._asleep:
                self._keep(lane.finish())
        if not queue and self._fusion is not None and recorded.metric.startswith(FUSED):
            self._keep(self._fusion.flush())
        while queue and queue[0].t < recorded.t:
            self._found.differs(f"{recorded.metric} at {queue.popleft().t:.3f} s: made here, not live")
        return queue.popleft() if queue and queue[0].t <= recorded.t else None

    def fuse(self, reading: Reading) -> None:
        """Keep what fusion makes of a lane's reading until its turn."""
        if self._fusion is not None and not reading.metric.startswith(FUSED):
            self._keep(self._fusion.update(reading))

    def tell(self, transitions: Iterable[Alarm]) -> Iterator[Alarm]:
        """Transitions made here, each kept until the recorded one comes that it must be equal to."""
        for alarm in transitions:
            if self._same_rules:
                self._told.append(alarm)
            else:
                self._found.now += 1
            yield alarm

    def alarm(self, recorded: Alarm) -> None:
        """Compare a recorded transition with the one made here, where the same rules make them."""
        if not self._same_rules:
            self._found.then += 1
            return
        self._found.alarms += 1
        made = self._told.popleft() if self._told else None
        if made is None or pack(made) != pack(recorded):
            self._found.differs(f"alarm {recorded.id} {recorded.presence} at {recorded.t:.3f} s")

    def end(self) -> None:
        """Say what was made and is not in the recording."""
        if self._told:
            self._found.notes.append(f"{len(self._told)} transition(s) at the very end were made and not recorded")
        waiting = sum(len(queue) for queue in self._made.values())
        if waiting:
            self._found.notes.append(f"{waiting} reading(s) at the very end were computed and not recorded")

    def _keep(self, readings: Iterable[Reading]) -> None:
        for reading in readings:
            self._made.setdefault((reading.bed, reading.source, reading.metric), deque()).append(reading)


def _apart(reading: Reading, recorded: Reading) -> str:
    """In which fields they differ, and how."""
    names = [one.name for one in fields(reading) if getattr(reading, one.name) != getattr(recorded, one.name)]
    told = [f"{name} {getattr(reading, name)}, live {getattr(recorded, name)}" for name in names if name != "detail"]
    return "; ".join(told) or "detail"


@contextlib.contextmanager
def states_of_then() -> Iterator[None]:
    """Around what goes on from a recorded state."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = error.__cause__ or error
        raise SourceError(
            f"another version of the program recorded it, and its states cannot be read here ({why!r}); replay it with that "
            "version; export needs no states"
        ) from error
