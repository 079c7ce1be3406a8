"""Power of a pulse wave at every whole heart rate, and which rates have power of their own."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge.dsp.crest import crest
from edge.dsp.tapers import hann

Floats = NDArray[np.float64]

SLOWEST_BPM, FASTEST_BPM = 30, 225
"""The rates ``strongest`` looks for."""
_COARSE_HZ = 25.0
_LOW_BPM, _HIGH_BPM = 20, 700
_COMB = np.array([1.0, 0.6, 0.3])  # weights of the first three harmonics
_COMB_BINS = np.outer([1, 2, 3], np.arange(SLOWEST_BPM, FASTEST_BPM + 1))
_OF_DOUBLE, _OF_TRIPLE = 0.1, 1.0  # none of CinC's windows with a right rate has under 0.2 and 2
SLOW_BPM = 68.0
"""Up to there half of a rate may be a heart's."""
_OF_HALF = 0.07  # 1 in 100 of CinC's right rates has so much
_SLOW_DOUBLED_BPM, _OF_SLOW_HALF = 84.0, 0.4  # above, its double has most of a slow heart's power less often


def shares(x: Floats, rate_hz: float) -> Floats:
    """Share of power at every whole bpm, ``(751,)``, zero below 20 and above 700; all zero for a flat line."""
    step = max(1, round(rate_hz / _COARSE_HZ))
    y, hz = x[::step], rate_hz / step
    y = (y - y.mean()) * hann(len(y))
    power = abs(np.fft.rfft(y, round(60.0 * hz))[_LOW_BPM:_HIGH_BPM]) ** 2
    out = np.zeros(_HIGH_BPM + 51)
    out[_LOW_BPM : _LOW_BPM + len(power)] = power
    total = float(out.sum())
    return out / total if total > 1e-12 * len(y) else np.zeros(len(out))


def near(share: Floats, bpm: float) -> float:
    """Share within 3 to 6 bpm (7 %) of ``bpm``."""
    reach = min(max(0.07 * bpm, 3.0), 6.0)
    return float(share[max(0, math.ceil(bpm - reach)) : math.floor(bpm + reach) + 1].sum())


def whole(bpm: float, share: Floats) -> bool:
    """Whether a rate has power of its own beside that of its double and triple, and is not itself the double of one."""
    if not bpm > 0:
        return False
    own = near(share, bpm)
    part = own <= _OF_DOUBLE * near(share, 2 * bpm) or own <= _OF_TRIPLE * near(share, 3 * bpm)
    most = _OF_HALF if bpm <= SLOW_BPM else _OF_SLOW_HALF if bpm <= _SLOW_DOUBLED_BPM else np.inf
    return not part and near(share, bpm / 2) <= most * own


def strongest(share: Floats) -> float:
    """The rate whose first three harmonics hold most, bpm, to a fraction of a bin."""
    comb = (_COMB[:, None] * share[_COMB_BINS]).sum(axis=0)
    i = int(comb.argmax())
    if not 0 < i < len(comb) - 1:
        return float(SLOWEST_BPM + i)
    return float(SLOWEST_BPM + i + crest(*comb[i - 1 : i + 2]))
