"""A fast pulse between bursts of motion, which seldom last as long as tachycardia does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg.holes import Holes
from edge.dsp.tapers import hann

_COARSE_HZ = 25.0
_SPAN_S, _LOOK_S, _HOP_S = 4.0, 12.0, 0.24
_BPM = np.arange(112, 221)
_BAND_BPM = (30, 500)
_REACH_BPM = 14  # the resolution of 4 s
_SHARE = 0.58  # no more than one in a hundred windows of CinC 2015 under 100 bpm has one


def fast_stretch(wave: NDArray[np.float64], rate_hz: float, holes: Holes = ()) -> bool:
    """Whether 4 s of the last 12 s of a band-passed wave ``(n,)`` are a clean pulse above 112 a minute, without a hole."""
    step = max(1, round(rate_hz / _COARSE_HZ))
    x, hz = wave[-round(_LOOK_S * rate_hz) :: step], rate_hz / step
    n, hop = round(_SPAN_S * hz), max(1, round(_HOP_S * hz))
    if len(x) < n:
        return False
    begin = max(0, len(wave) - round(_LOOK_S * rate_hz)) / rate_hz
    spans = [(a, begin + a / hz, begin + (a + n) / hz) for a in range(len(x) - n, -1, -hop)]
    seen = [x[a : a + n] for a, since, until in spans if not any(b < until and e > since for b, e in holes)]
    if not seen:
        return False
    rows = np.stack(seen)
    rows = rows - rows.mean(axis=1, keepdims=True)
    power = abs(np.fft.rfft(rows * hann(n), round(60.0 * hz), axis=1)[:, : _BAND_BPM[1]]) ** 2
    total = power[:, _BAND_BPM[0] :].sum(axis=1) + 1e-12
    upto = np.cumsum(power, axis=1)
    first, second = (upto[:, k * _BPM + _REACH_BPM] - upto[:, k * _BPM - _REACH_BPM - 1] for k in (1, 2))
    return bool(((first + 0.5 * second) / total[:, None]).max() >= _SHARE)
