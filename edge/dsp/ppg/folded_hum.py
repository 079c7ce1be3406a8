"""Mains hum and the flicker of lamps that slow sampling folded down beside the pulse: seen as a line, and taken out.

60 Hz sampled at 25 or 50 a second is 10 Hz, a lamp's 120 Hz sampled at 125 is 5 Hz. Such a line passes the pulse's band
in part, and its crests are then taken for beats. A pulse has lines as well, but each of its harmonics has a higher one
within a heart's rate below it, and its fundamental, higher still, at a half, a third … of it; a line that lacks either
is not the heart's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.crest import crest
from edge.dsp.filters import detrend
from edge.dsp.tapers import hann

Floats = NDArray[np.float64]

LINE_HZ: Final = (4.2, 16.0)
HEART_HZ: Final = (0.4, 3.8)
_OVER_BELOW = 2.0  # power over that of whatever lies less than a heart's rate below, or of what it may be a harmonic of
_SLOWEST_HZ = 0.6  # fundamental of a harmonic that can stand alone: a slower heart's next ones are too near
_TOPS = 4  # so many of the highest are looked at: a fast heart's own harmonics may be higher
_LOBE, _AROUND = 2, 12  # bins: of a Hann window's line, and of what is looked at beside it
_NARROW = 0.8  # share of the line in all that is around it
_MATTERS = 3e-3  # of the power of hearts: of CinC 2015 and Liu 2022 one window in 5,000 has so strong a line
_HIDES = 60.0  # of the power of hearts: what is left beside more is rounding as often as a pulse
_LINES = 3


def without_folded_hum(x: Floats, rate_hz: float, step: float = 0.0) -> Floats | None:
    """``x (n,)`` without such lines, up to three, ``x`` itself where there are none; None where they hide the heart.

    step: of the converter, in the unit of x; what is left of a coarse one's hum is rounding, not a pulse.
    """
    rest = x
    for _ in range(_LINES):
        power, heart = _power(rest, rate_hz)
        top = _line(power, heart, rate_hz / len(x))
        if top is None:
            break
        if power[top - _LOBE : top + _LOBE + 1].sum() > _HIDES * heart:
            return None
        rest = _without(rest, _between_bins(power, top) * rate_hz / len(x), rate_hz)
    return None if rest is not x and _power(rest, rate_hz)[1] < step * step else rest


def _power(x: Floats, rate_hz: float) -> tuple[Floats, float]:
    """Mean square of every bin under a Hann window, and that where hearts beat."""
    window = hann(len(x))
    power = abs(np.fft.rfft(detrend(x) * window)) ** 2 * (2.0 / (len(x) * (window @ window)))
    low, high = (round(hz * len(x) / rate_hz) for hz in HEART_HZ)
    return power, float(power[low:high].sum())


def _line(power: Floats, heart: float, bin_hz: float) -> int | None:
    """The bin of the strongest line of 4.2 to 16 Hz that matters and is no harmonic of a pulse; None without one."""
    first, last = (round(hz / bin_hz) for hz in LINE_HZ)
    if first < _AROUND or last + _AROUND >= len(power):  # too short or too slow to tell a line
        return None
    inside = power[first : last + 1]
    tops = first + np.flatnonzero((inside >= power[first - 1 : last]) & (inside > power[first + 1 : last + 2]))
    for top in tops[np.argsort(power[tops])[: -_TOPS - 1 : -1]]:
        line = power[top - _LOBE : top + _LOBE + 1].sum()
        if line <= _MATTERS * heart:
            return None
        if line >= _NARROW * power[top - _AROUND : top + _AROUND + 1].sum() and _no_harmonic(power, int(top), bin_hz):
            return int(top)
    return None


def _no_harmonic(power: Floats, top: int, bin_hz: float) -> bool:
    """Whether nothing of which the line at bin ``top`` could be a harmonic, or none of its lower neighbours, is higher."""
    limit = power[top] / _OVER_BELOW
    if power[top - round(HEART_HZ[1] / bin_hz) : top - 2 * _LOBE].max() <= limit:
        return True
    roots = [top / k for k in range(2, int(top * bin_hz / _SLOWEST_HZ) + 1)]
    return all(power[round(r) - _LOBE : round(r) + _LOBE + 1].max() <= limit for r in roots)


def _between_bins(power: Floats, top: int) -> float:
    """Where the line at bin ``top`` has its crest, in bins."""
    return float(top + crest(*np.log(power[top - 1 : top + 2] + 1e-300)))


def _without(x: Floats, hz: float, rate_hz: float) -> Floats:
    """``x`` less the tone of least squares, whose strength and phase may change along the way."""
    tone = np.exp(2j * np.pi * hz / rate_hz * np.arange(len(x)))
    along = np.linspace(-1.0, 1.0, len(x))
    columns = np.column_stack([tone.real, tone.imag, along * tone.real, along * tone.imag])
    found, *_ = np.linalg.lstsq(columns, detrend(x), rcond=None)
    return np.asarray(x - columns @ found)
