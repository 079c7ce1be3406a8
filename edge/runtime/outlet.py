"""The way out of the main thread: what must last is on disk before any sink hears of it, everything in its order."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from edge.types import Alarm, Sink

log = logging.getLogger(__name__)

_FLUSH_S = 3.0
_END_S: Final = 8.0
"""For all sinks together: a broker takes three seconds to get what waits and five for the last words, and systemd ends a
program that stops for 20 s in the middle of whatever it does (``edge.cli.service.files``)."""


class Durable(Protocol):
    """Where alarm transitions are written, with the state they lead to, before anybody hears of them."""

    def append(self, transitions: Sequence[Alarm]) -> bool | None:
        """Write in one commit; whether it is on disk, None where that is not known so soon. Without transitions the state
        alone."""

    def keep(self) -> None:
        """Write, now and then and at the end, what is not written with every transition."""


class Failures:
    """What parts fail at again and again, in the log: the first time with its traceback, then each time ten times as often
    as before, so that a failure at every event fills no disk. Any thread may call it, from within ``except``."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, type, type]] = Counter()

    def note(self, name: str, event: object, error: Exception) -> None:
        """``name`` failed at ``event``."""
        key = (name, type(event), type(error))
        self._seen[key] += 1
        times = self._seen[key]
        if times == 1:
            log.error("sink %s failed", name, exc_info=error)
        elif times == 10 ** (len(str(times)) - 1):
            log.error("sink %s failed %d times at a %s: %r", name, times, type(event).__name__, error)


class Outlet:
    """Gathers events until ``commit``: a write takes some ms, and in a flood there are hundreds of transitions a second.

    durable: where transitions go before the sinks see them.
    """

    def __init__(self, sinks: Sequence[Sink], durable: Durable | None) -> None:
        self._sinks, self._durable = list(sinks), durable
        self._unsaved: list[Alarm] = []
        self._unsent: list[Any] = []
        self._save = False
        self._failures = Failures()

    def add(self, event: Any) -> None:
        """Take an event for the sinks; an alarm transition for the disk, too."""
        if isinstance(event, Alarm):
            self._unsaved.append(event)
        self._unsent.append(event)

    def save(self) -> None:
        """Write the state at the next ``commit`` although there may be no transition."""
        self._save = True

    def commit(self, on_disk: Callable[[bool | None], None]) -> None:
        """Write what waits for it, then let the sinks hear of everything. on_disk: told of each write; it may add events."""
        while self._unsent or self._save:
            transitions, events, save = self._unsaved, self._unsent, self._save
            self._unsaved, self._unsent, self._save = [], [], False
            if self._durable is not None and (transitions or save):
                on_disk(self._durable.append(transitions))
            for event in events:
                self.deliver(event)

    def keep(self) -> None:
        """Write what is not written with every transition; after ``commit``, for it must not be ahead of transitions."""
        if self._durable is not None:
            self._durable.keep()

    def deliver(self, event: Any) -> None:
        """Let every sink hear of an event at once."""
        for sink in self._sinks:
            try:
                sink.send(event)
            except Exception as error:  # one sink must not silence the others
                self._failures.note(type(sink).__name__, event, error)

    def close(self) -> None:
        """Flush and close every sink, all at once and whatever the others do; what hangs is left behind and named."""
        by = time.monotonic() + _END_S
        ending = [
            threading.Thread(target=_end, args=(sink,), name=f"edge-end-{type(sink).__name__}", daemon=True)
            for sink in self._sinks
        ]
        for thread in ending:
            thread.start()
        for sink, thread in zip(self._sinks, ending, strict=True):
            thread.join(max(0.0, by - time.monotonic()))
            if thread.is_alive():
                log.error("sink %s did not end within %g s", type(sink).__name__, _END_S)


def _end(sink: Sink) -> None:
    name = type(sink).__name__
    try:
        if not sink.flush(_FLUSH_S):
            log.warning("sink %s could not send everything before the end", name)
    except Exception:
        log.exception("sink %s failed at the end", name)
    try:
        sink.close()
    except Exception:
        log.exception("sink %s could not be closed", name)
