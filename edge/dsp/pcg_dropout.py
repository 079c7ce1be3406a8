"""Drop-outs that were written as sound: lost packets filled with zeros, or with the last sample held.

Such a hole is exactly constant, and the sound jumps into it or out of it. Silence of a coarse converter is constant as
well, but is entered and left by a step or two of the converter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_HOLE_S = 0.01
_JUMP_QUANTA = 6.0
_JUMP_STEPS = 0.25


def without_holes(x: NDArray[Any], rate_hz: float) -> tuple[NDArray[Any], float]:
    """Samples (n,) of any unit with such holes bridged by a straight line, and the seconds of them; itself where none.

    A hole is a run of equal samples of 10 ms or more with a jump at either end of at least six of the smallest steps in
    the window and a quarter of its median step. One of the 40,724 windows of CirCor, CinC 2016 and PASCAL has any.
    """
    same = x[1:] == x[:-1]
    least = max(4, round(MIN_HOLE_S * rate_hz)) - 1
    half = least // 2  # any run that long has a whole block of half its length
    whole = len(same) // half * half
    if not same[:whole].reshape(-1, half).all(axis=1).any():
        return x, 0.0
    x = x.astype(np.float64)
    step = np.abs(np.diff(x))
    changes = np.flatnonzero(~same)
    if not len(changes):
        return x, 0.0
    first, last = np.append(0, changes + 1), np.append(changes, len(x) - 1)
    jump = max(_JUMP_QUANTA * float(step[changes].min()), _JUMP_STEPS * float(np.median(step[changes])))
    padded = np.concatenate([[0.0], step, [0.0]])  # nothing is known beyond the window
    hole = (last - first >= least) & (np.maximum(padded[first], padded[last + 1]) >= jump)
    lost = np.zeros(len(x), bool)
    for a, b in zip(first[hole], last[hole], strict=True):
        lost[a : b + 1] = True
    if not lost.any():
        return x, 0.0
    there = np.flatnonzero(~lost)
    return np.interp(np.arange(len(x)), there, x[there]), float(lost.sum()) / rate_hz
