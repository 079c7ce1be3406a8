"""Every thread in the program: a reader per device, a worker per lane, and the caller's own as the main one.

    reader: read and stamp ──► Inbox ──► worker: lane.feed ──► main: board, durable write, sinks

Readers and workers hold no state that matters: readings are pure functions of blocks (``edge.lane``), alarms of
readings (``edge.alarms``). The main thread alone owns the board, so alarms are made in one place and nothing queues
behind it but sinks that never block. Silence is judged here and only here, from the time of each reader's last
block: a reader stuck in a driver call cannot say that it is stuck.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from edge.alarms.board import Board
from edge.alarms.delivery import in_words
from edge.board_health import Health
from edge.clock import Clock
from edge.fusion import Fusion
from edge.inbox import Inbox
from edge.ladder import Ladder
from edge.lane import Lane
from edge.load import Load
from edge.outlet import Durable, Outlet
from edge.reader import Reader
from edge.recording import STATE_EVERY_S, ClockMark, Entry, LaneState, MainState, Tick
from edge.stats import LoopStats
from edge.types import (
    HEARTBEAT_EVERY_S,
    Alarm,
    BedStatus,
    Block,
    Command,
    Fault,
    Heartbeat,
    Reading,
    Sink,
    SourceStatus,
)

log = logging.getLogger(__name__)

_MAIN_QUEUE = 1024
TICK_S = 0.25  # the board's clock, silence and load are looked at so often
_STATS_EVERY_S = 10.0
_COVERAGE_EVERY_S = 60.0
_KEEP_EVERY_S = 300.0  # the record of watching; a power cut costs no more of it
_POLL_S = 0.25
_TOGETHER = 64  # at most so many items share one durable write
_AFTER_BUG_S = 0.5
_CLOCK_STEP_S = 1.0
_CLOCK_MARK_S = (60.0, 0.02)  # a recording is told the wall time so often, and when it moved by so much
_FAULT_STANDS_S = 10.0
_DISK_RETRY_S = 5.0  # a try may hold the main thread for a second
_BUG_BUDGET = (5, 60.0)  # so many unexpected exceptions in so many seconds, then the process gives up
_JOIN_S = 2.0


@runtime_checkable
class BlockWatcher(Protocol):
    """A sink that also wants to see the blocks that enter windows (traces of a page); called by workers, never waits."""

    def observe(self, block: Block) -> None: ...


@dataclass(frozen=True, slots=True)
class _Bug:
    where: str
    error: BaseException


def new_mailbox() -> queue.Queue[Any]:
    """The queue through which everything reaches the main thread; a Command or Fault may be put from any thread."""
    return queue.Queue(_MAIN_QUEUE)


class Runtime:
    """Runs sources through lanes and the board into sinks until stopped or all sources have ended.

    durable: where transitions go before the sinks see them. tap: called with every entry worth recording, in
    order; board_shift_s is for it. state: gives the bytes of durable state written with transitions. extra_stats:
    figures from elsewhere. mailbox: from ``new_mailbox``, for a caller with something to post before there is a runtime. ladder: what to give up
    under load; health: what the board says of its power and heat. on_tick: called by the main loop. keep: called now and
    then and at the end, to write down what is not written with every transition.
    """

    def __init__(
        self,
        *,
        readers: Sequence[Reader],
        board: Board,
        sinks: Sequence[Sink],
        clock: Clock,
        fusion: Fusion | None = None,
        durable: Durable | None = None,
        state: Callable[[], bytes] | None = None,
        tap: Callable[[Entry], None] | None = None,
        extra_stats: Callable[[], Mapping[str, Any]] | None = None,
        camera_frames: int = 2,
        mailbox: queue.Queue[Any] | None = None,
        ladder: Ladder | None = None,
        health: Callable[[], Health] | None = None,
        on_tick: Callable[[Sequence[Reader]], None] | None = None,
        keep: Callable[[], None] | None = None,
        board_shift_s: float | None = None,
    ) -> None:
        self._readers = list(readers)
        self._board, self._fusion, self._clock, self._tap = board, fusion, clock, tap
        self._out = Outlet(sinks, durable, state)
        self._watchers = [sink for sink in sinks if isinstance(sink, BlockWatcher)]
        self._main: queue.Queue[Any] = mailbox if mailbox is not None else new_mailbox()
        self._stop = threading.Event()
        self._status: dict[str, SourceStatus] = {}
        self._beds: dict[str, BedStatus] = {}
        self._bugs: deque[float] = deque()
        self._tap_lock = threading.Lock()
        self._wall_offset = clock.wall() - clock.now()
        self._clock_step_until = 0.0
        self._coverage_due = clock.now() + _COVERAGE_EVERY_S
        self._heartbeat_due = clock.now()
        self._keep, self._keep_due = keep, clock.now()  # at once: what was restored, by the clock of this run
        self._shift_s, self._state_due = board_shift_s, -math.inf
        self._mark = (-math.inf, self._wall_offset)
        self._disk_due = 0.0
        self._standing: dict[str, bool] = {}
        self._ladder, self._load, self._on_tick = ladder or Ladder(()), Load(health), on_tick
        self._paced = {reader.name for reader in readers if not reader.can_wait}
        self.stats = LoopStats(extra_stats)
        self.failed = ""
        for reader in self._readers:
            for _ in reader.lanes:
                reader.inboxes.append(Inbox(limit_blocks={"video": camera_frames}, lossless=reader.can_wait))
            for lane in reader.lanes if tap is not None or self._watchers else ():
                lane.observe = self._observe

    def post(self, item: Command | Fault | Reading) -> None:
        """Hand the main thread a command, a fault or a reading, from any thread."""
        self._main.put(item)

    def stop(self) -> None:
        """Ask the program to end; safe in a signal handler and from any thread."""
        self._stop.set()

    def run(self, seconds: float | None = None) -> int:
        """Run until stopped, until every source has ended, or for ``seconds``. Returns the exit code, 0 or 1."""
        started = self._clock.now()
        self._record_main(started)
        workers = self._start_workers()
        readers = [self._thread(f"edge-read-{r.name}", r.run, self._stop, self._clock) for r in self._readers]
        next_tick, next_stats = started, started + _STATS_EVERY_S
        try:
            while not self._stop.is_set():
                now = self._clock.now()
                if now >= next_tick:
                    next_tick = now + TICK_S
                    self._tick(now)
                    if self._on_tick is not None:
                        self._on_tick(self._readers)
                if now >= next_stats:
                    next_stats += _STATS_EVERY_S
                    self._emit_stats(now)
                if seconds is not None and now - started >= seconds:
                    break
                if (
                    not self._take(TICK_S / 2)
                    and all(r.ended for r in self._readers)
                    and not any(w.is_alive() for w in workers)
                ):
                    break
        finally:
            self._shut_down(readers, workers)
        return 1 if self.failed else 0

    # ---- threads -------------------------------------------------------------------------------------------

    def _start_workers(self) -> list[threading.Thread]:
        return [
            self._thread(f"edge-work-{reader.name}-{lane.primary}", self._work, lane, inbox)
            for reader in self._readers
            for lane, inbox in zip(reader.lanes, reader.inboxes, strict=True)
        ]

    def _thread(self, name: str, target: Callable[..., None], *args: Any) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(name, target, *args), name=name, daemon=True)
        thread.start()
        return thread

    def _guarded(self, name: str, target: Callable[..., None], *args: Any) -> None:
        while not self._stop.is_set():
            try:
                target(*args)
                return
            except Exception as error:  # a bug: say so, go on within the budget
                log.exception("%s failed", name)
                self._main.put(_Bug(name, error))
                self._stop.wait(_AFTER_BUG_S)

    def _work(self, lane: Lane, inbox: Inbox) -> None:
        due = -math.inf
        self._record_lane(lane, self._clock.now())
        while not inbox.drained:
            block = inbox.get(_POLL_S)
            if block is None:
                continue
            try:
                readings = lane.feed(block)
            except Exception:
                lane.reset()
                raise
            self._hand_on(lane, readings)
            if block.t_end >= due:
                due = block.t_end + STATE_EVERY_S
                self._record_lane(lane, block.t_end)
        self._hand_on(lane, lane.finish())

    def _record_lane(self, lane: Lane, t: float) -> None:
        if self._tap is not None:
            self.record(LaneState(lane.source, lane.primary, t, lane.state()))

    def _hand_on(self, lane: Lane, readings: Sequence[Reading]) -> None:
        for fault in lane.take_faults():
            log.error("analyzer %s of %s failed", fault.analyzer, lane.source, exc_info=fault.error)
        for reading in readings:
            self._main.put(reading)

    # ---- main ----------------------------------------------------------------------------------------------

    def _take(self, timeout_s: float) -> bool:
        """Handle what the queue holds, after waiting at most ``timeout_s`` for something; whether there was any.

        What came of it is written to disk together: a write takes some ms, and in a flood there are hundreds a second.
        """
        handled = 0
        with contextlib.suppress(queue.Empty):
            self._handle(self._main.get(timeout=timeout_s))
            handled = 1
            while handled < _TOGETHER:
                self._handle(self._main.get_nowait())
                handled += 1
        self._commit()
        return handled > 0

    def _handle(self, item: Any) -> None:
        if isinstance(item, Reading):
            now = self._clock.now()
            self.stats.reading(item, now)
            self._load.heard(item, now, paced=item.source in self._paced)
            self._reading(item)
            for fused in self._fusion.update(item) if self._fusion else ():
                self._reading(fused)
            self._record_main(item.t)
        elif isinstance(item, Command):
            self.record(item)
            result, transitions = self._board.command(item)
            self._publish(transitions, save=True)  # a pause of silent alarms is no transition, and must last
            self._out.add(result)
            self._tell_beds(item.t)
        elif isinstance(item, Fault):
            self._fault(item)
        elif isinstance(item, _Bug):
            self._bug(item)

    def _reading(self, made: Reading) -> None:
        reading = self._board.locate(made)
        transitions = self._board.update(reading)
        self.record(reading)
        self._out.add(reading)
        self._publish(transitions)

    def _tell_beds(self, now: float) -> None:
        """What is new of beds: where the microphone sits, pauses, standby."""
        for status in self._board.statuses(now):
            before = self._beds.get(status.bed)
            if before is None or replace(status, t=before.t) != before:
                self._beds[status.bed] = status
                self._out.add(status)

    def _publish(self, transitions: Sequence[Alarm], *, save: bool = False) -> None:
        if save:
            self._out.save()
        for alarm in transitions:
            if alarm.evidence.get("change") == "unconfirmed":
                log.warning("%s: %s", alarm.id, in_words(alarm.delivery))
            self.record(alarm)
            self._out.add(alarm)

    def _commit(self) -> None:
        self._out.commit(self._on_disk)

    def _on_disk(self, written: bool) -> None:
        text = "alarms cannot be written to disk; they are sent all the same"
        self._set_fault("outbox_full", not written, text)

    def record(self, entry: Entry) -> None:
        """Pass an entry to the recorder, if there is one; any thread."""
        if self._tap is not None:
            with self._tap_lock:
                self._tap(entry)

    def _record_main(self, t: float) -> None:
        """Every so often, by the newest time there is: what this thread remembers, for replays that begin here."""
        if self._tap is not None and t >= self._state_due:
            self._state_due = t + STATE_EVERY_S
            fusion = self._fusion.state() if self._fusion is not None else {}
            self.record(MainState(t, self._board.snapshot(), fusion, self._shift_s))

    def _observe(self, block: Block) -> None:
        self.record(block)
        for watcher in self._watchers:
            try:
                watcher.observe(block)
            except Exception:  # a page must not stop an analysis
                log.exception("sink %s failed", type(watcher).__name__)

    def _fault(self, fault: Fault) -> None:
        self.record(fault)
        self._publish(self._board.update(fault))

    def _set_fault(self, condition: str, present: bool, text: str) -> None:
        if self._standing.get(condition, False) != present:
            self._standing[condition] = present
            self._fault(Fault(condition, self._clock.now(), present, text))

    def _bug(self, bug: _Bug) -> None:
        now, (allowed, within_s) = self._clock.now(), _BUG_BUDGET
        self._bugs.append(now)
        while self._bugs and self._bugs[0] < now - within_s:
            self._bugs.popleft()
        if len(self._bugs) > allowed:
            self.failed = f"{bug.where} keeps failing: {bug.error!r}"
            log.error("%s; giving up so that the service manager restarts the program", self.failed)
            self._stop.set()

    # ---- silence, clocks, load -----------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        for reader in self._readers:
            self._watch(reader, now)
        if now >= self._coverage_due:
            self._coverage_due = now + _COVERAGE_EVERY_S
            for status in self._status.values():
                covered = self._board.source_coverage(status.bed, status.source, now)
                self._out.add(replace(status, t=now, blind_s=0.0, coverage=covered))
        wall_offset = self._clock.wall() - now
        if now - self._mark[0] >= _CLOCK_MARK_S[0] or abs(wall_offset - self._mark[1]) > _CLOCK_MARK_S[1]:
            self._mark = (now, wall_offset)
            self.record(ClockMark(now, now + wall_offset))
        if abs(wall_offset - self._wall_offset) > _CLOCK_STEP_S:
            text = f"the wall clock jumped by {wall_offset - self._wall_offset:+.1f} s"
            self._wall_offset, self._clock_step_until = wall_offset, now + _FAULT_STANDS_S
            self._set_fault("clock_step", True, text)
        self._load.look(self._readers, now)
        if why := self._load.overload(now):
            self._set_fault("overload", True, why)
        self._relieve(now)
        if now >= self._clock_step_until:
            self._set_fault("clock_step", False, "")
        if not self._load.overload(now) and not self._ladder.taken:
            self._set_fault("overload", False, "")
        again = self._standing.get("outbox_full", False) and now >= self._disk_due
        if again:
            self._disk_due = now + _DISK_RETRY_S
        self.record(Tick(now))
        self._publish(self._board.tick(now), save=again)
        self._tell_beds(now)
        if now >= self._heartbeat_due:  # last: whoever hears it knows that alarms were judged and written
            self._heartbeat_due = now + HEARTBEAT_EVERY_S
            self._out.add(Heartbeat(now, HEARTBEAT_EVERY_S, self._board.heartbeat()))
        self._record_main(now)
        self._commit()
        if self._keep is not None and now >= self._keep_due:  # never a state whose transitions are not on disk
            self._keep_due = now + _KEEP_EVERY_S
            self._keep()

    def _relieve(self, now: float) -> None:
        """Give something up, or back, as load and the board's health ask for; say so."""
        for move in self._ladder.update(now, self._load.cause(now)):
            log.warning("%s: %s", move.rung.text if move.down else f"no longer: {move.rung.text}", move.cause or "calm")
            text = f"{self._ladder.text}: {move.cause}" if move.down else self._ladder.text
            if self._ladder.taken:
                self._standing["overload"] = True
                self._fault(Fault("overload", now, True, text))
            for reader in self._readers:
                self._watch(reader, now)
            self._emit_stats(now)

    def _watch(self, reader: Reader, now: float) -> None:
        status = reader.status(self._status.get(reader.name), now)
        if status is None:
            return
        self._status[reader.name] = status
        self.record(status)
        self._out.add(status)
        self._publish(self._board.update(status))

    def _emit_stats(self, now: float) -> None:
        readers = self._readers
        queues = {
            "main_queue": self._main.qsize(),
            "inbox_blocks": {r.name: sum(len(i) for i in r.inboxes) for r in readers},
            "dropped_blocks": {r.name: sum(i.dropped_blocks for i in r.inboxes) for r in readers},
            "reopened": {r.name: r.reopened for r in readers},
            "degraded": list(self._ladder.taken),
            "temperature_c": self._load.health.temperature_c,
            "counters": {r.name: dict(c) for r in readers if (c := getattr(r.source, "counters", None))},
        }
        self._out.deliver(self.stats.take(now, queues))

    # ---- the end -------------------------------------------------------------------------------------------

    def _shut_down(self, readers: Sequence[threading.Thread], workers: Sequence[threading.Thread]) -> None:
        self._stop.set()
        for reader in self._readers:
            for inbox in reader.inboxes if reader.can_wait else ():
                inbox.close()  # a reader may be waiting for room
        for thread in readers:
            thread.join(_JOIN_S)
        for reader in self._readers:
            for inbox in reader.inboxes:
                inbox.close()
        deadline = self._clock.now() + _JOIN_S
        while any(w.is_alive() for w in workers) and self._clock.now() < deadline:
            self._take(TICK_S / 5)
        while self._take(0.0):
            pass
        for fused in self._fusion.flush() if self._fusion else ():
            self._reading(fused)
        for reader in self._readers:
            self._watch(reader, self._clock.now())
        self._commit()
        if self._keep is not None:
            self._keep()
        for thread in (*readers, *workers):
            if thread.is_alive():
                log.error("thread %s did not stop", thread.name)
        self._out.close()
