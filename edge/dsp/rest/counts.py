"""The last 10 s at rest counted in ways that fail differently, each count with the figures that say how good it is.

The median interval suffers from beats missed or invented, the strongest comb of harmonics from one long swing, the same of
the slopes from noise; where there is a network (``belief``), its rate is a fourth and the mean over all beats a fifth.

Without a network the figures of a count ask for regularity, so beats that two detectors and the noise quality vouch for
count as well: atrial fibrillation is not thrown away. What rises no faster than it falls is nobody's pulse: noise as slow
as hearts, of a hand that moves, can be as regular as one, and hum, a lamp or a machine is more so. A rate without power of
its own, only at its double or triple, is part of a heart too fast to be counted; a slow one with power at its half counts
the dicrotic waves of a heart too slow. Beside a network the trees have learnt all of this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg.beats import BeatList
from edge.dsp.ppg.pulse_rate import RATE_SPAN_S, agree
from edge.dsp.ppg.second_rise import MOST
from edge.dsp.ranks import median
from edge.dsp.rest.belief import FIGURES as BELIEF_FIGURES
from edge.dsp.rest.belief import Belief
from edge.dsp.rest.look import RISES, Look
from edge.dsp.rest.rate_spectrum import FASTEST_BPM, SLOW_BPM, SLOWEST_BPM, near, shares, strongest, whole
from edge.dsp.rest.rule import FIGURES

Floats = NDArray[np.float64]

FIGURES_BY_BELIEF = (*FIGURES, *BELIEF_FIGURES, "in_step", "from_mean", "uneven")
"""Of each count beside a network. Behind what is known without it and what it believes: ``in_step``, how far the rate is
from the mean over all beats (of logarithms), and the deviation of the intervals over their mean."""

_SAME_IBI = 0.12
_STEEP = 0.25  # skewness of the slopes from which steepness takes nothing from who vouches
_EVEN = 0.08  # 0.7 % of CinC's windows with a right rate are as even as a sine
_FEW_RISES, _ALIKE = 0.1, 0.15
_FEW = 4
_STEP_REACH_BPM = np.arange(-3.0, 3.01, 0.25)
_CLEARLY_FASTER = 1.2  # than the beats, so that what lies between them was counted
_SPIKE_S = 0.12  # a pulse takes longer to rise, a jerk at the cable does not


class Candidate(NamedTuple):
    """A rate, bpm, the figures that say how good it is, and how it was counted: "beats" (their usual interval),
    "harmonics", "slopes" (harmonics of these), "network", or "mean" (over all beats)."""

    bpm: float
    figures: tuple[float, ...]
    method: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Rates that were counted; the rate by beats (NaN without), and how far two
    detectors and the noise quality vouch for it, 0 to 1. doubted_bpm: no rate up to there is to be believed. peaks: of the
    beats, s; mean_bpm: rate over all of them and the late rises between, NaN without; clean: how far it is vouched for that
    these are all there are, 0 to 1."""

    candidates: tuple[Candidate, ...]
    beats_bpm: float
    vouched: float
    doubted_bpm: float = 0.0
    peaks: Floats = field(default_factory=lambda: np.empty(0), compare=False, repr=False)
    mean_bpm: float = float("nan")
    clean: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """Shares of power of the last 10 s (``rate_spectrum.shares``) as they are and with the level evened out, the intervals
    between their beats, s, and the last five of ``rule.FIGURES``, which all counts of a window have in common."""

    plain: Floats
    levelled: Floats
    ibi: Floats
    common: tuple[float, ...]

    def figures(self, bpm: float) -> tuple[float, ...]:
        """``rule.FIGURES`` of a rate."""
        alike = float((abs(self.ibi * bpm / 60.0 - 1.0) < _SAME_IBI).mean()) if len(self.ibi) else 0.0
        far = float(np.log(bpm / 90.0)) ** 2
        combs = (math.fsum(near(s, k * bpm) for k in (1, 2, 3)) for s in (self.levelled, self.plain))
        between = math.fsum(near(self.plain, k * bpm) for k in (0.5, 1.5, 2.5))
        return alike, far, *combs, between, *self.common


