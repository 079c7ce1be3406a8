"""One thread that touches the disk, so that nobody else waits for it longer than he wants to.

A card that dies may take minutes for one ``fsync``, or never come back from it, and whoever called it cannot be called
off. Work is done in the order in which it was asked for.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, Final, Generic, TypeVar

from edge.storage.disk import HUNG_S

log = logging.getLogger(__name__)

WAIT_S: Final = 1.0
"""So long an alarm may be held up by a disk."""
_Made = TypeVar("_Made")


class DiskThread:
    """Does what it is asked, one after the other. It is a daemon: a disk that hangs keeps no program from its end."""

    def __init__(self, name: str) -> None:
        self._asked: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._began: float | None = None
        self._hung: float | None = None  # what began then was waited for in vain
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def answers(self) -> bool:
        """Whether it is worth waiting for: it is not at an end, and what it does now began only just."""
        began = self._began
        fresh = began is None or (began != self._hung and time.monotonic() - began < WAIT_S)
        return fresh and not self._ended

    def why_not(self, what: str) -> str:
        """``what`` is wrong, and why, where its work has taken longer than a disk takes that is none the worse; else ""."""
        began = self._began
        hangs = began is not None and time.monotonic() - began > HUNG_S
        return f"{what}: the disk does not answer" if hangs else ""

    def ask(self, work: Callable[[], _Made]) -> Future[_Made]:
        """Have it done; what it makes, or raises, is in the future that is returned. After the end nothing is done."""
        done: Future[_Made] = Future()
        if self._ended:
            done.cancel()
        else:
            self._asked.put((done, work))
        return done

    def do(self, work: Callable[[], None]) -> None:
        """Have it done for nobody who waits: what it raises is in the log, and the next work is done all the same."""
        self.ask(work).add_done_callback(self._told)

    def wait(self, done: Future[_Made]) -> _Made | None:
        """What came of it, after waiting for at most ``WAIT_S``, and not at all where the disk hangs already; else None."""
        try:
            return done.result(WAIT_S if self.answers else 0.0)
        except TimeoutError:
            self._hung = self._began
        except CancelledError:
            pass
        return None

    def has_done_all(self, timeout_s: float) -> bool:
        """Whether all that was asked so far is done, after waiting for at most so long; not after the end."""
        try:
            self.ask(lambda: None).result(timeout_s)
        except (TimeoutError, CancelledError):
            return False
        return True

    def end(self, within_s: float) -> bool:
        """Do what was asked so far and no more; whether that came to its end within so long. Twice is harmless, and is not
        waited for."""
        if not self._ended:
            self._ended = True
            self._asked.put(None)
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def _told(self, done: Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("%s failed", self._thread.name, exc_info=error)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            done, work = asked
            self._began = time.monotonic()
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)
            self._began = None


class Gathered(Generic[_Made]):
    """Work that is done once for all who asked for it before it began: behind a disk that hangs nothing piles up."""

    def __init__(self, disk: DiskThread, work: Callable[[], _Made]) -> None:
        self._disk, self._work = disk, work
        self._lock = threading.Lock()
        self._next: Future[_Made] | None = None

    def ask(self) -> Future[_Made]:
        """As ``DiskThread.ask``."""
        with self._lock:
            if self._next is None:
                self._next = self._disk.ask(self._do)
            return self._next

    def _do(self) -> _Made:
        with self._lock:
            self._next = None
        return self._work()
