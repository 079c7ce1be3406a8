"""What the last seconds of pulse and movement hold at each heart rate, with what the accelerometer explains taken out.

Every PPG channel is regressed on the accelerometer's axes at lags up to 160 ms (ridge), over the last 8 s and over the
last 14 s, and the residuals' Hann spectra are read at every whole bpm (after Zhang et al., IEEE TBME 2015;62:522).
Only samples before the window's end are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from edge.dsp.filters import butterworth, zero_phase

Floats = NDArray[np.float64]

RATE_HZ: Final = 25.0
SHORT_S: Final = 8.0
LONG_S: Final = 14.0
GRID_BPM: Final = np.arange(30, 223)
CHANNELS: Final = (
    *("residual", "weaker residual", "long residual", "residual at twice the rate"),
    *("raw", "movement", "movement at twice the rate"),
)
_TWICE = np.minimum(2 * GRID_BPM, 445)
_BAND_HZ = (0.4, 8.0)
_LAGS = (-4, -2, 0, 2, 4)
_RIDGE = 0.3
_FFT = 1500  # at 25 Hz a bin is one bpm
_BINS = 446
_PAD = 100
_FLOOR = 1e-4
_CENTRE, _SCALE = -6.5, 2.0  # of the logarithm of a share: brings what a network sees near 0 and 1


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Shares of power by whole bpm from 0, ``(channels, 446)``, each row 1 over ``GRID_BPM`` (movement: over 30 to 445,
    one row); movement is None without an accelerometer."""

    residual: Floats
    long_residual: Floats
    raw: Floats
    movement: Floats | None


def spectra(ppg: Floats, acc: Floats | None) -> Spectra:
    """ppg: ``(n, channels)`` and acc ``(n, axes)`` at 25 Hz on one grid, at least 8 s, ending at the window's end."""
    n, long = round(SHORT_S * RATE_HZ), min(len(ppg), round(LONG_S * RATE_HZ))
    both = ppg if acc is None else np.concatenate([ppg, acc], axis=1)
    both = zero_phase(both, butterworth(2, _BAND_HZ, RATE_HZ, "band"), _PAD)
    count = ppg.shape[1]
    x, motion = both[:, :count], both[:, count:]
    if acc is None:
        raw = _shares(_power(_centred(x[-n:])))
        return Spectra(raw, _shares(_power(_centred(x[-long:]))), raw, None)
    columns = _lagged(motion, long)
    short = _power(np.concatenate([_residual(x[-n:], columns[-n:]), _centred(both[-n:])], axis=1))
    moved = short[2 * count :].sum(axis=0, keepdims=True)
    moved = moved / (moved[:, GRID_BPM[0] :].sum() + 1e-12)
    slow = _shares(_power(_residual(x[-long:], columns)))
    return Spectra(_shares(short[:count]), slow, _shares(short[count : 2 * count]), moved)


def network_input(found: Spectra) -> NDArray[np.float32]:
    """``CHANNELS`` over ``GRID_BPM``, ``(1, 7, 1, 193)``; ValueError without an accelerometer."""
    if found.movement is None:
        raise ValueError("without an accelerometer there is no movement to show")
    mean, moved = found.residual.mean(axis=0), found.movement[0]
    grid = slice(GRID_BPM[0], GRID_BPM[-1] + 1)
    rows = np.stack(
        [
            *(mean[grid], found.residual.min(axis=0)[grid], found.long_residual.mean(axis=0)[grid]),
            *(mean[_TWICE], found.raw.mean(axis=0)[grid], moved[grid], moved[_TWICE]),
        ]
    )
    return np.asarray(((np.log(rows + _FLOOR) - _CENTRE) / _SCALE)[None, :, None, :], dtype=np.float32)


def residual(x: Floats, motion: Floats) -> Floats:
    """The last 8 s of ``x`` ``(n, channels)`` minus what lagged copies of ``motion`` ``(n, axes)`` explain."""
    n = round(SHORT_S * RATE_HZ)
    return _residual(x[-n:], _lagged(motion, n))


def _lagged(motion: Floats, n: int) -> Floats:
    """The last ``n`` rows of the axes at every lag, ``(n, axes * lags)``; the ends are held."""
    reach = max(_LAGS)
    padded = np.concatenate([motion, np.repeat(motion[-1:], reach, axis=0)])
    if len(motion) < n + reach:
        padded = np.concatenate([np.repeat(motion[:1], n + reach - len(motion), axis=0), padded])
    end = len(padded) - reach
    return np.concatenate([padded[end - n - lag : end - lag] for lag in _LAGS], axis=1)


def _residual(x: Floats, columns: Floats) -> Floats:
    columns, y = _centred(columns), _centred(x)
    gram = columns.T @ columns
    small = 1.0 / (np.sqrt(gram.diagonal() / len(x)) + 1e-9)
    gram = gram * small * small[:, None]
    gram.flat[:: len(gram) + 1] += _RIDGE * gram.trace() / len(gram) + 1e-9
    weights = np.linalg.solve(gram, (columns.T @ y) * small[:, None]) * small[:, None]
    return np.asarray(y - columns @ weights)


def _centred(x: Floats) -> Floats:
    return np.asarray(x - np.ones(len(x)) @ x / len(x))


@lru_cache(maxsize=8)
def _hann(n: int) -> Floats:
    return np.hanning(n)


def _power(x: Floats) -> Floats:
    """``(n, channels)`` to ``(channels, 446)``."""
    spectrum = fft.rfft(x.T * _hann(len(x)), _FFT)[:, :_BINS]
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def _shares(power: Floats) -> Floats:
    total = power[:, GRID_BPM[0] : GRID_BPM[-1] + 1].sum(axis=1, keepdims=True)
    return power / np.where(total > 1e-12, total, np.inf)
