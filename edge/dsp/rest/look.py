"""Beats of a window at rest, and what they are worth: what every way of counting them begins with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import BeatList, find_beats
from edge.dsp.ppg.holes import Holes
from edge.dsp.ppg.pulse_rate import RATE_SPAN_S, BeatRate, beat_rate, systolic_only
from edge.dsp.ppg.slow_beats import slow_beats
from edge.dsp.ranks import median

Floats = NDArray[np.float64]

RISES = 0.15
"""``steepness`` from which a wave surely rises faster than it falls, as a pulse does."""
_STEEPER = (-0.2, 0.6)  # further out it says nothing more
_EMPTY_PAUSES = 0.9  # 40 of 41 such windows of 11 records of CinC 2015 have the rate of their regular ECG
_RISE_S = (0.08, 0.5)
_NO_RISE_S = 0.3  # of what has no beats


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Beats of a window and what they are worth: ``shapes`` per beat and ``trust`` of the last 10 s, 0 to 1.

    steeper: ``steepness`` of the last 10 s; rise_s: the median time from onset to peak; slow: they are ``slow_beats``.
    """

    beats: BeatList
    shapes: Floats
    trust: float
    counted: BeatRate
    steeper: float
    rise_s: float
    slow: bool = False


def look(raw: Floats, wave: Floats, rate_hz: float, holes: Holes = ()) -> Look:
    """Beats of a window; raw: on the grid, ``(n,)``; wave: the same band-passed and upright; holes: what was not seen."""
    beats = systolic_only(find_beats(wave, rate_hz, holes))
    end = len(wave) / rate_hz
    span = min(end, RATE_SPAN_S)
    tail, since = -round(span * rate_hz), end - span
    steeper = steepness(wave[tail:])
    slow = slow_beats(wave, beats, rate_hz) if steeper >= RISES else None
    beats = beats if slow is None else slow
    late = beats.peak >= since
    recent = BeatList(beats.peak[late] - since, beats.onset[late] - since, beats.amplitude[late])
    if len(recent) and recent.onset[0] < 0:
        recent = BeatList(recent.peak[1:], recent.onset[1:], recent.amplitude[1:])
    trust = quality.noise_quality(raw[tail:], wave[tail:], recent, rate_hz)
    rise_s = float(median(recent.peak - recent.onset)) if len(recent) else _NO_RISE_S
    counted = beat_rate(wave, beats, rate_hz, span, holes)
    if slow is not None:
        trust, counted = max(trust, _EMPTY_PAUSES), replace(counted, risen=np.zeros_like(counted.risen))
    shapes = quality.beat_quality(wave, beats, rate_hz)
    return Look(beats, shapes, trust, counted, steeper, min(max(rise_s, _RISE_S[0]), _RISE_S[1]), slow is not None)


def steepness(wave: Floats) -> float:
    """How much steeper an upright wave rises than it falls, as the skewness of its slopes, within limits."""
    slope = wave[1:] - wave[:-1]
    slope -= slope.mean()
    square = slope * slope
    skewness = float((slope * square).mean() / (square.mean() ** 1.5 + 1e-30))
    return min(max(skewness, _STEEPER[0]), _STEEPER[1])
