"""What the last seconds of pulse and movement hold at each heart rate, with what the accelerometer explains taken out.

Every PPG channel is regressed on the accelerometer's axes at lags up to 240 ms (ridge) over the last 16 s, the newest
counting most because what movement does to a pulse changes with it, and the residual's spectra of the last 8 s and of
all 16 s are read at every whole bpm (after Zhang et al., IEEE TBME 2015;62:522). A fit over the 8 s alone takes more of
the pulse out. Only samples before the window's end are used.

What was not seen, in gaps of either, counts in no fit and is nothing in the spectra: the gaps are short, and make the lines
of the rest a little wider.

A rate is the number of beats in 8 s, so each second counts as much; a Hann taper would read the rate of the middle. The
tapers therefore have no slopes at their ends, and rise, because what follows the rate looks back and lags.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.filters import butterworth, zero_phase

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

RATE_HZ: Final = 25.0
SHORT_S: Final = 8.0
LONG_S: Final = 16.0
GRID_BPM: Final = np.arange(30, 223)
CHANNELS: Final = (
    *("residual", "weaker residual", "long residual", "residual at twice the rate"),
    *("raw", "movement", "movement at twice the rate"),
)
ON_GRID: Final = slice(30, 223)
TWICE: Final = slice(60, 446, 2)
"""Bins of the grid's rates, and of twice each."""
_BAND_HZ = (0.4, 8.0)
_LAGS = (-6, -4, -2, 0, 2, 4, 6)
_RIDGE = 0.1
_MEMORY_S = 8.0  # of the fit: a sample this old counts 1/e; longer is as good until what movement does wanders
_FIRST_SHORT, _FIRST_LONG = 0.4, 0.2  # the oldest sample's weight in a taper, 1 on average; a flat optimum
_FFT = 1500  # at 25 Hz a bin is one bpm
_BINS = 446
_PAD = 100
_FLOOR = 1e-4
_CENTRE, _SCALE = -6.5, 2.0  # of the logarithm of a share: brings what a network sees near 0 and 1


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Shares of power by whole bpm from 0, ``(channels, 446)``, each row 1 over ``GRID_BPM`` (movement: over 30 to 445,
    one row); movement is None without an accelerometer. left: of the raw power on the grid what the residual has, mean
    over channels."""

    residual: Floats
    long_residual: Floats
    raw: Floats
    movement: Floats | None
    left: float = 1.0


def spectra(ppg: Floats, acc: Floats | None, seen: Marks | None = None) -> Spectra:
    """ppg: ``(n, channels)`` and acc ``(n, axes)`` at 25 Hz on one grid, at least 8 s, ending at the window's end;
    seen: which of the ``n`` were, in both (None: all)."""
    n, long = round(SHORT_S * RATE_HZ), min(len(ppg), round(LONG_S * RATE_HZ))
    both = in_band(ppg if acc is None else np.concatenate([ppg.T, acc.T]).T).T
    count = ppg.shape[1]
    seen = None if seen is None else seen[-long:]
    slow = both[:, -long:] if acc is None else _residual(both[:count, -long:], _lagged(both[count:], long), seen)
    slow = _centred(slow, seen)
    rows = np.zeros((2 * count + len(both), long))  # all 16 s of the residual, its last 8 s, the last 8 s as they are
    recent = rows[count:, long - n :]  # where a row begins does not change its power
    recent[:count], recent[count:] = slow[:, long - n :], both[:, -n:]
    recent[:] = _centred(recent, None if seen is None else seen[-n:])
    recent *= _rising(n, _FIRST_SHORT)
    np.multiply(slow, _rising(long, _FIRST_LONG), out=rows[:count])
    spectrum = np.fft.rfft(rows, _FFT)[:, :_BINS]
    power = spectrum.real**2 + spectrum.imag**2
    shares = _shares(power[: 3 * count])
    kept, seen = power[count : 3 * count, ON_GRID].sum(axis=1).reshape(2, count)
    moved = None
    if acc is not None:
        moved = power[3 * count :].sum(axis=0, keepdims=True)
        moved /= moved[:, ON_GRID.start :].sum() + 1e-12
    left = float((kept / np.maximum(seen, 1e-300)).sum()) / count
    return Spectra(shares[count : 2 * count], shares[:count], shares[2 * count :], moved, left)


def network_input(found: Spectra) -> NDArray[np.float32]:
    """``CHANNELS`` over ``GRID_BPM``, ``(1, 7, 1, 193)``; ValueError without an accelerometer."""
    if found.movement is None:
        raise ValueError("without an accelerometer there is no movement to show")
    count, moved = len(found.residual), found.movement[0]
    mean = found.residual.sum(axis=0) / count
    grid = ON_GRID
    rows = np.empty((len(CHANNELS), len(GRID_BPM)), dtype=np.float32)
    rows[0], rows[1], rows[3] = mean[grid], found.residual.min(axis=0)[grid], mean[TWICE]
    rows[2], rows[4] = found.long_residual.sum(axis=0)[grid] / count, found.raw.sum(axis=0)[grid] / count
    rows[5], rows[6] = moved[grid], moved[TWICE]
    return np.asarray((np.log(rows + np.float32(_FLOOR)) - np.float32(_CENTRE)) / np.float32(_SCALE))[None, :, None, :]


def in_band(x: Floats) -> Floats:
    """Columns ``(n, k)`` at 25 Hz without what lies outside 0.4 to 8 Hz."""
    return np.asarray(zero_phase(x, butterworth(2, _BAND_HZ, RATE_HZ, "band"), _PAD))


def residual(x: Floats, motion: Floats) -> Floats:
    """``x`` ``(n, channels)`` minus what lagged copies of ``motion`` ``(n, axes)`` explain of it; no mean is left."""
    return _centred(_residual(x.T, _lagged(motion.T, len(x)))).T


def _lagged(motion: Floats, n: int) -> Floats:
    """The last ``n`` samples of the axes ``(axes, m)`` at every lag, ``(lags * axes, n)``; the ends are held."""
    reach, axes, m = max(_LAGS), *motion.shape
    padded = np.empty((axes, n + 2 * reach))
    known = min(m, n + reach)
    padded[:, n + reach - known : n + reach] = motion[:, m - known :]
    padded[:, : n + reach - known] = motion[:, :1]
    padded[:, n + reach :] = motion[:, -1:]
    return np.concatenate([padded[:, reach - lag : reach - lag + n] for lag in _LAGS])


def _residual(x: Floats, columns: Floats, seen: Marks | None = None) -> Floats:
    """``x`` ``(channels, n)`` without what ``columns`` ``(k, n)`` and a constant explain of what was seen of it."""
    k, n = columns.shape
    counts = _fading(n) if seen is None else _fading(n) * seen
    total = float(counts.sum())
    rows = np.concatenate([columns, np.ones((1, n)), x])
    products = (rows[: k + 1] * counts) @ rows.T
    own, sums = products.diagonal()[:k].copy(), products[k, :k]
    power = own - sums * sums / total
    guarded = (np.sqrt(np.maximum(power, 0.0) / total) + 1e-9) ** 2
    ridge = _RIDGE * float((power / guarded).sum()) / k + 1e-9
    products[np.arange(k), np.arange(k)] = own + ridge * guarded
    weights = np.linalg.solve(products[:, : k + 1], products[:, k + 1 :])
    return np.asarray(x - weights.T @ rows[: k + 1])


def _centred(rows: Floats, seen: Marks | None = None) -> Floats:
    """Rows without their means, and nothing where nothing was seen."""
    if seen is None:
        return np.asarray(rows - rows.sum(axis=1, keepdims=True) / rows.shape[1])
    mean = (rows * seen).sum(axis=1, keepdims=True) / max(1, np.count_nonzero(seen))
    return np.asarray((rows - mean) * seen)


@lru_cache(maxsize=8)
def _fading(n: int) -> Floats:
    """How much each of ``n`` samples counts in the fit, the newest 1."""
    return np.exp((np.arange(n) - (n - 1)) / (_MEMORY_S * RATE_HZ))


@lru_cache(maxsize=8)
def _rising(n: int, first: float) -> Floats:
    """A taper from ``first`` up to ``2 - first``."""
    return np.linspace(first, 2.0 - first, n)


def _shares(power: Floats) -> Floats:
    total = power[:, ON_GRID].sum(axis=1, keepdims=True)
    return power / np.where(total > 0.0, total, np.inf)
