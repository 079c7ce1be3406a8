"""Every beat of a pulse wave: peaks, onsets, intervals, amplitudes, and which way up the wave is.

Peaks by the automatic multiscale detector as MSPTDfast version 2 runs it (Charlton et al., Physiol Meas 2025; Bishop
and Ercole 2018): pieces of 6 s that overlap by a fifth, about 20 samples a second, no line, a peak is the largest
within every scale up to the one with most maxima, and only scales of 30 beats a minute or more count. Peaks are then
placed on the full-rate wave to a fraction of a sample. Nothing here looks at regularity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.dsp.filters import butterworth, detrend, zero_phase
from edge.dsp.ppg.holes import Holes, blind, inside, seen_whole
from edge.dsp.ranks import median

Floats = NDArray[np.float64]

BAND_HZ = (0.5, 8.0)
MIN_IBI_S = 0.27  # 222 beats a minute
_HUM_S = 0.1  # five periods of 50 Hz, six of 60 Hz
_TELLS_POLARITY = 0.6  # skewness of the slope, either way
_PIECE_S, _OVERLAP = 6.0, 0.2
_COARSE_HZ = 20.0
_SLOWEST_BPM = 30.0
_SNAP_S = 0.05
_EDGE_HEIGHT = 0.5
_FOOT_S = 0.8
_GAIN_SPAN_S = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class BeatList:
    """Beats in order of time, s from the first sample: ``peak``, ``onset``, ``(n,)``; ``amplitude`` peak over onset.

    blind: stretches, s, in which no beat can be told.
    """

    peak: Floats
    onset: Floats
    amplitude: Floats
    blind: Holes = ()

    def __len__(self) -> int:
        return len(self.peak)

    @property
    def ibi(self) -> Floats:
        """Intervals between successive peaks, ``(n - 1,)`` s."""
        return self.peak[1:] - self.peak[:-1]

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Of the intervals, those between which all was seen, ``(n - 1,)``."""
        return seen_whole(self.peak, self.blind)

    def only(self, kept: NDArray[np.bool_]) -> BeatList:
        """Those beats that are ``kept``."""
        return BeatList(self.peak[kept], self.onset[kept], self.amplitude[kept], self.blind)


def band_passed(x: Floats, rate_hz: float, *, hum: bool = False) -> Floats:
    """0.5 to 8 Hz (second order, no delay) of a window without holes; the upper flank gives way below 20 Hz.

    hum: whether its ends are continued as if 50 and 60 Hz were gone, which else swing the wave there. The rhythm's
    network has learned on waves without.
    """
    high = min(BAND_HZ[1], 0.4 * rate_hz)
    sections = butterworth(2, (BAND_HZ[0], high), rate_hz, "band")
    return zero_phase(x, sections, hum=round(_HUM_S * rate_hz) if hum else 1)


def find_beats(wave: Floats, rate_hz: float, holes: Holes = ()) -> BeatList:
    """Beats of an upright, band-passed window ``(n,)`` at 25 to 500 Hz, none in its holes or right beside them."""
    peaks = _merged(_coarse_peaks(wave, rate_hz), wave, rate_hz)
    found = described(peaks, wave, rate_hz, blind(holes))
    return found.only(~inside(found.peak, found.blind)) if holes else found


def gain_controlled(wave: Floats, rate_hz: float) -> Floats:
    """The wave over its own RMS of 1.5 s: weak and strong beats alike; a dicrotic wave grows too."""
    width = max(1, round(_GAIN_SPAN_S * rate_hz))
    level = np.sqrt(_around(wave * wave, width) / _share_around(len(wave), width))
    return np.asarray(wave / np.maximum(level, 0.05 * level.max() + 1e-12))


def _around(x: Floats, width: int) -> Floats:
    """The mean of ``width`` samples around each one, as if there were zeros beyond the ends."""
    return np.convolve(x, np.ones(width) / width, mode="same")


@lru_cache(maxsize=16)
def _share_around(n: int, width: int) -> Floats:
    """How much of what ``_around`` takes lies within ``n`` samples, 0 to 1."""
    return _around(np.ones(n), width)


def polarity(wave: Floats) -> float:
    """Skewness of the slope of a band-passed wave: positive when upright (steep rise, slow fall), negative inverted."""
    slope = wave[1:] - wave[:-1]
    spread = slope.std()
    return float(np.mean(((slope - slope.mean()) / spread) ** 3)) if spread > 0 else 0.0


