"""Mains hum in heart sound: taken out where it drowns the heart, left alone where it does not.

A microphone beside a lead hears 50 or 60 Hz and their multiples, in the middle of S1 and S2. A hum of a tenth of the
power or more is a steady sine and is fitted and subtracted. No heart comes near that: of the 9,245 windows of CirCor,
CinC 2016 and PASCAL none has more than 0.064 of its power in a sine at either.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.dsp.pcg_frontend import RATE_HZ, Floats

MAINS_HZ = (50.0, 60.0)
MIN_SHARE = 0.1
_DRIFT_HZ = 0.4
_OVERTONES = 6


def without_hum(y: Floats) -> Floats:
    """``y`` (n,) at 2 kHz, zero mean; itself where no hum has a tenth of its power."""
    power = float(np.vdot(y, y)) / len(y)
    if not power > 0 or _shares(y, _near(len(y)), power).max() < MIN_SHARE:
        return y
    fine = np.concatenate([np.arange(f - _DRIFT_HZ, f + _DRIFT_HZ, 0.01) for f in MAINS_HZ])
    hum_hz = float(fine[_shares(y, _probes(tuple(fine), len(y)), power).argmax()])
    angle = 2 * np.pi * hum_hz * np.arange(len(y)) / RATE_HZ
    waves = np.stack([f(k * angle) for k in range(1, _OVERTONES + 1) for f in (np.sin, np.cos)], axis=1)
    amounts = np.linalg.lstsq(waves, y.astype(np.float64), rcond=None)[0]
    return np.asarray(y - waves @ amounts, np.float32)


def _shares(y: Floats, probes: NDArray[np.complex64], power: float) -> NDArray[np.float64]:
    """Share of the power of ``y`` that a sine at each probe's frequency has."""
    return np.asarray(2.0 * np.abs(probes @ y) ** 2 / power, np.float64)


@lru_cache(maxsize=4)
def _near(n: int) -> NDArray[np.complex64]:
    return _probes(tuple(f + d for f in MAINS_HZ for d in (-0.2, 0.0, 0.2)), n)


def _probes(freq_hz: tuple[float, ...], n: int) -> NDArray[np.complex64]:
    window = np.hanning(n)
    turns = np.outer(freq_hz, np.arange(n) / RATE_HZ)
    return np.asarray(np.exp(-2j * np.pi * turns) * (window / window.sum()), np.complex64)
