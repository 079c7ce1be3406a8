"""Samples at any times become samples on a grid, band-limited, with a mask of what was really seen.

Within a run of samples no further apart than ``max_gap_s``: a Hann-windowed sinc low-pass where the grid is coarser
than the samples, then cubic Hermite interpolation by the sample times themselves (Catmull and Rom 1974, for unequal
steps). Across longer gaps a straight line is drawn and marked as not valid.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ranks import median

Floats = NDArray[np.float64]

_SINC_HALF = 6  # half length of the low-pass in samples of the coarser grid
_ODD_STEP = 0.25  # of the usual step: beside one so short the chord is taken, as a parabola shoots out of the wave
_PHASES = 32  # steps of a sample's length to which the grid's offset is rounded when samples are even


def to_grid(
    t: Floats, x: Floats, start: float, end: float, rate_hz: float, max_gap_s: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Values at ``start + k / rate_hz`` before ``end``, ``(m,)`` or ``(m, channels)``, and their validity ``(m,)``.

    t: rising times, s, ``(n,)``; x: ``(n,)`` or ``(n, channels)`` finite. A point of the grid is valid when a sample
    stands on either side of it no further than ``max_gap_s`` apart, or within half of it at the ends. With no samples
    all values are 0 and not valid.
    """
    count = max(0, int(np.floor((end - start) * rate_hz + 1e-6)))
    grid = start + np.arange(count) / rate_hz
    x = np.asarray(x, dtype=np.float64)
    flat = x[:, None] if x.ndim == 1 else x
    out = np.zeros((count, flat.shape[1]))
    valid = np.zeros(count, dtype=bool)
    breaks = np.flatnonzero(np.diff(t) > max_gap_s) + 1 if len(t) else np.empty(0, dtype=np.int64)
    edges = [0, *breaks.tolist(), len(t)]
    for a, b in pairwise(edges):
        if b - a < 2:
            continue
        lo, hi = t[a] - max_gap_s / 2, t[b - 1] + max_gap_s / 2
        inside = (grid >= lo) & (grid <= hi)
        if inside.any():
            smooth = _limited(t[a:b], flat[a:b], rate_hz)
            out[inside] = _hermite(t[a:b], smooth, np.clip(grid[inside], t[a], t[b - 1]))
            valid |= inside
    if len(t) and not valid.all():
        for c in range(flat.shape[1]):
            out[~valid, c] = np.interp(grid[~valid], t, flat[:, c])
    return out.reshape(count, *x.shape[1:]), valid


def even_to_grid(t: Floats, x: Floats, start: float, end: float, own_hz: float, rate_hz: float) -> Floats | None:
    """What ``to_grid`` gives, ``(m, channels)``, ten times as fast; None unless every sample from start to end is there.

    t, x: finite samples at ``own_hz``, ``(n,)`` and ``(n, channels)``; both rates are whole numbers. Each second of the
    grid is one product of a matrix of windowed sincs with the samples around that second.
    """
    n, step = len(t), 1.0 / own_hz
    count = max(0, int(np.floor((end - start) * rate_hz + 1e-6)))
    whole = own_hz == round(own_hz) and rate_hz == round(rate_hz)
    if not whole or n < 2 or count < 1 or abs(t[0] - start) > 1.05 * step or end - t[-1] > 1.05 * step:
        return None
    if abs(t[-1] - t[0] - (n - 1) * step) > 0.25 * step or float(np.diff(t).max()) > 1.5 * step:
        return None
    matrix, half = _sincs(round(own_hz), round(rate_hz), round((t[0] - start) * own_hz * _PHASES))
    seconds = -(-count // round(rate_hz))
    tail = max(half, seconds * round(own_hz) + half - n)
    if n <= half:
        return None
    y = np.empty((x.shape[1], half + n + tail))
    y[:, half : half + n] = x.T
    y[:, :half] = 2 * y[:, half : half + 1] - y[:, 2 * half : half : -1]
    end = half + n
    y[:, end : end + half] = 2 * y[:, end - 1 : end] - y[:, end - 2 : end - half - 2 : -1]
    y[:, end + half :] = y[:, end + half - 1 : end + half]
    shape = (x.shape[1], seconds, matrix.shape[1])
    strides = (y.strides[0], round(own_hz) * y.strides[1], y.strides[1])
    rows = np.ndarray(shape, y.dtype, y, strides=strides)
    return np.asarray((rows @ matrix.T).reshape(x.shape[1], -1)[:, :count].T)


@lru_cache(maxsize=64)
def _sincs(own: int, rate: int, phase: int) -> tuple[Floats, int]:
    """Weights ``(rate, own + 2 half)`` of one second's samples, the first ``half`` before it; ``phase`` says how far,
    in parts of a sample, the samples stand after the grid."""
    ratio = max(1.0, own / rate)
    half = int(np.ceil(_SINC_HALF * ratio)) + 1
    at = np.arange(own + 2 * half)[None, :] - half + phase / _PHASES - np.arange(rate)[:, None] * own / rate
    inside = abs(at) < half
    kernel = np.where(inside, np.sinc(0.9 * at / ratio) * (0.5 + 0.5 * np.cos(np.pi * at / half)), 0.0)
    return kernel / kernel.sum(axis=1, keepdims=True), half


def _limited(t: Floats, x: Floats, rate_hz: float) -> Floats:
    """Low-pass at 0.45 of the grid's rate when the samples are denser than the grid."""
    own_hz = (len(t) - 1) / (t[-1] - t[0])
    ratio = own_hz / rate_hz
    half = int(np.ceil(_SINC_HALF * ratio))
    if ratio < 1.15 or len(t) <= half:  # mirrored at its ends, a run needs one sample more than it is extended by
        return x
    k = np.arange(-half, half + 1)
    kernel = np.sinc(0.9 * k / ratio) * np.hanning(2 * half + 3)[1:-1]
    kernel /= kernel.sum()
    padded = np.concatenate([2 * x[0] - x[half:0:-1], x, 2 * x[-1] - x[-2 : -half - 2 : -1]])
    return np.stack([np.convolve(padded[:, c], kernel, mode="valid") for c in range(x.shape[1])], axis=1)


def _hermite(t: Floats, x: Floats, at: Floats) -> Floats:
    step = np.diff(t)[:, None]
    slope = np.diff(x, axis=0) / step
    tangent = np.empty_like(x)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    before, after = step[:-1], step[1:]
    parabola = (slope[:-1] * after + slope[1:] * before) / (before + after)
    odd = np.minimum(before, after) < _ODD_STEP * float(median(step[:, 0]))
    tangent[1:-1] = np.where(odd, (x[2:] - x[:-2]) / (before + after), parabola)
    i = np.clip(np.searchsorted(t, at, side="right") - 1, 0, len(t) - 2)
    h = step[i]
    u = ((at - t[i])[:, None]) / h
    v = u * u
    w = v * u
    return np.asarray(
        (2 * w - 3 * v + 1) * x[i]
        + (w - 2 * v + u) * h * tangent[i]
        + (3 * v - 2 * w) * x[i + 1]
        + (w - v) * h * tangent[i + 1]
    )
