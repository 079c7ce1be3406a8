"""The program's own figures: rates, gaps, drops, latency and depth of queues, with bounded memory."""

from __future__ import annotations

import resource
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edge.types import Reading, Stats

_LATENCIES = 2000


class LoopStats:
    """Counts readings and their latency between two reports. extra: figures of other parts, by name.

    frames: pictures of a camera that came to where a run is written down; none may.
    """

    def __init__(self, extra: Callable[[], Mapping[str, Any]] | None = None) -> None:
        self._extra = extra
        self.frames = 0
        self._latency_s: deque[float] = deque(maxlen=_LATENCIES)
        self._readings: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def reading(self, reading: Reading, now: float) -> None:
        """A reading reached the main thread at ``now``; its window ended at ``reading.t``."""
        self._readings[reading.metric] += 1
        if reading.value is None:
            self._unknown[reading.reason] += 1
        self._latency_s.append(now - reading.t)

    def latency_ms(self) -> tuple[float, float] | None:
        """Median and 95th percentile from the end of a window to its reading in the main thread, ms."""
        if not self._latency_s:
            return None
        p50, p95 = np.percentile(self._latency_s, (50, 95)) * 1000.0
        return round(float(p50), 2), round(float(p95), 2)

    def take(self, now: float, queues: Mapping[str, Any]) -> Stats:
        """The figures since the last call, for publication; queues: those of the runtime's hand-offs."""
        latency = self.latency_ms()
        figures: dict[str, Any] = {
            "readings": dict(self._readings),
            "unknown": dict(self._unknown),
            "latency_ms": {"p50": latency[0], "p95": latency[1]} if latency else None,
            **queues,
            "resident_mb": round(resident_mb(), 1),
            "cpu_s": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 2),
            "frames_written": self.frames,
        }
        if self._extra is not None:
            figures |= self._extra()
        self._readings.clear()
        self._unknown.clear()
        return Stats(now, figures)


def resident_mb() -> float:
    """Memory of this process that is in RAM now, MB; 0 where /proc is missing."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return 0.0