def count(wave: Floats, seen: Look, rate_hz: float, belief: Belief | None = None) -> Counts:
    """The last 10 s of an upright band-passed wave ``(n,)`` counted by beats, by harmonics and by those of its slopes, each
    with ``rule.FIGURES``; with what a network believes, its own rate and the mean over all beats as well, each with
    ``FIGURES_BY_BELIEF``. What no pulse has is refused, and beats are vouched for, only without a network: the trees
    that weigh its belief have learnt both."""
    by_beats = seen.counted.bpm
    span = round(RATE_SPAN_S * rate_hz)
    tail, level = wave[-span:], seen.counted.level[-span:]
    plain = shares(tail, rate_hz)
    if not plain.any() or (belief is None and abs(seen.steeper) < _EVEN):
        return Counts((), by_beats, 0.0)
    since = (len(wave) - len(tail)) / rate_hz
    late = seen.beats.only(seen.beats.peak >= since)
    if seen.slow:
        return Counts((), by_beats, seen.trust, 0.0, late.peak, mean_bpm(late), seen.trust)
    seen_ibi = late.whole
    ibi = late.ibi[seen_ibi]
    risen = float(seen.counted.risen[-len(seen_ibi) :][seen_ibi].mean()) if len(ibi) else 0.0
    mean = mean_bpm(late) * (1.0 + risen)
    window = _Window(plain, shares(level, rate_hz), ibi, _common(tail, seen, rate_hz))
    rates = {
        "beats": by_beats,
        "harmonics": strongest(window.levelled),
        "slopes": strongest(shares((wave[1:] - wave[:-1])[-span:], rate_hz)),
    }
    if belief is None:
        found = [Candidate(bpm, window.figures(bpm), name) for name, bpm in _possible(rates) if whole(bpm, plain)]
        vouched = _vouched(seen, plain)
    else:
        uneven = float(ibi.std() / ibi.mean()) if len(ibi) > 1 else 1.0
        found = [
            Candidate(bpm, (*window.figures(bpm), *belief.figures(bpm), *_steps(late.peak, bpm, mean), uneven), name)
            for name, bpm in _possible({**rates, "network": belief.bpm, "mean": mean})
        ]
        vouched = 0.0
    doubted_bpm = min(SLOW_BPM, _CLEARLY_FASTER * by_beats) if risen >= MOST else 0.0
    others = seen.counted.levelled
    other = mean_bpm(others.only(others.peak >= since))
    sure = seen.steeper >= RISES and risen <= _FEW_RISES and abs(other - mean) <= _ALIKE * mean
    return Counts(tuple(found), by_beats, vouched, doubted_bpm, late.peak, mean, seen.trust if sure else 0.0)


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


def _possible(rates: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(name, bpm) for name, bpm in rates.items() if SLOWEST_BPM <= bpm <= FASTEST_BPM]


def _common(tail: Floats, seen: Look, rate_hz: float) -> tuple[float, ...]:
    trust = min(max(seen.trust, 0.002), 0.998)
    logit = float(np.log(trust / (1.0 - trust)))
    return logit, _burst(tail, rate_hz), seen.steeper, seen.rise_s, float(seen.rise_s < _SPIKE_S)


def _vouched(seen: Look, plain: Floats) -> float:
    """How far two detectors and the noise quality vouch for the rate by beats, 0 to 1."""
    bpm = seen.counted.bpm
    known = whole(bpm, plain) and agree(bpm, seen.counted.others[0])
    return seen.trust * min(max(seen.steeper / _STEEP, 0.0), 1.0) if known else 0.0


def _steps(peaks: Floats, bpm: float, mean: float) -> tuple[float, float]:
    return in_step(peaks, bpm), abs(math.log(bpm / mean)) if mean > 0 else 1.0


def _burst(tail: Floats, rate_hz: float) -> float:
    """Logarithm of the strongest second over the usual one."""
    width = round(rate_hz)
    rows = np.sort(tail[len(tail) % width :].reshape(-1, width).std(axis=1))
    return float(np.log((rows[-1] + 1e-12) / (median(rows) + 1e-12)))
