"""What stands retained at the broker, topic by topic, and which of it must be said (again): always the newest only.

Safe to use from several threads. A topic that an earlier run left and that nobody claims is emptied.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable

from edge.types import Alarm

Content = bytes | Alarm
"""A payload, or an alarm that becomes one when it is said."""


class Retained:
    """See the module. claimed: topics that will be said sooner or later, so that what is found there is left alone."""

    def __init__(self, claimed: Collection[str] = ()) -> None:
        self._lock = threading.Lock()
        self._claimed = frozenset(claimed)
        self._now: dict[str, Content] = {}
        self._dirty: set[str] = set()

    def say(self, topic: str, content: Content | None) -> None:
        """From now on this stands there; None: nothing does."""
        with self._lock:
            if content is None:
                self._now.pop(topic, None)
            else:
                self._now[topic] = content
            self._dirty.add(topic)

    def found(self, topic: str) -> None:
        """The broker holds something there: is it still true?"""
        with self._lock:
            if topic not in self._claimed and topic not in self._now:
                self._dirty.add(topic)

    def erased(self, topic: str) -> None:
        """Somebody has emptied it; what is still true is said again."""
        with self._lock:
            if topic in self._now:
                self._dirty.add(topic)

    def again(self, topics: Iterable[str]) -> None:
        """The broker did not take these."""
        with self._lock:
            self._dirty.update(topics)

    def all_again(self) -> None:
        """A new connection: nobody knows what the broker has kept."""
        with self._lock:
            self._dirty |= self._now.keys()

    def take(self, most: int) -> dict[str, Content | None]:
        """Topics to be said now, at most so many, with what is to stand there."""
        with self._lock:
            topics = sorted(self._dirty)[:most]
            self._dirty.difference_update(topics)
            return {topic: self._now.get(topic) for topic in topics}

    def __bool__(self) -> bool:
        return bool(self._dirty)
