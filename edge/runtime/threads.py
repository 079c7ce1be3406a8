"""Every thread in the program: a reader per device, a worker per lane, and the caller's own as the main one.

    reader: read and stamp ──► Inbox ──► worker: lane.feed ──► main: board, durable write, sinks

Readers and workers hold no state that matters: readings are pure functions of blocks (``edge.lane``), alarms of
readings (``edge.alarms``). The main thread alone owns the board (``edge.runtime.main_thread``), so alarms are made in
one place and nothing queues behind it but sinks that never block. Silence is judged there and only there, from the time
of each reader's last block: a reader stuck in a driver call cannot say that it is stuck.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge.lane import Lane
from edge.recording import STATE_EVERY_S, LaneState
from edge.runtime.inbox import Inbox
from edge.runtime.main_thread import MainThread
from edge.runtime.reader import Reader
from edge.types import Command, Fault, Reading

log = logging.getLogger(__name__)

_CAMERA_FRAMES = 2  # an older picture than the last but one is no use
TICK_S = 0.25  # the board's clock, silence and load are looked at so often
_STATS_EVERY_S = 10.0
_POLL_S = 0.25
_TOGETHER = 64  # at most so many items share one durable write
_AFTER_BUG_S = 1.0
_LONGEST_AFTER_BUG_S = 8.0  # one that fails every half minute never makes the program give up
_BUG_BUDGET = (5, 60.0)  # so many unexpected exceptions of a part in so many seconds, then the process gives up
_JOIN_S = 2.0


@dataclass(frozen=True, slots=True)
class _Bug:
    where: str
    error: BaseException


class Runtime:
    """Runs the sources of a main thread through their lanes to it, until stopped or all sources have ended.

    on_tick: called by the main loop.
    """

    def __init__(self, main: MainThread, *, on_tick: Callable[[Sequence[Reader]], None] | None = None) -> None:
        self.main, self._on_tick = main, on_tick
        self._readers, self._clock, self._mailbox = main.readers, main.clock, main.mailbox
        self._asked_to_end = False
        self._stop = threading.Event()  # wakes readers and workers
        self._bugs: defaultdict[str, deque[float]] = defaultdict(deque)  # by part: each has time for its alarm
        self.failed = ""
        for reader in self._readers:
            for _ in reader.lanes:
                reader.inboxes.append(Inbox(limit_blocks={"video": _CAMERA_FRAMES}, lossless=reader.can_wait))
            for lane in reader.lanes if main.watches_blocks else ():
                lane.observe = main.observe

    def post(self, item: Command | Fault | Reading) -> None:
        """Hand the main thread a command, a fault or a reading, from any thread."""
        self._mailbox.put(item)

    def stop(self) -> None:
        """Ask the program to end; safe in a signal handler and from any thread."""
        self._asked_to_end = True  # no lock: the thread that a signal interrupts may hold it, even for a signal before

    def run(self, seconds: float | None = None) -> int:
        """Run until stopped, until every source has ended, or for ``seconds``. Returns the exit code, 0 or 1."""
        started = self._clock.now()
        self.main.record_state(started)
        workers = self._start_workers()
        readers = [self._thread(f"edge-read-{r.name}", r.run, self._stop, self._clock) for r in self._readers]
        next_tick, next_stats = started, started + _STATS_EVERY_S
        try:
            while not self._asked_to_end:
                now = self._clock.now()
                if now >= next_tick:
                    next_tick = now + TICK_S
                    self.main.tick(now)
                    if self._on_tick is not None:
                        self._on_tick(self._readers)
                if now >= next_stats:
                    next_stats = now + _STATS_EVERY_S
                    self.main.emit_stats(now)
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
        pause_s = _AFTER_BUG_S
        while not self._asked_to_end:
            began = self._clock.now()
            try:
                target(*args)
                return
            except BaseException as error:  # a bug, SystemExit too: say so, go on within the budget
                log.exception("%s failed", name)
                self._mailbox.put(_Bug(name, error))
                if self._clock.now() - began > _BUG_BUDGET[1]:
                    pause_s = _AFTER_BUG_S
                self._stop.wait(pause_s)
                # longer each time: a source that is lost, or of which no reading comes, has its alarm before the end
                pause_s = min(2 * pause_s, _LONGEST_AFTER_BUG_S)

    def _work(self, lane: Lane, inbox: Inbox) -> None:
        due, reached = -math.inf, self._clock.now()
        self._record_lane(lane, reached)
        while not inbox.drained:
            block = inbox.get(_POLL_S)
            if block is None:
                continue
            if lane.renew():  # before the first block that another variant judges
                self._record_lane(lane, reached)
            reached = block.t_end
            try:
                readings = lane.feed(block)
            except BaseException:
                lane.reset()
                raise
            self._hand_on(lane, readings)
            if block.t_end >= due:
                due = block.t_end + STATE_EVERY_S
                self._record_lane(lane, block.t_end)
        self._hand_on(lane, lane.finish())

    def _record_lane(self, lane: Lane, t: float) -> None:
        if self.main.records:
            self.main.record(LaneState(lane.source, lane.primary, t, lane.state()))

    def _hand_on(self, lane: Lane, readings: Sequence[Reading]) -> None:
        for fault in lane.take_faults():
            log.error("analyzer %s of %s failed", fault.analyzer, lane.source, exc_info=fault.error)
        for reading in readings:
            self._mailbox.put(reading)

    # ---- main ----------------------------------------------------------------------------------------------

    def _take(self, timeout_s: float) -> bool:
        """Handle what the queue holds, after waiting at most ``timeout_s`` for something; whether there was any.

        What came of it is written to disk together: a write takes some ms, and in a flood there are hundreds a second.
        """
        handled = 0
        with contextlib.suppress(queue.Empty):
            self._handle(self._mailbox.get(timeout=timeout_s))
            handled = 1
            while handled < _TOGETHER:
                self._handle(self._mailbox.get_nowait())
                handled += 1
        self.main.commit()
        return handled > 0

    def _handle(self, item: Any) -> None:
        if isinstance(item, _Bug):
            self._bug(item)
        else:
            self.main.handle(item)

    def _bug(self, bug: _Bug) -> None:
        now, (allowed, within_s) = self._clock.now(), _BUG_BUDGET
        bugs = self._bugs[bug.where]
        bugs.append(now)
        while bugs[0] < now - within_s:
            bugs.popleft()
        if len(bugs) > allowed:
            self.failed = f"{bug.where} keeps failing: {bug.error!r}"
            log.error("%s; giving up so that the service manager restarts the program", self.failed)
            self.stop()

    # ---- the end -------------------------------------------------------------------------------------------

    def _shut_down(self, readers: Sequence[threading.Thread], workers: Sequence[threading.Thread]) -> None:
        self.stop()
        self._stop.set()
        for reader in self._readers:
            for inbox in reader.inboxes if reader.can_wait else ():
                inbox.close()  # a reader may be waiting for room
        deadline = self._clock.now() + _JOIN_S
        for thread in readers:
            thread.join(max(0.0, deadline - self._clock.now()))
        for reader in self._readers:
            for inbox in reader.inboxes:
                inbox.close()
        deadline = self._clock.now() + _JOIN_S
        while any(w.is_alive() for w in workers) and self._clock.now() < deadline:
            self._take(TICK_S / 5)
        while self._take(0.0):
            pass
        self.main.finish()
        for thread in (*readers, *workers):
            if thread.is_alive():
                log.error("thread %s did not stop", thread.name)
        self.main.close()
