"""Mains hum in heart sound: taken out where it is heard for sure, and hearts without it left alone.

A microphone beside a lead hears 50 or 60 Hz and their multiples, in the middle of S1 and S2 and of murmurs. It is a
steady sine, so its lines stand far above what lies beside them, and they share one fundamental; what is found is fitted
and subtracted with all its multiples. Two such lines are enough, or a fundamental that has a tenth of the power. Of 2,702
windows of CirCor and 563 of CinC 2016 none has two such lines, of PASCAL 5 of 166; none of the three sets has more than
0.064 of its power in a sine at 50 or 60 Hz.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from edge.dsp.pcg.frontend import RATE_HZ, Floats

MAINS_HZ: Final = (50.0, 60.0)
MIN_SHARE: Final = 0.1
MIN_LINE: Final = 12.0  # of the mean power 3 to 8 Hz away
_MIN_LINES: Final = 2
_APART_HZ: Final = 0.04  # fundamentals that two lines tell of
_DRIFT_HZ, _DRIFT_A_MULTIPLE_HZ = 0.1, 0.2
_BESIDE_HZ: Final = (3.0, 8.0)
_TOP_HZ: Final = 800.0
_LINES_TO_HZ: Final = 600.0
_TINY: Final = 1e-30


def without_hum(y: Floats) -> Floats:
    """``y`` (n,) at 2 kHz, zero mean; itself where no hum is heard."""
    hum_hz = _fundamental_hz(y)
    if hum_hz is None:
        return y
    waves = _waves(hum_hz, len(y))
    amounts = np.linalg.solve((waves @ waves.T).astype(np.float64), (waves @ y).astype(np.float64))
    return np.asarray(y - amounts.astype(np.float32) @ waves, np.float32)


def _fundamental_hz(y: Floats) -> float | None:
    places = _places(len(y))
    spectrum = rfft(y * places.taper)[: places.top]
    power = spectrum.real**2 + spectrum.imag**2
    bins = places.bins[np.arange(len(places.bins)), power[places.bins].argmax(axis=1)]
    below = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    beside = sum(below[b] - below[a] for a, b in places.beside) / sum(b - a for a, b in places.beside)
    line = np.flatnonzero((power[bins] > MIN_LINE * beside) & (power[bins] >= power[bins + 1]))
    line = line[power[bins[line]] > power[bins[line] - 1]]
    if not len(line):
        return None
    bins, multiple = bins[line], places.multiple[line]
    left, peak, right = (np.log(power[bins + step] + _TINY) for step in (-1, 0, 1))
    off = 0.5 * (left - right) / (left - 2.0 * peak + right)
    at_hz = (bins + off) * RATE_HZ / len(y) / multiple
    half = 0.5 * float(np.vdot(y, y)) / len(y) * float(places.taper.sum()) ** 2
    strong = np.exp(peak - 0.25 * (left - right) * off) >= MIN_SHARE * half
    best, found = 0, None
    for mains in MAINS_HZ:
        ours = places.mains[line] == mains
        for first in np.flatnonzero(ours):
            agree = ours & (np.abs(at_hz - at_hz[first]) < _APART_HZ)
            enough = agree.sum() >= _MIN_LINES or (strong & agree & (multiple == 1)).any()
            if enough and agree.sum() > best:
                best = int(agree.sum())
                found = float(np.average(at_hz[agree], weights=multiple[agree]))
    return found


class _Places(NamedTuple):
    """Where lines may lie in a spectrum: of which mains, which multiple, bins (places, most), bins beside each; none of
    them at ``top`` or above."""

    taper: Floats
    top: int
    mains: NDArray[np.float64]
    multiple: NDArray[np.float64]
    bins: NDArray[np.int64]
    beside: list[tuple[NDArray[np.int64], NDArray[np.int64]]]


@lru_cache(maxsize=4)
def _places(n: int) -> _Places:
    both = [(mains, k) for mains in MAINS_HZ for k in range(1, int(_LINES_TO_HZ / mains) + 1)]
    mains, multiple = np.array(both).T
    bin_hz = RATE_HZ / n
    middle, reach = mains * multiple, _DRIFT_HZ + _DRIFT_A_MULTIPLE_HZ * multiple

    def bins(hz: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.round(hz / bin_hz).astype(np.int64)

    low, high = bins(middle - reach), bins(middle + reach)
    offsets = np.arange(int((high - low).max()) + 1)
    near, far = _BESIDE_HZ
    beside = [(bins(middle - far), bins(middle - near)), (bins(middle + near), bins(middle + far))]
    within = np.minimum(low[:, None] + offsets, high[:, None])
    top = int(max(beside[1][1].max(), within.max())) + 2
    return _Places(np.hanning(n).astype(np.float32), top, mains, multiple, within, beside)


def _waves(hum_hz: float, n: int) -> Floats:
    """Sine and cosine of every multiple up to the top of what is heard, ``(2 k, n)``."""
    turn = np.exp(2j * np.pi * hum_hz / RATE_HZ * np.arange(n)).astype(np.complex64)
    waves = np.empty((int(_TOP_HZ / hum_hz), 2, n), np.float32)
    wave = np.ones(n, np.complex64)
    for one in waves:
        wave *= turn
        one[0], one[1] = wave.real, wave.imag
    return waves.reshape(-1, n)
