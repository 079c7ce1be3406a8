"""Medians and quantiles of finite numbers: bit for bit those of numpy, which takes several times as long for few numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def median(x: NDArray[np.number]) -> Floats:
    """Along the first axis of ``x``, which holds at least one number and none that is not one."""
    half = len(x) // 2
    if len(x) % 2:
        middle: Floats = np.partition(x, half, axis=0)[half]
        return middle
    low, high = np.partition(x, (half - 1, half), axis=0)[half - 1 : half + 1]
    between: Floats = (low + high) / 2.0
    return between


def quantile(x: Floats, q: float) -> float:
    """Of ``x`` ``(n,)``, at least one number; q: 0 to below 1; linear between numbers (Hyndman and Fan 1996, definition
    7)."""
    at = (len(x) - 1) * q
    i = int(at)
    if i + 1 == len(x):
        return float(x[0])
    ordered = np.partition(x, (i, i + 1))
    low, high, share = float(ordered[i]), float(ordered[i + 1]), at - i
    rise = high - low
    return low + rise * share if share < 0.5 else high - rise * (1.0 - share)
