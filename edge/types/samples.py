"""Samples: as a source gives them, and as an analyzer gets them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.types.errors import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive samples of one stream.

    stream: ``"<source>/<kind>"``, kind one of ppg, pcg, acc, ecg, video, roi, ...
    seq: index of the first sample since the start of the epoch: loss is ``seq != previous.next_seq``.
    t0: host-monotonic time of the first sample, s.
    rate: samples per second inside the block, Hz; nominal where blocks hold one sample (camera).
    data: ``(n, channels...)``, made read-only.
    epoch: a reconnect or device reset starts a new one; filters and windows then reset.
    labels: names of the channels, where the source knows them.
    flags: words the device attached to these samples (``saturated``, ``sensor_off``, ``overrun``).
    """

    stream: str
    seq: int
    t0: float
    rate: float
    data: NDArray[Any]
    epoch: int = 0
    labels: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        require("/" in self.stream, f"stream {self.stream!r} is not '<source>/<kind>'")
        require(self.seq >= 0 and self.epoch >= 0, "seq and epoch count from 0")
        require(math.isfinite(self.t0), "t0 must be finite")
        require(math.isfinite(self.rate) and self.rate > 0, "rate must be positive")
        require(self.data.ndim >= 2 and len(self.data) > 0, "data must be (n, channels...) with n >= 1")
        self.data.flags.writeable = False

    @property
    def next_seq(self) -> int:
        """The ``seq`` of the block that follows without loss."""
        return self.seq + len(self.data)

    @property
    def t_end(self) -> float:
        """Time just after the last sample, s."""
        return self.t0 + len(self.data) / self.rate

    @property
    def source(self) -> str:
        return self.stream.partition("/")[0]

    @property
    def kind(self) -> str:
        return self.stream.partition("/")[2]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The samples of one stream in ``[start, end)``.

    t: ``(n,)`` s; data: ``(n, channels...)``; both hold only samples that arrived, never padding.
    coverage: share of ``[start, end)`` that has samples, 0..1; holes: the spans ``(a, b)`` without; flags: words of the
    device, and until when, s, the last of the samples that carried each.
    """

    stream: str
    start: float
    end: float
    t: NDArray[np.float64]
    data: NDArray[Any]
    rate: float
    coverage: float
    holes: tuple[tuple[float, float], ...]
    epoch: int = 0
    labels: tuple[str, ...] = ()
    flags: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.end > self.start, "a window ends after it starts")
        require(len(self.t) == len(self.data), "t and data must have one length")
        require(0.0 <= self.coverage <= 1.0, "coverage is a share, 0..1")

    @property
    def duration_s(self) -> float:
        return self.end - self.start
