"""Beeps, notes and machines in place of a heart: their power stands in lines, where that of heart sounds is broad.

Even a musical murmur wanders, and leaves power to S1 and S2. Limits are from 5 s windows of CirCor, CinC 2016 and
PASCAL, 2 s apart, after the mains hum was taken out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from edge.dsp.pcg.frontend import RATE_HZ, Floats

_FRAME = 1000  # samples: bins of 2 Hz
_BIN_HZ = RATE_HZ / _FRAME
_SPLIT = round(52 / _BIN_HZ)  # below lie S1 and S2, narrow where a filter cuts their lower half off
_UNDER_100_HZ, _UNDER_200_HZ = round(100 / _BIN_HZ), round(200 / _BIN_HZ)
MAX_LOW_LINE = 0.45  # of the power, in 4 Hz: four of 20,458 windows have more
MAX_LINE = 0.4  # in 6 Hz above 52 Hz: 37 have more, none of 2,478 with a murmur (at most 0.31)
MAX_RING = 0.45  # in 14 Hz between 52 and 200 Hz, with little of S1 and S2: a knock; murmurs sing higher
MIN_BESIDE_RING = 0.13  # under 100 Hz; no window with a ring has less
_LASTING = slice(200, 401)  # samples: 0.1 to 0.2 s
MAX_LASTING = (
    0.35  # correlation with itself so much later, when heart sounds are over: 21 of 20,450, all with a whistle
)


def is_tonal(y: Floats) -> bool:
    """Whether lines of a few Hz hold most of the power of ``y`` (n,) at 2 kHz, of at least 0.5 s, or a pitch lasts.

    Power is averaged over frames of 0.5 s without a taper or overlap, so that none of it counts less.
    """
    spectrum = rfft(y[: len(y) // _FRAME * _FRAME].reshape(-1, _FRAME), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
    below = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    total = below[-1]
    later = irfft(power)
    if later[_LASTING].max() > MAX_LASTING * later[0]:
        return True
    if _strongest(below[: _SPLIT + 1], 2) > MAX_LOW_LINE * total or _strongest(below[_SPLIT:], 3) > MAX_LINE * total:
        return True
    ring = _strongest(below[_SPLIT : _UNDER_200_HZ + 1], 7) > MAX_RING * total
    return ring and bool(below[_UNDER_100_HZ] < MIN_BESIDE_RING * total)


def _strongest(below: NDArray[np.float64], bins: int) -> float:
    """The most power in so many neighbouring bins, from running sums."""
    return float((below[bins:] - below[:-bins]).max())
