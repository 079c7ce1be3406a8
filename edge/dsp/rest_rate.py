"""Heart rate of the last 10 s at rest: counted by beats and by harmonics, and how likely each count is the heart's.

Ways of counting fail differently: the median interval suffers from beats missed or invented, the strongest comb of
harmonics from one long swing, the same of the slopes from noise; where there is a network (``rest_belief``), its rate
is a fourth and the mean over all beats a fifth. Each is given the likelihood of being within 5 bpm by one rule
(``rest_rule``), and the likeliest is taken.

Without a network the figures of a count ask for regularity, so beats that two detectors and the noise quality vouch for
count as well: atrial fibrillation is not thrown away. What rises no faster than it falls is nobody's pulse: noise as slow
as hearts, of a hand that moves, can be as regular as one, and hum, a lamp or a machine is more so. A rate without power of
its own, only at its double or triple, is part of a heart too fast to be counted; a slow one with power at its half counts
the dicrotic waves of a heart too slow. Beside a network the trees have learnt all of this.

A slow rate is not believed where most intervals hold a second rise too late to be dicrotic: weak early beats were missed,
or breath was counted. A slow heart whose pauses are seen to be empty (``slow_beats``) needs none of this: its beats are all
there are, in step or not.

Each of them names the usual interval. Where the beats do not keep step with it, as in fibrillation and in runs of
early beats, it is not how many beats there are: the mean over all of them is said if they are clean, and else nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from edge.dsp import ppg_quality as quality
from edge.dsp.beats import BeatList, find_beats
from edge.dsp.crest import crest
from edge.dsp.ppg_holes import Holes
from edge.dsp.pulse_rate import RATE_SPAN_S, BeatRate, agree, beat_rate, systolic_only
from edge.dsp.ranks import median
from edge.dsp.rest_belief import FIGURES as BELIEF_FIGURES
from edge.dsp.rest_belief import Belief
from edge.dsp.rest_rule import COUNTED, FIGURES, Rule
from edge.dsp.second_rise import MOST
from edge.dsp.slow_beats import slow_beats
from edge.dsp.tapers import hann

Floats = NDArray[np.float64]

FIGURES_BY_BELIEF = (*FIGURES, *BELIEF_FIGURES, "in_step", "from_mean", "uneven")
"""Of each count beside a network. Behind what is known without it and what it believes: ``in_step``, how far the rate is
from the mean over all beats (of logarithms), and the deviation of the intervals over their mean."""

_COARSE_HZ = 25.0
_LOW_BPM, _HIGH_BPM = 20, 700
_SLOWEST_BPM, _FASTEST_BPM = 30, 225
_COMB = np.array([1.0, 0.6, 0.3])  # weights of the first three harmonics
_COMB_BINS = np.outer([1, 2, 3], np.arange(_SLOWEST_BPM, _FASTEST_BPM + 1))
_SAME_IBI = 0.12
_FAST_SPAN_S, _FAST_LOOK_S, _FAST_HOP_S = 4.0, 12.0, 0.24
_FAST_BPM = (112, 221)
_FAST_BAND_BPM = 500
_FAST_REACH_BPM = 14  # the resolution of 4 s
_FAST_SHARE = 0.58  # no more than one in a hundred windows of CinC 2015 under 100 bpm has one
_STEEPER = (-0.2, 0.6)  # further out it says nothing more
_SURELY_STEEPER, _SURELY_RISES = 0.25, 0.15
_EVEN = 0.08  # 0.7 % of CinC's windows with a right rate are as even as a sine
_OF_DOUBLE, _OF_TRIPLE = 0.1, 1.0  # none of CinC's windows with a right rate has under 0.2 and 2
_DOUBTED_BPM, _OF_HALF = 68.0, 0.07  # up to there the half may be a heart; 1 in 100 of CinC's right rates has so much
_SLOW_DOUBLED_BPM, _OF_SLOW_HALF = 84.0, 0.4  # above, its double has most of a slow heart's power less often
# Steps are kept to 0.7 in 0.97 of CinC's regular windows with a rate. Under it the usual interval is within 5 bpm of the
# mean in half of the pulses made from real records of fibrillation, and the mean over clean beats in 0.95 (ppg/rr).
_IN_STEP, _OUT_OF_STEP = 0.7, 0.5
_CLEAN, _FEW_RISES, _ALIKE = 0.9, 0.1, 0.15
_EMPTY_PAUSES = 0.9  # 40 of 41 such windows of 11 records of CinC 2015 have the rate of their regular ECG
_FEW = 4
_STEP_REACH_BPM = np.arange(-3.0, 3.01, 0.25)
_CLEARLY_FASTER = 1.2  # than the beats, so that what lies between them was counted
_RISE_S = (0.08, 0.5)
_NO_RISE_S = 0.3  # of what has no beats
_SPIKE_S = 0.12  # a pulse takes longer to rise, a jerk at the cable does not


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


@dataclass(frozen=True, slots=True)
class Counts:
    """Rates that were counted, bpm, each with its figures; the rate by beats (NaN without), and how far two
    detectors and the noise quality vouch for it, 0 to 1. doubted_bpm: no rate up to there is to be believed. peaks: of the
    beats, s; mean_bpm: rate over all of them and the late rises between, NaN without; clean: how far it is vouched for that
    these are all there are, 0 to 1."""

    candidates: tuple[tuple[float, tuple[float, ...]], ...]
    beats_bpm: float
    vouched: float
    doubted_bpm: float = 0.0
    peaks: Floats = field(default_factory=lambda: np.empty(0), compare=False, repr=False)
    mean_bpm: float = float("nan")
    clean: float = 0.0


@dataclass(frozen=True, slots=True)
class RestRate:
    """bpm (NaN where nothing was counted), its standard deviation, quality 0 to 1, "beats" or "harmonics", and whether
    the quality is enough for the rate to be said."""

    bpm: float
    sd: float
    quality: float
    method: str
    sure: bool


def look(raw: Floats, wave: Floats, rate_hz: float, holes: Holes = ()) -> Look:
    """Beats of a window; raw: on the grid, ``(n,)``; wave: the same band-passed and upright; holes: what was not seen."""
    beats = systolic_only(find_beats(wave, rate_hz, holes))
    end = len(wave) / rate_hz
    span = min(end, RATE_SPAN_S)
    tail, since = -round(span * rate_hz), end - span
    steeper = steepness(wave[tail:])
    slow = slow_beats(wave, beats, rate_hz) if steeper >= _SURELY_RISES else None
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


def count(wave: Floats, seen: Look, rate_hz: float, belief: Belief | None = None) -> Counts:
    """The last 10 s of an upright band-passed wave ``(n,)`` counted by beats, by harmonics and by those of its slopes, each
    with ``rest_rule.FIGURES``; with what a network believes, its own rate and the mean over all beats as well, each with
    ``FIGURES_BY_BELIEF``. What no pulse has is refused, and beats are vouched for, only without a network: the trees
    that weigh its belief have learnt both."""
    by_beats = seen.counted.bpm
    if belief is None and abs(seen.steeper) < _EVEN:
        return Counts((), by_beats, 0.0)
    steep = min(max(seen.steeper / _SURELY_STEEPER, 0.0), 1.0)
    span = round(RATE_SPAN_S * rate_hz)
    tail, level = wave[-span:], seen.counted.level[-span:]
    plain, levelled = shares(tail, rate_hz), shares(level, rate_hz)
    if not plain.any():
        return Counts((), by_beats, 0.0)
    since = (len(wave) - len(tail)) / rate_hz
    late = seen.beats.only(seen.beats.peak >= since)
    peaks = late.peak
    if seen.slow:
        return Counts((), by_beats, seen.trust, 0.0, peaks, mean_bpm(late), seen.trust)
    seen_ibi = late.whole
    ibi = late.ibi[seen_ibi]
    known = whole(by_beats, plain) and agree(by_beats, seen.counted.others[0])
    vouched = seen.trust * steep if known and belief is None else 0.0
    trust = min(max(seen.trust, 0.002), 0.998)
    logit = float(np.log(trust / (1.0 - trust)))
    burst = _burst(tail, rate_hz)
    form = (seen.steeper, seen.rise_s, float(seen.rise_s < _SPIKE_S))
    risen = float(seen.counted.risen[-len(seen_ibi) :][seen_ibi].mean()) if len(ibi) else 0.0
    mean = mean_bpm(late) * (1.0 + risen)
    uneven = float(ibi.std() / ibi.mean()) if len(ibi) > 1 else 1.0
    found = []
    counted = (by_beats, strongest(levelled), strongest(shares((wave[1:] - wave[:-1])[-span:], rate_hz)))
    for bpm in counted if belief is None else (*counted, belief.bpm, mean):
        if _SLOWEST_BPM <= bpm <= _FASTEST_BPM and (belief is not None or whole(bpm, plain)):
            alike = float((abs(ibi * bpm / 60.0 - 1.0) < _SAME_IBI).mean()) if len(ibi) else 0.0
            far = float(np.log(bpm / 90.0)) ** 2
            combs = (sum(near(s, k * bpm) for k in (1, 2, 3)) for s in (levelled, plain))
            between = sum(near(plain, k * bpm) for k in (0.5, 1.5, 2.5))
            figures: tuple[float, ...] = (alike, far, *combs, between, logit, burst, *form)
            if belief is not None:
                from_mean = abs(math.log(bpm / mean)) if mean > 0 else 1.0
                figures = (*figures, *belief.figures(bpm), in_step(peaks, bpm), from_mean, uneven)
            found.append((bpm, figures))
    doubted_bpm = min(_DOUBTED_BPM, _CLEARLY_FASTER * by_beats) if risen >= MOST else 0.0
    others = seen.counted.levelled
    other = mean_bpm(others.only(others.peak >= since))
    sure = seen.steeper >= _SURELY_RISES and risen <= _FEW_RISES and abs(other - mean) <= _ALIKE * mean
    return Counts(tuple(found), by_beats, vouched, doubted_bpm, peaks, mean, seen.trust if sure else 0.0)


def choose(counts: Counts, rule: Rule = COUNTED) -> RestRate:
    """The likeliest of the counts by ``rule``, of equals the earliest: by beats before what is read off a grid; the beats that are vouched for where none is likely enough; the mean over
    clean beats where they do not keep step with it."""
    odds = [(rule(figures), bpm) for bpm, figures in counts.candidates if bpm > counts.doubted_bpm]
    worth, bpm = max(odds, key=itemgetter(0), default=(0.0, float("nan")))  # of equals the first, the finest
    if worth < rule.enough and counts.vouched > worth and counts.beats_bpm > counts.doubted_bpm:
        worth, bpm = counts.vouched, counts.beats_bpm
    method = "beats" if bpm == counts.beats_bpm else "harmonics"
    step = in_step(counts.peaks, bpm if bpm > 0 else counts.beats_bpm)
    if step < _IN_STEP and counts.clean >= _CLEAN:
        worth, bpm, method = counts.clean, counts.mean_bpm, "beats"
    elif step < _OUT_OF_STEP:
        worth = min(worth, step)
    apart = max((abs(bpm - other) for _, other in odds), default=0.0)
    sd = 0.8 + 0.3 * min(apart, 20.0) + 8.0 * (1.0 - worth)
    return RestRate(bpm, sd, worth, method, worth >= rule.enough)


def in_step(peaks: Floats, bpm: float) -> float:
    """How well beats at ``peaks``, s, keep step with a rate near ``bpm``, whatever beats are missing: the length of the
    mean of their phases as unit vectors, 0 to 1; 1 for fewer than four."""
    if len(peaks) < _FEW or not bpm > 0:
        return 1.0
    turns = np.outer((bpm + _STEP_REACH_BPM) / 60.0, peaks - peaks[0])
    return float(abs(np.exp(2j * np.pi * turns).mean(axis=1)).max())


def mean_bpm(beats: BeatList) -> float:
    """Rate over all intervals that were seen; NaN for fewer than two."""
    ibi = beats.ibi[beats.whole]
    return 60.0 * len(ibi) / float(ibi.sum()) if len(ibi) > 1 else float("nan")


def shares(x: Floats, rate_hz: float) -> Floats:
    """Share of power at every whole bpm, ``(751,)``, zero below 20 and above 700; all zero for a flat line."""
    step = max(1, round(rate_hz / _COARSE_HZ))
    y, hz = x[::step], rate_hz / step
    y = (y - y.mean()) * hann(len(y))
    power = abs(np.fft.rfft(y, round(60.0 * hz))[_LOW_BPM:_HIGH_BPM]) ** 2
    out = np.zeros(_HIGH_BPM + 51)
    out[_LOW_BPM : _LOW_BPM + len(power)] = power
    total = float(out.sum())
    return out / total if total > 1e-12 * len(y) else np.zeros(len(out))


def whole(bpm: float, share: Floats) -> bool:
    """Whether a rate has power of its own beside that of its double and triple, and is not itself the double of one."""
    if not bpm > 0:
        return False
    own = near(share, bpm)
    part = own <= _OF_DOUBLE * near(share, 2 * bpm) or own <= _OF_TRIPLE * near(share, 3 * bpm)
    most = _OF_HALF if bpm <= _DOUBTED_BPM else _OF_SLOW_HALF if bpm <= _SLOW_DOUBLED_BPM else np.inf
    return not part and near(share, bpm / 2) <= most * own


def near(share: Floats, bpm: float) -> float:
    """Share within 3 to 6 bpm (7 %) of ``bpm``."""
    reach = min(max(0.07 * bpm, 3.0), 6.0)
    return float(share[max(0, math.ceil(bpm - reach)) : math.floor(bpm + reach) + 1].sum())


def strongest(share: Floats) -> float:
    """The rate whose first three harmonics hold most, bpm, to a fraction of a bin."""
    comb = (_COMB[:, None] * share[_COMB_BINS]).sum(axis=0)
    i = int(comb.argmax())
    if not 0 < i < len(comb) - 1:
        return float(_SLOWEST_BPM + i)
    return float(_SLOWEST_BPM + i + crest(*comb[i - 1 : i + 2]))


def steepness(wave: Floats) -> float:
    """How much steeper an upright wave rises than it falls, as the skewness of its slopes, within limits."""
    slope = wave[1:] - wave[:-1]
    slope -= slope.mean()
    square = slope * slope
    skewness = float((slope * square).mean() / (square.mean() ** 1.5 + 1e-30))
    return min(max(skewness, _STEEPER[0]), _STEEPER[1])


def _burst(tail: Floats, rate_hz: float) -> float:
    """Logarithm of the strongest second over the usual one."""
    width = round(rate_hz)
    rows = np.sort(tail[len(tail) % width :].reshape(-1, width).std(axis=1))
    return float(np.log((rows[-1] + 1e-12) / (median(rows) + 1e-12)))


def fast_stretch(wave: Floats, rate_hz: float, holes: Holes = ()) -> bool:
    """Whether 4 s of the last 12 s are a clean pulse above 112 a minute, without a hole: motion seldom lasts, tachycardia
    does."""
    step = max(1, round(rate_hz / _COARSE_HZ))
    x, hz = wave[-round(_FAST_LOOK_S * rate_hz) :: step], rate_hz / step
    n, hop = round(_FAST_SPAN_S * hz), max(1, round(_FAST_HOP_S * hz))
    if len(x) < n:
        return False
    begin = max(0, len(wave) - round(_FAST_LOOK_S * rate_hz)) / rate_hz
    spans = [(a, begin + a / hz, begin + (a + n) / hz) for a in range(len(x) - n, -1, -hop)]
    seen = [x[a : a + n] for a, since, until in spans if not any(b < until and e > since for b, e in holes)]
    if not seen:
        return False
    rows = np.stack(seen)
    rows = rows - rows.mean(axis=1, keepdims=True)
    power = abs(np.fft.rfft(rows * hann(n), round(60.0 * hz), axis=1)[:, :_FAST_BAND_BPM]) ** 2
    total = power[:, _SLOWEST_BPM:].sum(axis=1) + 1e-12
    upto = np.cumsum(power, axis=1)
    bpm = np.arange(*_FAST_BPM)
    first, second = (upto[:, k * bpm + _FAST_REACH_BPM] - upto[:, k * bpm - _FAST_REACH_BPM - 1] for k in (1, 2))
    return bool(((first + 0.5 * second) / total[:, None]).max() >= _FAST_SHARE)
