"""What the last 16 s of a pulse wave hold at each heart rate: spectra and autocorrelations, as a small network reads them.

Rates lie on a logarithmic grid, on which a heart twice as fast is the same picture further on. What speaks for a rate and
for its half, double and triple stands in one column, so that a network with a short reach can weigh them against each
other. Only samples before the window's end are used.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.tapers import hann

Floats = NDArray[np.float64]

RATE_HZ: Final = 50.0
SPAN_S: Final = 16.0
LEAST_S: Final = 7.5
GRID_BPM: Final = np.geomspace(28.0, 230.0, 96)
CHANNELS: Final = (
    *("power of 16 s", "at twice the rate", "at three times the rate", "at half the rate"),
    *("power of 10 s", "power of 6 s", "power of the slope", "of the slope at twice the rate"),
    *("likeness after one beat", "after two", "after half of one"),
    *("likeness of the slope after one beat", "after half of one"),
    *("likeness of 16 s after one beat", "of the rises alone", "rate"),
)
_SAMPLES, _LEAST = round(SPAN_S * RATE_HZ), round(LEAST_S * RATE_HZ)
_RECENT, _LAST = round(10.0 * RATE_HZ), round(6.0 * RATE_HZ)
_FFT, _LAGS_FFT = 4096, 1024  # lags up to two beats at 28 bpm are free of what wraps around
_BAND = round(9.0 * _FFT / RATE_HZ)  # power up to 9 Hz, all that the wave has, is one on average
_MOST = 6.0  # deviations: a wave further out is cut there
_FLOOR, _SCALE = 0.05, 0.6  # of the logarithm of a root of power: brings it near 0 and 1
_LIKENESS = 1.5

_WAYS: Final = ((0, 1.0), (0, 2.0), (0, 3.0), (0, 0.5), (1, 1.0), (2, 1.0), (3, 1.0), (3, 2.0))
"""Row of the spectra, and multiple of the rate, of each channel of power."""
_LIKE: Final = ((0, 1.0), (0, 2.0), (0, 0.5), (1, 1.0), (1, 0.5), (2, 1.0), (3, 1.0))
"""Row of the autocorrelations, and beats of lag, of each channel of likeness."""


def _tapers() -> Floats:
    rows = np.zeros((4, _SAMPLES))
    for row, n in zip(rows, (_SAMPLES, _RECENT, _LAST, _SAMPLES), strict=True):
        row[-n:] = hann(n)
    return rows


def _between(places: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Index below each place, and how far behind it the place lies."""
    below = np.floor(places).astype(np.intp)
    return below, places - below


_TAPERS: Final = _tapers()
_ROWS_P: Final = np.array([row for row, _ in _WAYS])[:, None]
_ROWS_L: Final = np.array([row for row, _ in _LIKE])[:, None]
_BIN, _PAST_BIN = _between(np.outer([k for _, k in _WAYS], GRID_BPM / 60.0 * _FFT / RATE_HZ))
_LAG, _PAST_LAG = _between(np.outer([k for _, k in _LIKE], 60.0 * RATE_HZ / GRID_BPM))
_LENGTHS = np.array([_RECENT, _RECENT - 1, _SAMPLES, _RECENT - 1])[:, None]
_LAGS = np.minimum(np.arange(_LAGS_FFT // 2), (_LENGTHS * 3) // 4)
_UNBIASED: Final = _LENGTHS / (_LENGTHS - _LAGS)
_RATES: Final = np.linspace(-1.0, 1.0, len(GRID_BPM))


def network_input(wave: Floats) -> NDArray[np.float32]:
    """``CHANNELS`` over ``GRID_BPM``, ``(1, 16, 1, 96)``, of an upright band-passed wave at 50 Hz, the last 16 s of it;
    ValueError for less than 7.5 s."""
    if len(wave) < _LEAST:
        raise ValueError(f"{len(wave)} samples at 50 Hz are less than {LEAST_S:g} s")
    seen = wave[-_SAMPLES:]
    seen = seen - seen.mean()
    x = np.zeros(_SAMPLES)
    x[-len(seen) :] = np.clip(seen / (seen.std() + 1e-12), -_MOST, _MOST)
    slope = np.diff(x, prepend=x[0])
    rows = np.stack([x, x, x, slope]) * _TAPERS
    power: Floats = np.abs(np.fft.rfft(rows, _FFT))
    power /= np.sqrt((power[:, :_BAND] ** 2).mean(axis=1, keepdims=True)) + 1e-12
    likeness = _autocorrelation(x, slope[1:])
    out = np.empty((len(CHANNELS), len(GRID_BPM)), dtype=np.float32)
    out[: len(_WAYS)] = _SCALE * np.log(_read(power, _ROWS_P, _BIN, _PAST_BIN) + _FLOOR)
    out[len(_WAYS) : -1] = 2.0 * _read(likeness, _ROWS_L, _LAG, _PAST_LAG)
    out[-1] = _RATES
    return out[None, :, None, :]


def _autocorrelation(x: Floats, slope: Floats) -> Floats:
    """Of the wave and its slope of 10 s, of the wave of 16 s and of the rises of 10 s, ``(4, 512)``, each 1 at no lag."""
    recent = slope[1 - _RECENT :]
    rows = np.zeros((4, _SAMPLES))
    for row, piece in zip(rows, (x[-_RECENT:], recent, x, np.maximum(recent, 0.0)), strict=True):
        row[: len(piece)] = piece - piece.mean()
    spectrum = np.fft.rfft(rows, _LAGS_FFT)
    found = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, _LAGS_FFT)[:, : _LAGS_FFT // 2]
    found /= found[:, :1] + 1e-12
    return np.asarray(np.clip(found * _UNBIASED, -_LIKENESS, _LIKENESS))


def _read(rows: Floats, which: NDArray[np.intp], at: NDArray[np.intp], past: Floats) -> Floats:
    return np.asarray(rows[which, at] * (1.0 - past) + rows[which, at + 1] * past)
