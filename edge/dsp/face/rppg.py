"""A pulse from the colour of skin: POS and CHROM on traces of mean R, G, B, and spectra of what they give. Pure.

POS: Wang et al., IEEE Trans. Biomed. Eng. 2017;64:1479. CHROM: de Haan and Jeanne, IEEE Trans. Biomed. Eng.
2013;60:2878. Traces are on an even grid of ``RATE_HZ`` (resample by the frames' own times first) and of raw pixels:
enhanced ones break the skin model both stand on.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.dsp.filters import butterworth, zero_phase
from edge.dsp.tapers import hann_inside

Floats = NDArray[np.float64]

RATE_HZ = 30.0
WINDOW_S = 1.6
BAND_HZ = (0.6, 4.0)
GRID_BPM: Floats = np.exp(np.arange(np.log(40.0), np.log(220.0) + 1e-9, 0.01))
"""Rates in steps of 1 %, 40 to 220 per minute."""
_NFFT = 4096
_AT_HZ: Floats = np.arange(round(8.0 * _NFFT / RATE_HZ)) * RATE_HZ / _NFFT  # up to 8 Hz: no rate is looked for above
_AT_BPM: Floats = _AT_HZ * 60.0
_INSIDE = (_AT_BPM >= 36.0) & (_AT_BPM <= 222.0)
_TINY = 1e-12
_STILL = 1e-9  # deviation below which a colour does not move


def pos(rgb: Floats) -> Floats:
    """Plane orthogonal to skin: ``(n, 3)`` mean colours to ``(n,)`` pulse, by overlap-adding windows of 1.6 s.

    A window's weights of R, G and B are the same for all its samples, so the windows' weights are added, not their waves.
    """
    n, length = len(rgb), max(2, round(WINDOW_S * RATE_HZ))
    if n < length:
        return np.zeros(n)
    level = rgb.mean(0)
    x = rgb - level  # so that squares keep their digits
    within = _moving_sum(np.concatenate([x, x * x, x * x[:, (1, 2, 0)]], axis=1), length) / length
    own, square, product = within[:, :3], within[:, 3:6], within[:, 6:]
    spread, joint = square - own * own, product - own * own[:, (1, 2, 0)]  # (m, 3): rr gg bb, rg gb br
    mean = np.maximum(level + own, _TINY)
    w1, w2 = np.array([0.0, 1.0, -1.0]) / mean, np.array([-2.0, 1.0, 1.0]) / mean
    d1, d2 = (_deviation(w, spread, joint) for w in (w1, w2))
    ratio = np.where(d2 < _STILL, 0.0, d1 / np.maximum(d2, _STILL))
    weights = w1 + ratio[:, None] * w2  # of the colours in each window; what they make of its mean is 0
    around = np.zeros((n + length - 1, 3))
    around[length - 1 : n] = weights
    added = _moving_sum(around, length)  # of the windows over each sample
    return np.asarray((rgb * added).sum(1) / _cover(n, length))


def _deviation(weights: Floats, spread: Floats, joint: Floats) -> Floats:
    """Of the weighed sum of three colours, by their variances and covariances."""
    variance = (weights**2 * spread + 2.0 * weights * weights[:, (1, 2, 0)] * joint).sum(1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _moving_sum(x: Floats, length: int) -> Floats:
    """Sums of ``length`` rows, one for every place the window fits."""
    total = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)])
    return np.asarray(total[length:] - total[:-length])


def chrom(rgb: Floats) -> Floats:
    """Chrominance: ``(n, 3)`` mean colours to ``(n,)`` pulse, Hann windows of 1.6 s overlap-added."""
    n, length = len(rgb), max(2, round(WINDOW_S * RATE_HZ))
    if n < length:
        return np.zeros(n)
    c = rgb / np.maximum(rgb.mean(0), _TINY)
    both = np.stack([3.0 * c[:, 0] - 2.0 * c[:, 1], 1.5 * c[:, 0] + c[:, 1] - 1.5 * c[:, 2]], axis=1)
    x, y = band_pass(both).T
    wx = np.lib.stride_tricks.sliding_window_view(x, length)
    wy = np.lib.stride_tricks.sliding_window_view(y, length)
    ratio = wx.std(1) / np.maximum(wy.std(1), _TINY)
    return _overlap_add((wx - ratio[:, None] * wy) * hann_inside(length), n)


def band_pass(x: Floats) -> Floats:
    """Zero-phase Butterworth, 0.6 to 4 Hz, along the first axis."""
    return np.asarray(zero_phase(x, butterworth(2, BAND_HZ, RATE_HZ, "band")))


def power(x: Floats, grid_bpm: Floats = GRID_BPM) -> Floats:
    """Power of ``x`` ``(n,)`` at each rate of the grid: Hann window, zero-padded transform."""
    return np.asarray(np.interp(grid_bpm / 60.0, _AT_HZ, _spectrum(x)))


def _spectrum(x: Floats) -> Floats:
    """Power at ``_AT_HZ``: Hann window, zero-padded transform."""
    return np.asarray(np.abs(np.fft.rfft((x - x.mean()) * hann_inside(len(x)), _NFFT)[: len(_AT_HZ)]) ** 2)


def snr_db(x: Floats, bpm: float) -> float:
    """Power within 6 bpm of the rate and of its double over the rest of 0.6 to 3.7 Hz, dB (as in de Haan 2013)."""
    spectrum = _spectrum(x)
    pulse = _INSIDE & ((np.abs(_AT_BPM - bpm) <= 6.0) | (np.abs(_AT_BPM - 2.0 * bpm) <= 6.0))
    signal, rest = float(spectrum[pulse].sum()), float(spectrum[_INSIDE & ~pulse].sum())
    if signal + rest <= _TINY:
        return -np.inf
    return float(10.0 * np.log10(max(signal, _TINY) / max(rest, _TINY)))


def amplitude_at(x: Floats, bpm: float) -> Floats:
    """Amplitude of each column of ``x`` at a rate, as a share of the column's mean; ``(channels,)``."""
    x = x if x.ndim == 2 else x[:, None]
    mean = np.maximum(np.abs(x.mean(0)), _TINY)
    flat = x / mean - 1.0
    t = np.arange(len(x)) / RATE_HZ
    line = np.stack([np.ones_like(t), t - t.mean()], axis=1)
    flat = flat - line @ np.linalg.lstsq(line, flat, rcond=None)[0]
    window = hann_inside(len(x))
    tone = np.exp(-2j * np.pi * bpm / 60.0 * t) * window
    return np.asarray(2.0 * np.abs(tone @ flat) / window.sum())


def _overlap_add(h: Floats, n: int) -> Floats:
    """Rows of ``h`` added at shifts of one sample, divided by how many cover each sample."""
    m, length = h.shape
    out = np.zeros(n)
    for k in range(length):
        out[k : k + m] += h[:, k]
    return np.asarray(out / _cover(n, length))


@lru_cache(maxsize=16)
def _cover(n: int, length: int) -> NDArray[np.intp]:
    """How many windows of ``length`` cover each of ``n`` samples."""
    return np.minimum(np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)), min(length, n - length + 1))
