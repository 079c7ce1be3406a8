"""Holes in heart sound: those that were written as sound are found, and short ones filled.

A lost packet filled with zeros, or with the last sample held, is exactly constant, and the sound jumps into it or out
of it. Silence of a coarse converter is constant as well, but is entered and left by a step or two of the converter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp.runs import runs

MIN_HOLE_S = 0.01
_JUMP_QUANTA = 6.0
_JUMP_STEPS = 0.25


def written_holes(x: NDArray[Any], rate_hz: float) -> list[tuple[int, int]]:
    """Where such holes are in samples (n,) of any unit: index of the first sample, and of the first one after it.

    A hole is a run of equal samples of 10 ms or more with a jump at either end of at least six of the smallest steps in
    the window and a quarter of its median step. One of the 40,724 windows of CirCor, CinC 2016 and PASCAL has any.
    """
    same = x[1:] == x[:-1]
    least = max(4, round(MIN_HOLE_S * rate_hz)) - 1
    half = least // 2  # any run that long has a whole block of half its length
    whole = len(same) // half * half
    if not same[:whole].reshape(-1, half).all(axis=1).any():
        return []
    step = np.abs(np.diff(x.astype(np.float64)))
    changes = np.flatnonzero(~same)
    if not len(changes):
        return []
    first, last = np.append(0, changes + 1), np.append(changes, len(x) - 1)
    jump = max(_JUMP_QUANTA * float(step[changes].min()), _JUMP_STEPS * float(np.median(step[changes])))
    padded = np.concatenate([[0.0], step, [0.0]])  # nothing is known beyond the window
    hole = (last - first >= least) & (np.maximum(padded[first], padded[last + 1]) >= jump)
    return [(int(a), int(b) + 1) for a, b in zip(first[hole], last[hole], strict=True)]


def spans(missing: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where samples (n,) are missing: index of the first one, and of the first one after it."""
    return [(int(a), int(b)) for a, b in zip(*runs(missing), strict=True)]


def filled(x: NDArray[Any], holes: Sequence[tuple[int, int]]) -> NDArray[Any]:
    """Samples (n,) with short holes filled by the sound before and after, mirrored and faded into each other.

    A straight line would be a silence, and silences that come and go look like the gaps between murmurs.
    """
    if not holes:
        return x
    x = x.astype(np.float64)
    for a, b in holes:
        n = b - a
        before, after = x[max(0, a - n) : a][::-1], x[b : b + n][::-1]
        if len(before) < n or len(after) < n:
            x[a:b] = np.resize(before if len(before) >= len(after) else after, n)
        else:
            fade = (np.arange(n) + 1.0) / (n + 1.0)
            x[a:b] = (1.0 - fade) * before + fade * after
    return x
