"""What is said now or never: readings with their numbers, heartbeats, figures, answers to commands. Not kept for later.

What asks nothing of the broker never waits behind what it must acknowledge: whoever sends commands faster than a slow
broker takes their answers would keep readings and heartbeats back. Any thread may add; the sink's own takes.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping

from edge.clock import Clock
from edge.mqtt.connection import Message
from edge.sinks._freshness import fresh_until
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import Reading

log = logging.getLogger(__name__)

_MOST_WAITING = 1000


class Live:
    """See the module. hops: s, by metric."""

    def __init__(self, topics: Topics, payloads: Payloads, clock: Clock, hops: Mapping[str, float]) -> None:
        self._topics, self._payloads, self._clock, self._hops = topics, payloads, clock, hops
        self._first: deque[Message] = deque(maxlen=_MOST_WAITING)
        self._waiting: deque[Message] = deque(maxlen=_MOST_WAITING)
        self._acknowledged: deque[Message] = deque(maxlen=_MOST_WAITING)
        self._seq: dict[tuple[str, str], int] = {}
        self._told = False

    def reading(self, reading: Reading, *, heard: bool) -> None:
        """Count a reading; add it where somebody may hear it."""
        key = (reading.bed, reading.metric)
        self._seq[key] = self._seq.get(key, 0) + 1
        if not heard:
            return
        payload = self._payloads.reading(reading, self._seq[key])
        until = fresh_until(reading, self._clock.now(), self._hops)
        self.add(Message(self._topics.reading(reading.bed, reading.metric), payload, until=until))

    def add(self, message: Message) -> None:
        if message.qos and len(self._acknowledged) == _MOST_WAITING and not self._told:
            self._told = True  # once a connection: whoever sends commands so fast would fill the log, too
            log.warning("more than %d answers to commands wait for the broker; the oldest are not given", _MOST_WAITING)
        (self._acknowledged if message.qos else self._waiting).append(message)

    def add_first(self, *messages: Message) -> None:
        """In front of all that waits, in this order; what comes behind waits for it."""
        self._first.extendleft(reversed(messages))

    def take(self, room: int) -> tuple[Message, float | None] | None:
        """The next one, and for how long it may still be delivered, s (None: always); None when there is none.

        room: how many that want an answer may be sent. What waited too long on its way through this program is left out.
        """
        while (message := self._next(room)) is not None:
            left_s = None if message.until is None else message.until - self._clock.now()
            if left_s is None or left_s > 0:
                return message, left_s
        return None

    def _next(self, room: int) -> Message | None:
        if self._first:
            return self._first.popleft() if room or not self._first[0].qos else None
        if self._waiting:
            return self._waiting.popleft()
        return self._acknowledged.popleft() if self._acknowledged and room else None

    def clear(self) -> None:
        self._told = False
        for waiting in (self._first, self._waiting, self._acknowledged):
            waiting.clear()

    def __len__(self) -> int:
        return len(self._first) + len(self._waiting) + len(self._acknowledged)