class Upright:
    """Turns band-passed waves so that beats point up; where a window does not tell, as the last one that did.

    upside_down: how the sensor is wired, ``auto``, ``yes`` or ``no``. ``sign`` is all that is remembered.
    """

    def __init__(self, upside_down: str = "auto") -> None:
        self._found = upside_down == "auto"
        self._given = -1.0 if upside_down == "yes" else 1.0
        self.sign = self._given

    def reset(self) -> None:
        self.sign = self._given

    def __call__(self, wave: Floats) -> Floats:
        lean = polarity(wave) if self._found else 0.0
        if abs(lean) >= _TELLS_POLARITY:
            self.sign = 1.0 if lean > 0 else -1.0
        return wave * self.sign


def perfusion_index(raw: Floats, beats: BeatList) -> float | None:
    """Pulse amplitude over the steady part, percent; None without beats or where the steady part is not positive."""
    steady = float(median(raw))
    if not len(beats) or steady <= 0:
        return None
    return 100.0 * float(median(beats.amplitude)) / steady


def _coarse_peaks(wave: Floats, rate_hz: float) -> NDArray[np.int64]:
    step = max(1, round(rate_hz / _COARSE_HZ))
    coarse, hz = wave[::step], rate_hz / step
    piece = round(_PIECE_S * hz)
    hop = round(piece * (1 - _OVERLAP))
    n = len(coarse)
    if n < 3:
        return np.empty(0, dtype=np.int64)
    starts = np.array([0] if n <= piece else sorted({*range(0, n - piece, hop), n - piece}))
    which, place = np.nonzero(_scalogram_peaks(coarse[starts[:, None] + np.arange(min(n, piece))], hz))
    return np.unique(starts[which] + place) * step


def _scalogram_peaks(pieces: Floats, hz: float) -> NDArray[np.bool_]:
    """Which samples of each piece, ``(pieces, n)``, are the largest of their neighbourhood at every kept scale; beyond the
    ends nothing is larger."""
    x = detrend(pieces.T).T
    n = x.shape[1]
    scales = max(1, min(n // 2, int(hz * 60.0 / _SLOWEST_BPM / 2.0)))
    largest = np.ones((scales, *x.shape), dtype=bool)
    largest[:, :, 0] = largest[:, :, -1] = False
    maxima = np.empty((scales, len(x)), dtype=np.int64)
    for k, marks in enumerate(largest, start=1):
        rising = x[:, k:] > x[:, :-k]
        marks[:, k:] &= rising
        marks[:, :-k] &= ~rising
        maxima[k - 1] = np.count_nonzero(marks[:, k : n - k], axis=1)
    kept = maxima.argmax(axis=0)
    return np.asarray(np.logical_and.accumulate(largest)[kept, np.arange(len(x))])


def _merged(coarse: NDArray[np.int64], wave: Floats, rate_hz: float) -> NDArray[np.int64]:
    """Coarse peaks moved to the largest sample near them; of two too close the higher stays, weak ones at the ends
    (the shoulder of a beat outside) go."""
    reach = max(1, round(_SNAP_S * rate_hz))
    longer = np.full(len(wave) + 2 * reach, -np.inf)
    longer[reach : reach + len(wave)] = wave
    near = coarse + longer[coarse[:, None] + np.arange(2 * reach + 1)].argmax(axis=1)  # samples of the longer one
    rises = (longer[near - 1] > longer[near]) | (longer[near + 1] > longer[near])  # still: no peak of this wave
    at = near - reach
    at = at[~rises & (at > 0) & (at < len(wave) - 1)]
    places: list[int] = []
    heights: list[float] = []
    for place, height in zip(at.tolist(), wave[at].tolist(), strict=True):
        if not places or place - places[-1] >= MIN_IBI_S * rate_hz:
            places.append(place)
            heights.append(height)
        elif height > heights[-1]:
            places[-1], heights[-1] = place, height
    first, last = 0, len(places)
    if last > 3:
        least = _EDGE_HEIGHT * float(median(np.array(heights)))
        first, last = int(heights[0] < least), last - int(heights[-1] < least)
    return np.array(places[first:last], dtype=np.int64)


def described(peaks: NDArray[np.int64], wave: Floats, rate_hz: float, unseen: Holes = ()) -> BeatList:
    """Beats whose peaks lie at the samples ``peaks``, each with its onset since the one before, at most 0.8 s back; unseen:
    where none can be told."""
    reach = round(_FOOT_S * rate_hz)
    left, mid, right = wave[peaks - 1], wave[peaks], wave[peaks + 1]
    bend = left - 2 * mid + right
    exact = peaks + np.divide(0.5 * (left - right), bend, out=np.zeros(len(peaks)), where=bend < 0)
    back = np.minimum(np.diff(peaks, prepend=0), reach)  # samples from a peak to the earliest place for its onset
    ago = np.arange(reach, -1, -1)
    before = np.where(ago <= back[:, None], wave[np.maximum(peaks[:, None] - ago, 0)], np.inf)
    foot = peaks - reach + before.argmin(axis=1)
    return BeatList(exact / rate_hz, foot / rate_hz, mid - wave[foot], unseen)
