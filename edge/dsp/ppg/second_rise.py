"""Does more than one beat hide between two peaks? An own rise late after a peak, which no dicrotic wave makes.

A weak early beat of a bigeminy, or a pulse that rides on breath, leaves such a rise between the peaks that a detector
keeps, and the rate is then said at its half or worse. A dicrotic wave follows the closing of the aortic valve, so it
comes at a time that grows little with the interval (ejection shortens by 1.7 ms a beat a minute: Weissler, Circulation
1968;37:149). Later than that a wave of its own is another beat, or nothing that lets beats be counted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg.beats import BeatList
from edge.dsp.ranks import median

Floats = NDArray[np.float64]

MOST: Final = 0.5
"""Share of intervals with such a rise from which a slow rate is not believed."""
_LATE_S, _LATE_POWER = 0.28, 0.35  # after the peak, at an interval of 1 s; and how it grows with the interval
AHEAD_S: Final = 0.35
"""Nearer to the next peak it is the early shoulder of one that peaks late."""
_LASTS_S = 0.3  # what takes longer is the way back from under the line, which a high-pass adds to slow beats
_OVER_NOISE, _SMOOTH_S = 6.0, 0.15  # noise rises as well, everywhere
_HEIGHT, _STEEPNESS = 0.08, 0.15  # of the beat's; no right rate under 60 a minute of CinC 2015 is lost by it


def second_rises(wave: Floats, beats: BeatList, rate_hz: float) -> NDArray[np.bool_]:
    """Per interval of an upright band-passed wave's beats, ``(n - 1,)``: whether a late rise of its own is seen in it."""
    found = np.zeros(max(0, len(beats) - 1), dtype=np.bool_)
    slope = np.diff(wave)
    rising = slope > 0
    top = np.flatnonzero(rising[:-1] & ~rising[1:]) + 1
    foot = np.flatnonzero(~rising[:-1] & rising[1:]) + 1
    top = top[top > foot[0]] if len(foot) else top[:0]
    if not len(found) or not len(top):
        return found
    foot = foot[: len(top)]
    at = np.searchsorted(beats.peak, top / rate_hz, side="right") - 1
    inside = (at >= 0) & (at < len(found))
    top, foot, at = top[inside], foot[inside], at[inside]
    if not len(top):
        return found
    steep = _steepest(slope, beats.onset * rate_hz, beats.peak * rate_hz)
    since, ahead = top / rate_hz - beats.peak[at], beats.peak[at + 1] - top / rate_hz
    quick = top - foot <= _LASTS_S * rate_hz
    late = (since >= last_dicrotic_s(since + ahead)) & (ahead >= AHEAD_S)
    height = np.minimum(beats.amplitude[at], beats.amplitude[at + 1])
    high = wave[top] - wave[foot] >= np.maximum(_HEIGHT * height, _OVER_NOISE * _ripple(wave, rate_hz))
    sharp = _steepest(slope, foot, top) >= _STEEPNESS * np.minimum(steep[at], steep[at + 1])
    found[at[late & quick & high & sharp]] = True
    return found & beats.whole


def last_dicrotic_s(ibi_s: Floats | float) -> Floats:
    """Up to when after a peak a wave may be dicrotic, s, for intervals of ``ibi_s``."""
    return np.asarray(_LATE_S * ibi_s**_LATE_POWER)


def smoothed(wave: Floats, rate_hz: float) -> Floats:
    """The mean of a wave over 0.15 s around every sample."""
    width = max(1, round(_SMOOTH_S * rate_hz))
    return np.convolve(wave, np.ones(width) / width, mode="same")


def _ripple(wave: Floats, rate_hz: float) -> float:
    """The usual distance of a wave from its own mean: near 0 where it is clean, whatever its beats are like."""
    return float(median(abs(wave - smoothed(wave, rate_hz))))


def _steepest(slope: Floats, begin: NDArray[np.number], end: NDArray[np.number]) -> Floats:
    """The largest slope between every two places, in samples; places in order."""
    edges = np.minimum(np.column_stack([begin, end]).astype(np.int64).ravel(), len(slope) - 1)
    return np.asarray(np.maximum.reduceat(slope, edges)[::2])
