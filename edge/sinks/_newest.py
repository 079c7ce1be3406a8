"""The newest value and quality of every metric, for as long as they are true: gone three hops after their time.

Prometheus fetches whenever it likes, from a thread of its own, so age is judged when it asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edge.clock import Clock
from edge.sinks._freshness import fresh_until
from edge.types import Reading


class Newest:
    """A collector of prometheus-client. hops: s, by metric; values, qualities: make the two empty families."""

    def __init__(
        self, clock: Clock, hops: Mapping[str, float], values: Callable[[], Any], qualities: Callable[[], Any]
    ) -> None:
        self._clock, self._hops, self._families = clock, hops, (values, qualities)
        self._lock = threading.Lock()
        self._of: dict[tuple[str, str, str], tuple[float, Reading]] = {}

    def take(self, reading: Reading) -> None:
        """A reading is the newest of its metric until its time and three hops are over."""
        until = fresh_until(reading, self._clock.now(), self._hops)
        with self._lock:
            self._of[reading.bed, reading.source, reading.metric] = (until, reading)

    def forget(self, bed: str, source: str) -> None:
        """The source is away: what it said last says nothing of now."""
        with self._lock:
            self._of = {key: kept for key, kept in self._of.items() if key[:2] != (bed, source)}

    def describe(self) -> list[Any]:
        """What is collected, without anything in it."""
        return [make() for make in self._families]

    def collect(self) -> Iterator[Any]:
        """What is true now."""
        now = self._clock.now()
        with self._lock:
            self._of = {key: kept for key, kept in self._of.items() if now < kept[0]}
            newest = {key: reading for key, (_, reading) in self._of.items()}
        values, qualities = self.describe()
        for key, reading in newest.items():
            if isinstance(reading.value, (int, float)):
                values.add_metric(key, reading.value)
            qualities.add_metric(key, reading.quality)
        yield from (values, qualities)
