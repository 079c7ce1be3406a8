"""Rate by the beats of the last seconds, and beside it by two ways that fail differently."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg.beats import MIN_IBI_S, BeatList, find_beats, gain_controlled
from edge.dsp.ppg.holes import Holes
from edge.dsp.ppg.second_rise import second_rises
from edge.dsp.ranks import median

Floats = NDArray[np.float64]

_NO_BEATS: Final = BeatList(np.empty(0), np.empty(0), np.empty(0))
WINDOW_S: Final = 16.0
"""What is looked at to tell the beats of its last ``RATE_SPAN_S``."""
RATE_SPAN_S: Final = 10.0
_RIPPLE = 0.2
_DICROTIC_LEAST, _DICROTIC_LAG_S, _DICROTIC_HEIGHT, _DICROTIC_PAUSE = 5, 0.5, 0.6, 1.6
_AGREE_BPM, _AGREE_SHARE = 3.0, 0.06


@dataclass(frozen=True, slots=True)
class BeatRate:
    """Rate by beats and by two other ways, bpm (NaN where there is none); ``agreeing``: how many others agree.

    levelled: beats found with gain control; risen: per interval of the plain beats, whether ``second_rises`` has one;
    level: the gain-controlled wave.
    """

    bpm: float
    others: tuple[float, ...]
    levelled: BeatList = field(default=_NO_BEATS, compare=False, repr=False)
    risen: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_), compare=False, repr=False)
    level: Floats = field(default_factory=lambda: np.empty(0), compare=False, repr=False)

    @property
    def agreeing(self) -> int:
        return sum(agree(self.bpm, other) for other in self.others)


def agree(a: float, b: float) -> bool:
    """Whether two rates are within 3 bpm or 6 %."""
    return bool(abs(a - b) <= max(_AGREE_BPM, _AGREE_SHARE * a))


def systolic_only(beats: BeatList) -> BeatList:
    """Beats without ripples (under 0.2 of both neighbours) and dicrotic waves taken for beats, as in slow hearts.

    A peak within 0.5 s of the one before it, with less than 0.6 of its amplitude and a much longer way to the next, is
    dicrotic if at least a third of all peaks are of that kind. (Weak premature beats come later or seldom.)
    """
    if len(beats) < _DICROTIC_LEAST:
        return beats
    a = beats.amplitude
    around = np.minimum(np.concatenate([[0.0], a[:-1]]), np.concatenate([a[1:], [0.0]]))
    beats = beats.only(a >= _RIPPLE * around)
    lag = np.diff(beats.peak, prepend=-np.inf)
    ahead = np.diff(beats.peak, append=np.inf)
    smaller = np.concatenate([[False], beats.amplitude[1:] < _DICROTIC_HEIGHT * beats.amplitude[:-1]])
    doubtful = (lag < _DICROTIC_LAG_S) & smaller & (ahead > _DICROTIC_PAUSE * lag)
    return beats if doubtful.sum() < len(beats) / 3 else beats.only(~doubtful)


def beat_rate(
    wave: Floats, beats: BeatList, rate_hz: float, span_s: float = RATE_SPAN_S, holes: Holes = ()
) -> BeatRate:
    """Median interval of the last ``span_s`` of an upright band-passed wave; beside it with gain control and by the
    autocorrelation."""
    end = len(wave) / rate_hz
    plain = _median_rate(beats, end - span_s)
    level = gain_controlled(wave, rate_hz)
    levelled = systolic_only(find_beats(level, rate_hz, holes))
    tail = wave[-round(span_s * rate_hz) :]
    others = (_median_rate(levelled, end - span_s), periodicity(tail, rate_hz)[0])
    return BeatRate(plain, others, levelled, second_rises(wave, beats, rate_hz), level)


def _median_rate(beats: BeatList, since: float) -> float:
    ibi = beats.ibi[beats.whole & (beats.peak[:-1] >= since)]
    return 60.0 / float(median(ibi)) if len(ibi) >= 2 else float("nan")


def periodicity(x: Floats, rate_hz: float) -> tuple[float, float]:
    """Rate of the first high peak of the autocorrelation, bpm (NaN without one), and its height, at most about 1."""
    n = len(x)
    power = abs(np.fft.rfft(x - x.mean(), 2 * n)) ** 2
    acf = np.fft.irfft(power)[:n]
    if acf[0] <= 0:
        return float("nan"), 0.0
    low, high = round(MIN_IBI_S * rate_hz), min(n - 2, round(2.0 * rate_hz))
    if high <= low:
        return float("nan"), 0.0
    acf = acf[: high + 1] / acf[0] * n / (n - np.arange(high + 1))
    at = acf[low:high]
    k = low + np.flatnonzero((at >= acf[low - 1 : high - 1]) & (at >= acf[low + 1 :]) & (at > 0))
    if not len(k):
        return float("nan"), 0.0
    top = float(acf[k].max())
    return 60.0 * rate_hz / float(k[acf[k] >= 0.85 * top][0]), top
