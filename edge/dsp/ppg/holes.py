"""Short gaps in a pulse wave, as a radio makes that drops half a second every few seconds: what lies on both sides is read.

Nothing is known of a hole, and nothing is made of it: no beat is told in one or right beside it, an interval that spans one
is none, and a silence is what was seen of it. The wave goes on in a line there, for filters and spectra alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ranks import median

Floats = NDArray[np.float64]
Holes = tuple[tuple[float, float], ...]
"""Stretches, s from the first sample, of which nothing was seen, in order."""

MAX_HOLE_S: Final = 1.5
"""Longer, and what comes after it may be another pulse."""
_PIECE_S: Final = 2.5  # shorter ones hold too few beats to be known by
_LEVEL_S, _LEVEL = 1.0, 1.0  # a level that is another one after a hole, by so many usual swings: a finger that moved
_END_S = 0.1  # five periods of 50 Hz, six of 60 Hz
_BEFORE_S, _AFTER_S = 0.1, 0.3  # a rise that is cut off has its crest at the edge; after a hidden one comes its second


def may_span(t: Floats, x: Floats, after: int, end: int, swing: float | None) -> bool:
    """Whether the gap before sample ``after`` is a hole that can be read around: short, the level the same on either side,
    and enough of the wave behind it, up to sample ``end``, the next gap (``len(t)``: none, and any length will do)."""
    if swing is None or t[after] - t[after - 1] > MAX_HOLE_S or (end < len(t) and t[end - 1] - t[after] < _PIECE_S):
        return False
    a, b = np.searchsorted(t, [t[after - 1] - _LEVEL_S, t[after] + _LEVEL_S])
    return bool(abs(median(x[a:after]) - median(x[after:b])) <= _LEVEL * swing)


def holes_of(t: Floats, start: float, least_s: float) -> Holes:
    """Where successive sample times ``t``, s, lie more than ``least_s`` apart, from ``start`` on."""
    at = np.flatnonzero(np.diff(t) > least_s)
    return tuple((float(t[i]) - start, float(t[i + 1]) - start) for i in at)


def lined(y: Floats, holes: Holes, rate_hz: float) -> Floats:
    """``y (n,)`` with a line in each hole, from the level of the last tenth of a second before it to that of the first
    after."""
    if not holes:
        return y
    out, width = y.copy(), round(_END_S * rate_hz)
    for begin, end in holes:
        a, b = int(np.floor(begin * rate_hz)) + 1, int(np.ceil(end * rate_hz))
        before, after = y[max(0, a - width) : a], y[b : b + width]
        if len(before) and len(after):
            ends = (a - 1 - 0.5 * (len(before) - 1), b + 0.5 * (len(after) - 1))
            out[a:b] = np.interp(np.arange(a, b), ends, (before.mean(), after.mean()))
    return out


def blind(holes: Holes) -> Holes:
    """In which stretches no beat can be told: the holes and what is right beside them."""
    return tuple((begin - _BEFORE_S, end + _AFTER_S) for begin, end in holes)


def inside(at: Floats, stretches: Holes) -> NDArray[np.bool_]:
    """Which of the times ``at``, s, lie in one of the stretches."""
    found = np.zeros(len(at), dtype=np.bool_)
    for begin, end in stretches:
        found |= (at >= begin) & (at <= end)
    return found


def seen_whole(at: Floats, stretches: Holes) -> NDArray[np.bool_]:
    """Of the intervals between successive times ``at``, s, which hold none of the stretches, ``(n - 1,)``."""
    found = np.ones(max(0, len(at) - 1), dtype=np.bool_)
    for begin, end in stretches:
        found &= (at[:-1] >= end) | (at[1:] <= begin)
    return found
