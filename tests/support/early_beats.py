"""Pulse waves with weak early beats, or under breath, of known truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RATE = 100.0
_USUAL, _DAMPED = ((0.17, 0.055), (0.38, 0.09)), ((0.28, 0.12), (0.5, 0.15))


def pulses(feet: Floats, heights: Floats, seconds: float, dicrotic: float = 0.45, damped: bool = False) -> Floats:
    """Pulses that begin at ``feet``, s, at 100 Hz: Gaussian systolic and dicrotic waves that stretch with the interval
    before; a little noise."""
    t = np.arange(round(seconds * RATE)) / RATE
    x = 0.005 * np.random.default_rng(1).standard_normal(len(t))
    for foot, height, interval in zip(feet, heights, np.diff(feet, prepend=feet[0] - 1.0), strict=True):
        dt = (t - foot) / np.clip(interval, 0.35, 1.6) ** 0.35
        for (at, width), part in zip(_DAMPED if damped else _USUAL, (1.0, dicrotic), strict=True):
            x += height * part * np.exp(-0.5 * ((dt - at) / width) ** 2)
    return x


def steady(bpm: float, seconds: float, dicrotic: float = 0.45, damped: bool = False) -> Floats:
    """A regular pulse."""
    feet = np.arange(0.3, seconds, 60.0 / bpm)
    return pulses(feet, np.ones(len(feet)), seconds, dicrotic, damped)


def bigeminy(weak: float, seconds: float, early_s: float = 0.48, pair_s: float = 1.6) -> Floats:
    """Every second beat comes ``early_s`` after the one before and is ``weak`` as high."""
    feet = np.array([first + late for first in np.arange(0.3, seconds, pair_s) for late in (0.0, early_s)])
    return pulses(feet, np.tile([1.0, weak], len(feet) // 2), seconds)


def noise(amount: float, seconds: float, seed: int = 0) -> Floats:
    """A tenth of pink noise and a fiftieth of white, times ``amount``."""
    rng, n = np.random.default_rng(seed), round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0.0
    pink = np.fft.irfft(spectrum, n)
    return np.asarray(amount * (0.1 * pink / pink.std() + 0.02 * rng.standard_normal(n)))
