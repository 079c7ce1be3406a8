"""What the main thread alone owns: the board, what is said of sources and beds, the durable write, the way to the sinks.

Readings, commands and faults come in one by one; alarms are made of them here and nowhere else, written to disk, and
only then handed to the sinks, which never block. ``tick`` is for what only the clock knows: silence of a source, a wall
clock that was set, load, ends of pauses. Single-threaded but for ``record`` and ``observe``, which workers call too.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edge.alarms.board import Board
from edge.alarms.delivery import in_words
from edge.clock import CLOCK_STEP_S, Clock, iso, wall_offset
from edge.fusion import Fusion
from edge.recording import STATE_EVERY_S, ClockMark, Entry, MainState, Tick
from edge.runtime.outlet import Durable, Failures, Outlet
from edge.runtime.overload.board_health import Health
from edge.runtime.overload.ladder import Ladder
from edge.runtime.overload.load import Load
from edge.runtime.reader import Reader
from edge.runtime.stats import LoopStats
from edge.types import (
    HEARTBEAT_EVERY_S,
    Alarm,
    BedStatus,
    Block,
    Command,
    CommandResult,
    Fault,
    Heartbeat,
    Reading,
    Sink,
    SourceStatus,
    self_report,
)
from edge.types.parts import Observes

log = logging.getLogger(__name__)

_MAIN_QUEUE = 1024
_COVERAGE_EVERY_S = 60.0
# The record of watching, first after so long and then ever more rarely: a power cut costs half of a young run's. A device
# that is cut off again and again would else never keep any, and call its last minutes all of the hour.
_KEEP_FIRST_S, _KEEP_EVERY_S = 15.0, 300.0
_CLOCK_MARK_S = (60.0, 0.02)  # a recording is told the wall time so often, and when it moved by so much
_DISK_RETRY_S = 5.0  # a try may hold the main thread for a second


def new_mailbox() -> queue.Queue[Any]:
    """The queue through which everything reaches the main thread; a Command or Fault may be put from any thread."""
    return queue.Queue(_MAIN_QUEUE)


class MainThread:
    """See the module; the thread itself, which empties the mailbox, is ``edge.runtime.threads``'s.

    mailbox: from ``new_mailbox``, for a caller with something to post before there is a main thread. durable: where
    transitions go before the sinks see them. tap: called with every entry worth recording, in order; board_shift_s is
    for it. extra_stats: figures from elsewhere. ladder: what to give up under load; health: what the board says of its
    power and heat.
    """

    def __init__(
        self,
        *,
        readers: Sequence[Reader],
        board: Board,
        sinks: Sequence[Sink],
        clock: Clock,
        mailbox: queue.Queue[Any] | None = None,
        fusion: Fusion | None = None,
        durable: Durable | None = None,
        tap: Callable[[Entry], None] | None = None,
        board_shift_s: float | None = None,
        extra_stats: Callable[[], Mapping[str, Any]] | None = None,
        ladder: Ladder | None = None,
        health: Callable[[], Health] | None = None,
    ) -> None:
        self.readers, self.clock = tuple(readers), clock
        self.mailbox = mailbox if mailbox is not None else new_mailbox()
        self._board, self._fusion, self._tap = board, fusion, tap
        self._out = Outlet(sinks, durable)
        self._watchers, self._failures = [sink for sink in sinks if isinstance(sink, Observes)], Failures()
        self._status: dict[str, SourceStatus] = {}
        self._beds: dict[str, BedStatus] = {}
        self._tap_lock = threading.Lock()
        self._wall_offset = wall_offset(clock)
        self._coverage_due = clock.now() + _COVERAGE_EVERY_S
        self._heartbeat_due = clock.now()
        self._keep_due = clock.now()  # at once: what was restored, by the clock of this run
        self._keep_after_s = _KEEP_FIRST_S
        self._shift_s, self._state_due = board_shift_s, -math.inf
        self._mark, self._disk_due = (-math.inf, self._wall_offset), 0.0
        self._standing: dict[str, bool] = {}
        self._ladder, self._load = ladder or Ladder(()), Load(health)
        self._paced = {reader.name for reader in readers if not reader.can_wait}
        self.stats = LoopStats(extra_stats)

    @property
    def watches_blocks(self) -> bool:
        """Whether anybody wants to see the blocks that enter windows."""
        return self._tap is not None or bool(self._watchers)

    @property
    def records(self) -> bool:
        """Whether anybody keeps what is recorded."""
        return self._tap is not None

    # ---- what comes in -------------------------------------------------------------------------------------

    def handle(self, item: Reading | Command | Fault) -> None:
        """Take one item; ``commit`` writes and tells what came of it."""
        if isinstance(item, Reading):
            now = self.clock.now()
            self.stats.reading(item, now)
            self._load.heard(item, now, paced=item.source in self._paced)
            located = self._reading(item)
            for fused in self._fusion.update(located) if self._fusion else ():
                self._reading(fused)
            self.record_state(item.t)
        elif isinstance(item, Command):
            self.record(item)
            result, transitions = self._board.command(item)
            self._publish(transitions, save=True)  # a pause of silent alarms is no transition, and must last
            self._out.add(result)
            _log_answer(result)
            self._tell_beds(item.t)
        else:
            self._fault(item)

    def _reading(self, made: Reading) -> Reading:
        """Judge it and tell what came of it; the reading as it was told."""
        reading = self._board.locate(made)
        transitions = self._board.update(reading)
        self.record(reading)
        self._out.add(reading)
        self._publish(transitions)
        return reading

    def _tell_beds(self, now: float) -> None:
        """What is new of beds: who lies there, where the microphone sits, pauses, standby."""
        for status in self._board.statuses(now):
            before = self._beds.get(status.bed)
            if before is not None and status.person != before.person:
                self._hear_anew(status.bed)
            if before is None or replace(status, t=before.t) != before:
                self._beds[status.bed] = status
                self._out.add(status)

    def _hear_anew(self, bed: str) -> None:
        """Another person lies there: nothing is told of windows that hold both, or in the light of who lay there before."""
        for reader in self.readers:
            if reader.bed == bed:
                reader.anew = True

    def _publish(self, transitions: Sequence[Alarm], *, save: bool = False) -> None:
        if save:
            self._out.save()
        for alarm in transitions:
            if alarm.evidence.get("change") == "unconfirmed":
                log.warning("%s: %s", alarm.id, in_words(alarm.delivery))
            self.record(alarm)
            self._out.add(alarm)

    def commit(self) -> None:
        """Write what waits for it, then let the sinks hear."""
        self._out.commit(self._on_disk)

    def _on_disk(self, written: bool | None) -> None:
        if written is None:  # a card that cleans up behind itself; whether it hangs is found out by who tries it
            return
        text = "alarms cannot be written to disk; they are sent all the same"
        self._set_fault("outbox_full", not written, text)

    def record(self, entry: Entry) -> None:
        """Pass an entry to the recorder, if there is one; any thread."""
        if self._tap is not None:
            with self._tap_lock:
                self.stats.frames += isinstance(entry, Block) and entry.kind == "video"
                self._tap(entry)

    def record_state(self, t: float) -> None:
        """Every so often, by the newest time there is: what this thread remembers, for replays that begin here."""
        if self._tap is not None and t >= self._state_due:
            self._state_due = t + STATE_EVERY_S
            fusion = self._fusion.state() if self._fusion is not None else {}
            self.record(MainState(t, self._board.snapshot(), fusion, self._shift_s))

    def observe(self, block: Block) -> None:
        """Any thread: a block enters a window. Pictures are for the analyzer alone: nobody keeps or shows them."""
        if block.kind == "video":
            return
        self.record(block)
        for watcher in self._watchers:
            try:
                watcher.observe(block)
            except Exception as error:  # a page must not stop an analysis
                self._failures.note(type(watcher).__name__, block, error)

    def _fault(self, fault: Fault) -> None:
        self.record(fault)
        self._publish(self._board.update(fault))

    def _set_fault(self, condition: str, present: bool, text: str) -> None:
        if self._standing.get(condition, False) != present:
            self._standing[condition] = present
            self._fault(Fault(condition, self.clock.now(), present, text))

    # ---- silence, clocks, load -----------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """What only the clock knows."""
        for reader in self.readers:
            self._watch(reader, now)
        if now >= self._coverage_due:
            self._tell_sources(now)
        ahead_s = wall_offset(self.clock)
        if now - self._mark[0] >= _CLOCK_MARK_S[0] or abs(ahead_s - self._mark[1]) > _CLOCK_MARK_S[1]:
            self._mark = (now, ahead_s)
            self.record(ClockMark(now, now + ahead_s))
        if abs(ahead_s - self._wall_offset) > CLOCK_STEP_S:
            self._clock_was_set(now, ahead_s)
        self._load.look(self.readers, now)
        if why := self._load.overload(now):
            self._set_fault("overload", True, why)
        self._relieve(now)
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
        self.record_state(now)
        self.commit()
        if now >= self._keep_due:
            self._keep_due = now + self._keep_after_s
            self._keep_after_s = min(2 * self._keep_after_s, _KEEP_EVERY_S)
            self._out.keep()

    def _clock_was_set(self, now: float, ahead_s: float) -> None:
        """An alarm that ends by itself, one for each step; what was told with times of the old clock is told again."""
        before, self._wall_offset = self._wall_offset, ahead_s
        was, is_now = (iso(now + offset)[:19] for offset in (before, ahead_s))
        text = f"the wall clock jumped by {ahead_s - before:+.1f} s, from {was} to {is_now} UTC"
        for present in (False, True):
            self._fault(Fault("clock_step", now, present, text))
        self._beds.clear()
        self._tell_sources(now)

    def _tell_sources(self, now: float) -> None:
        """Every source as it is, with what was watched of late."""
        self._coverage_due = now + _COVERAGE_EVERY_S
        for status in self._status.values():
            covered = self._board.source_coverage(status.bed, status.source, now)
            self._out.add(replace(status, t=now, blind_s=0.0, coverage=covered))

    def _relieve(self, now: float) -> None:
        """Give something up, or back, as load and the board's health ask for; say so."""
        for move in self._ladder.update(now, self._load.cause(now)):
            log.warning("%s: %s", move.rung.text if move.down else f"no longer: {move.rung.text}", move.cause or "calm")
            text = f"{self._ladder.text}: {move.cause}" if move.down else self._ladder.text
            if self._ladder.taken:
                self._standing["overload"] = True
                self._fault(Fault("overload", now, True, text))
            for reader in self.readers:
                self._watch(reader, now)
            self.emit_stats(now)

    def _watch(self, reader: Reader, now: float) -> None:
        status = reader.status(self._status.get(reader.name), now)
        if status is None:
            return
        self._status[reader.name] = status
        self.record(status)
        self._out.add(status)
        self._publish(self._board.update(status))

    def emit_stats(self, now: float) -> None:
        """The program's own figures, to the sinks at once."""
        readers = self.readers
        queues = {
            "main_queue": self.mailbox.qsize(),
            "inbox_blocks": {r.name: sum(len(i) for i in r.inboxes) for r in readers},
            "dropped_blocks": {r.name: sum(i.dropped_blocks for i in r.inboxes) for r in readers},
            "reopened": {r.name: r.reopened for r in readers},
            "degraded": list(self._ladder.taken),
            "temperature_c": self._load.health.temperature_c,
            "counters": {r.name: dict(c) for r in readers if (c := self_report(r.source).counters)},
        }
        self._out.deliver(self.stats.take(now, queues))

    # ---- the end -------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """After the last item: what still waits is told, written and kept."""
        for fused in self._fusion.flush() if self._fusion else ():
            self._reading(fused)
        for reader in self.readers:
            self._watch(reader, self.clock.now())
        self.commit()
        self._out.keep()

    def close(self) -> None:
        """Flush and close the sinks."""
        self._out.close()


def _log_answer(result: CommandResult) -> None:
    """Who commanded what, and what came of it."""
    command = result.command
    ids = {"bed": command.bed, "command_id": command.command_id, "by": command.by, "alarm": command.id}
    came, level = (": ", logging.INFO) if result.ok else (" refused: ", logging.WARNING)
    who = f"{command.name} for {command.bed} by {command.by}"
    log.log(level, "command %s%s%s", who, came, result.text, extra={"ids": ids})
