"""Heart rate of the last 10 s at rest: the likeliest of what was counted (``counts``), by one rule (``rule``) that
says how likely each is within 5 bpm of the heart's.

A slow rate is not believed where most intervals hold a second rise too late to be dicrotic: weak early beats were missed,
or breath was counted. A slow heart whose pauses are seen to be empty (``slow_beats``) needs none of this: its beats are all
there are, in step or not.

Each count names the usual interval. Where the beats do not keep step with it, as in fibrillation and in runs of
early beats, it is not how many beats there are: the mean over all of them is said if they are clean, and else nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

from edge.dsp.rest.counts import Counts, in_step
from edge.dsp.rest.rule import COUNTED, Rule

# Steps are kept to 0.7 in 0.97 of CinC's regular windows with a rate. Under it the usual interval is within 5 bpm of the
# mean in half of the pulses made from real records of fibrillation, and the mean over clean beats in 0.95 (ppg/rr).
_IN_STEP, _OUT_OF_STEP = 0.7, 0.5
_CLEAN = 0.9


@dataclass(frozen=True, slots=True)
class RestRate:
    """bpm (NaN where nothing was counted), its standard deviation, quality 0 to 1, which count it is (``Candidate.method``,
    "" where nothing was counted), and whether the quality is enough for the rate to be said."""

    bpm: float
    sd: float
    quality: float
    method: str
    sure: bool


def choose(counts: Counts, rule: Rule = COUNTED) -> RestRate:
    """The likeliest of the counts by ``rule``; the beats that are vouched for where none is likely enough; the mean over
    clean beats where they do not keep step with it."""
    odds = [(rule(one.figures), one.bpm, one.method) for one in counts.candidates if one.bpm > counts.doubted_bpm]
    # of equals the first: by beats, before what is read off a grid
    worth, bpm, method = max(odds, key=itemgetter(0), default=(0.0, float("nan"), ""))
    if worth < rule.enough and counts.vouched > worth and counts.beats_bpm > counts.doubted_bpm:
        worth, bpm, method = counts.vouched, counts.beats_bpm, "beats"
    step = in_step(counts.peaks, bpm if bpm > 0 else counts.beats_bpm)
    if step < _IN_STEP and counts.clean >= _CLEAN:
        worth, bpm, method = counts.clean, counts.mean_bpm, "mean"
    elif step < _OUT_OF_STEP:
        worth = min(worth, step)
    apart = max((abs(bpm - other) for _, other, _ in odds), default=0.0)
    sd = 0.8 + 0.3 * min(apart, 20.0) + 8.0 * (1.0 - worth)
    return RestRate(bpm, sd, worth, method, worth >= rule.enough)
