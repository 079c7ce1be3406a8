"""Whether a pulse wave runs into the end of its converter, and how coarse that is: counted on the samples as they came."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ranks import median
from edge.dsp.runs import runs

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

CLIPPED_SHARE: Final = 0.06
CLIPPED_SHARE_FLAGGED: Final = 0.01
"""From this share of samples at an extreme a wave is clipped, and where the device itself says saturated."""
_PILED = 4.0  # times as often as the number next to it
_FEW_STEPS = 24  # numbers: so coarse a converter stays at its lowest one between any two slow beats


def clipped_now(x: Floats, level: float, rate_hz: float) -> bool:
    """Whether a flat end is an extreme that the pulse runs into again and again: a converter at its limit."""
    if level not in (float(x.max()), float(x.min())):
        return False
    return int((_lengths(x == level) >= max(3, round(0.05 * rate_hz))).sum()) >= 3


def looks_full_scale(level: float) -> bool:
    """Whether a constant is the top of a converter: 2^k - 1 for 12 to 24 bits, signed or not."""
    return any(abs(level - (2**k - 1)) < 0.5 for k in range(12, 25))


def clipped_share(x: Floats) -> float:
    """Share of samples that sit at an extreme for at least three in a row (or three times the usual repetition)."""
    at = [x == extreme for extreme in (x.max(), x.min())]
    lengths = np.concatenate(
        [_lengths(mark) if np.count_nonzero(mark) >= 3 else np.empty(0, dtype=np.int64) for mark in at]
    )
    lengths = lengths[lengths >= 3]
    share = float(lengths.sum()) / len(x)
    if share <= CLIPPED_SHARE_FLAGGED:  # too little to matter, whatever the usual repetition is
        return share
    return float(lengths[lengths >= 3 * usual_run(x)].sum()) / len(x)


def piled_share(x: Floats) -> float:
    """Share of samples that are the highest or the lowest there is, where these pile up: beside hum a clipped wave meets its
    end for one or two samples at a time, many times. A coarse converter's next number is met about half as often."""
    at = [int(np.count_nonzero(x == extreme)) for extreme in (x.min(), x.max())]
    if sum(at) <= CLIPPED_SHARE_FLAGGED * len(x):
        return 0.0
    numbers, counts = np.unique(x, return_counts=True)
    beside = counts[[1, -2]] if len(numbers) > 1 else counts[[0, 0]]
    return float(sum(n for n, other in zip(at, beside.tolist(), strict=True) if n > _PILED * other)) / len(x)


def is_coarse(x: Floats) -> bool:
    """Whether a wave has so few numbers that it rests at an extreme by rounding as much as by clipping."""
    return len(np.unique(x)) < _FEW_STEPS


def usual_run(x: Floats) -> int:
    """How often a value is repeated as a rule: 2 where a source sends every sample twice."""
    changes = np.flatnonzero(np.diff(x) != 0)
    return int(median(np.diff(changes))) if len(changes) > 2 else 1


def _lengths(mark: Marks) -> NDArray[np.int64]:
    begin, end = runs(mark)
    return np.asarray(end - begin)
