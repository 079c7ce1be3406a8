"""The thread of one source: open, read, hand on; close and open again with back-off when the device is lost.

It never judges itself, since it may be stuck in a driver: whoever watches (``edge.runtime.main_thread``) asks for its
``status``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edge.clock import Clock
from edge.lane import Lane
from edge.runtime.inbox import Inbox
from edge.types import Block, Source, SourceError, SourceStatus, self_report

LOST_AFTER_S = 3.0
"""A source silent for so long is offline."""
_SEEN = ("online", "degraded")
_BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_OFF_POLL_S = 0.1


@dataclass(slots=True)
class Reader:
    """A source, the lanes it feeds, and what is known of it. ``can_wait``: a file, for which nothing is dropped.

    last_block, started: when a block came, and when it was opened, s, None before. epoch: the newest that was handed
    on; epoch_shift: what makes the source's own count of epochs go on from there, None until its first block. reopened:
    how often it was lost; beats: rounds of the loop, by which a stuck one is known. keep_every: of a camera's pictures
    only every so many-th is handed on, in an epoch of its own; kept: what that was for the last ones. anew: the next
    block begins an epoch, whatever the device says: what was heard before is not to be told of it. off: why the device is
    closed for now, "" while it is read. weak: why it is less than it should be.
    """

    name: str
    bed: str
    source: Source
    lanes: Sequence[Lane]
    can_wait: bool = False
    inboxes: list[Inbox] = field(default_factory=list)
    ended: bool = False
    error: str = ""
    last_block: float | None = None
    started: float | None = None
    epoch: int = -1
    epoch_shift: int | None = None
    reopened: int = 0
    keep_every: int = 1
    anew: bool = False
    off: str = ""
    weak: str = ""
    kept: int = 1
    beats: int = 0

    def run(self, stop: threading.Event, clock: Clock) -> None:
        """Open, read, hand on; close and open again with back-off when the device is lost."""
        failures = 0
        try:
            while not stop.is_set():
                self.beats += 1
                self.started = clock.now()
                self.epoch_shift = None
                if self.off:
                    self.last_block, self.error = None, ""
                    stop.wait(_OFF_POLL_S)
                    continue
                try:
                    self.source.open()
                    while not stop.is_set() and not self._is_off():
                        self.beats += 1
                        blocks = self.source.read()
                        if blocks:
                            failures, self.error = 0, ""
                            self.last_block = clock.now()
                            self._deliver(blocks)
                except EOFError:
                    self.ended = True
                    return
                except SourceError as error:
                    self.error = str(error)
                except BaseException as error:
                    self.error = f"failed: {error!r}"
                    raise
                finally:
                    self.source.close()
                if stop.is_set():
                    return
                if self._is_off():
                    continue
                pause_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)] * random.uniform(0.8, 1.2)
                failures += 1
                self.reopened += 1
                stop.wait(pause_s)
        finally:
            if self.ended:
                for inbox in self.inboxes:
                    inbox.close()

    def status(self, was: SourceStatus | None, now: float) -> SourceStatus | None:
        """How it stands at ``now``; None where nothing is known yet or it is as it ``was``."""
        seen = self.last_block if self.last_block is not None else self.started
        says = self_report(self.source)
        announced: Sequence[str] = ()
        if self.ended:
            state, reason = "disabled", "ended"
        elif self.off:
            state, reason = "disabled", self.off
        elif self.error:
            state, reason = "offline", self.error
        elif seen is None:  # its thread has not begun
            return None
        elif now - seen > LOST_AFTER_S:
            state, reason = "offline", f"no data for more than {LOST_AFTER_S:g} s"
            reason += says.complaint and f"; {says.complaint}"
        elif self.last_block is None:
            return None
        else:
            weak = self.weak or says.complaint
            state, reason = ("degraded", weak) if weak else ("online", "")
            announced = says.announced
        if was is not None and (was.state, was.reason, was.announced) == (state, reason, announced):
            return None
        # it was away before it could be called so
        began = min(seen, now) if state == "offline" and seen is not None else now
        since = was.since if was is not None and was.state == state else began
        blind_s = now - was.since if was is not None and was.state == "offline" and state in _SEEN else 0.0
        return SourceStatus(self.name, self.bed, now, state, reason, since=since, blind_s=blind_s, announced=announced)

    def _is_off(self) -> bool:
        return bool(self.off)

    def _deliver(self, blocks: Sequence[Block]) -> None:
        every = self.keep_every
        if self.anew or every != self.kept:
            self.anew, self.kept, self.epoch_shift = False, every, None
        for block in blocks:
            if every > 1 and block.kind == "video":
                if block.seq % every:
                    continue
                block = replace(block, seq=block.seq // every, rate=block.rate / every)  # noqa: PLW2901
            if self.epoch_shift is None:  # the first block since opening: a new epoch, whatever the source counts
                self.epoch_shift = max(0, self.epoch + 1 - block.epoch)
            if self.epoch_shift:
                block = replace(block, epoch=block.epoch + self.epoch_shift)  # noqa: PLW2901
            self.epoch = max(self.epoch, block.epoch)
            for lane, inbox in zip(self.lanes, self.inboxes, strict=True):
                if block.kind in lane.kinds:
                    inbox.put(block)
