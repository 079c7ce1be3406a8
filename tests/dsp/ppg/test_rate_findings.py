"""Slow, fast and missing beats of known truth."""

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import BeatList, band_passed, find_beats
from edge.dsp.ppg.pulse_rate import BeatRate, beat_rate, systolic_only
from edge.dsp.ppg.rate_findings import brady_bpm, findings, gaps_s, tachy_bpm
from signals import pulse

RATE = 100.0


def judged(script, start, seed=3, noise=0.01):
    truth = synthesis.beats([synthesis.Episode(*s) for s in script], start + 20, seed=seed)
    t = start + np.arange(1600) / RATE
    wave = band_passed(synthesis.ppg(truth, t, noise=noise, seed=seed), RATE)
    beats = systolic_only(find_beats(wave, RATE))
    shapes = quality.beat_quality(wave, beats, RATE)
    return findings(wave, beats, RATE, beat_rate(wave, beats, RATE), 0.95, shapes)


def at(*peaks, blind=()):
    peak = np.array(peaks)
    return BeatList(peak, peak - 0.2, np.ones(len(peak)), blind)


@pytest.mark.parametrize("bpm", [35.0, 60.0, 90.0, 140.0, 190.0])
def test_beats_that_are_there_contradict_asystole(bpm):
    found = judged([(0.0, "sinus", bpm)], 6.0)
    assert found.asystole == 0
    assert found.brady_bpm == pytest.approx(bpm, rel=0.06)


def test_slow_and_fast_are_confirmed_and_contradicted():
    assert judged([(0.0, "sinus", 36.0)], 6.0).brady == 1
    assert judged([(0.0, "sinus", 80.0)], 6.0).brady == 0
    assert judged([(0.0, "sinus", 150.0)], 6.0).tachy == 1
    assert judged([(0.0, "sinus", 80.0)], 6.0).tachy == 0


def test_a_pulse_that_stops_is_asystole_after_four_seconds():
    script = [(0.0, "sinus", 75.0), (20.0, "asystole", 75.0)]
    early = judged(script, 20.0 + 2.0 - 16.0)
    late = judged(script, 20.0 + 7.0 - 16.0)
    assert early.asystole != 1
    assert late.asystole == 1
    assert late.longest_gap_s > 5.0


def test_fewer_than_four_intervals_still_show_a_very_slow_heart():
    assert brady_bpm(at(1.0, 5.0, 9.0), 10.0) == pytest.approx(15.0)
    assert brady_bpm(at(1.0), 10.0) is None
    assert tachy_bpm(at(1.0, 1.5, 2.5, 2.9, 4.2, 4.6), 10.0) is None


def test_an_interval_that_was_not_seen_whole_is_none():
    hole = ((3.2, 4.4),)
    assert brady_bpm(at(1.0, 2.0, 3.0, 6.0, 7.0, 8.0, blind=hole), 10.0) == pytest.approx(60.0)
    assert brady_bpm(at(3.0, 6.0, 7.0, blind=hole), 10.0) is None
    assert tachy_bpm(at(1.0, 1.4, 1.8, 2.2, 2.6, 4.8, 5.2, blind=hole), 10.0) == pytest.approx(150.0)


def test_a_silence_is_what_was_seen_of_it():
    wave = np.zeros(1600)
    assert gaps_s(wave, at(7.0, 8.0, 9.0, 13.0, 14.0, 15.0), RATE) == (4.0, 4.0, 4.0)
    hidden = at(7.0, 8.0, 9.0, 13.0, 14.0, 15.0, blind=((10.5, 12.0),))
    assert gaps_s(wave, hidden, RATE) == (1.5, 4.0, 2.5)
    elsewhere = at(7.0, 8.0, 9.0, 13.0, 14.0, 15.0, blind=((7.25, 7.75), (14.25, 14.75)))
    assert gaps_s(wave, elsewhere, RATE) == (4.0, 4.0, 4.0)


WAVE = np.zeros(1600)  # of 16 s: what is found of slow and fast hearts is in the beats alone


def steady(bpm):
    return at(*np.arange(0.3, 16.0, 60.0 / bpm))


def found(beats, *, trust=1.0, others=None, levelled=None, **more):
    bpm = 60.0 / float(beats.ibi.mean())
    rate = BeatRate(
        bpm,
        (bpm, bpm) if others is None else others,
        beats if levelled is None else levelled,
        np.zeros(len(beats.ibi), dtype=bool),
    )
    return findings(WAVE, beats, RATE, rate, trust, np.ones(len(beats)), **more)


@pytest.mark.parametrize(
    ("bpm", "told", "brady"),
    [
        (45.9, {}, 1),
        (46.1, {}, None),
        (45.9, {"trust": 0.25}, 1),
        (45.9, {"trust": 0.24}, None),
        (55.9, {}, None),
        (56.1, {}, 0),
        (56.1, {"trust": 0.6}, 0),
        (56.1, {"trust": 0.59}, None),
        (56.1, {"others": (56.1, 90.0)}, 0),
        (56.1, {"others": (28.0, 90.0)}, None),
        (75.0, {"levelled": at(1.0)}, None),
        (75.0, {"levelled": steady(55.9)}, None),
        (75.0, {"levelled": steady(56.1)}, 0),
    ],
)
def test_when_a_slow_heart_is_confirmed_and_contradicted(bpm, told, brady):
    assert found(steady(bpm), **told).brady == brady


@pytest.mark.parametrize(
    ("bpm", "told", "tachy"),
    [
        (110.1, {}, 1),
        (109.9, {}, None),
        (110.1, {"trust": 0.1}, 1),
        (110.1, {"trust": 0.09}, None),
        (75.0, {"fast_stretch": True, "trust": 0.0}, 1),
        (105.1, {}, None),
        (104.9, {}, 0),
        (104.9, {"trust": 0.9}, 0),
        (104.9, {"trust": 0.89}, None),
        (104.9, {"others": (104.9, 90.0)}, None),
    ],
)
def test_when_a_fast_heart_is_confirmed_and_contradicted(bpm, told, tachy):
    assert found(steady(bpm), **told).tachy == tachy


@pytest.mark.parametrize(("spread", "known"), [(0.32, True), (0.33, False)])
def test_five_intervals_that_vary_by_three_tenths_are_no_fast_heart(spread, known):
    """In turn shorter and longer by so much: of five that begin and end long the deviation is 0.30 of the mean at 0.326."""
    ibi = 0.5 * (1.0 + spread * np.resize([-1.0, 1.0], 12))
    rate = tachy_bpm(at(*(5.0 + np.concatenate([[0.0], np.cumsum(ibi)]))), 12.0)
    assert (rate is not None) is known


def stopped(gap_s, *, shapes=1.0, trust=1.0, rise_s=0.2, weak=1.0, uneven=0.0, level=None):
    """Asystole of a pulse of 75 a minute whose last beat is so long ago.

    weak: height of the last beat, uneven: of every second one (a logarithm), beside 1; level: the light's, a second each.
    """
    peak = np.arange(16.0 - gap_s, 0.0, -0.8)[::-1]
    amplitude = np.exp(uneven * (np.arange(len(peak))[::-1] % 2))
    amplitude[-1] *= weak
    beats = BeatList(peak, peak - rise_s, amplitude)
    wave = band_passed(pulse(), RATE)
    rate = BeatRate(75.0, (75.0, 75.0), beats, np.zeros(len(peak) - 1, dtype=bool))
    raw = None if level is None else np.repeat(np.asarray(level, dtype=float), 100)
    return findings(wave, beats, RATE, rate, trust, np.full(len(peak), shapes), raw=raw).asystole


@pytest.mark.parametrize(
    ("gap_s", "told", "asystole"),
    [
        (4.001, {}, 1),
        (3.999, {}, None),
        (4.001, {"trust": 0.0}, 1),
        (4.001, {"shapes": 0.85}, 1),
        (4.001, {"shapes": 0.84}, None),
        (4.001, {"rise_s": 0.349}, 1),
        (4.001, {"rise_s": 0.351}, None),
        (4.001, {"uneven": 0.49}, 1),
        (4.001, {"uneven": 0.51}, None),
        (3.3, {"weak": 0.31}, None),
        (3.3, {"weak": 0.29}, 1),
        (4.001, {"level": [0.0] * 14 + [3.9] * 2}, 1),
        (4.001, {"level": [0.0] * 14 + [4.1] * 2}, None),
        (4.001, {"level": [9.0] * 8 + [0.0] * 8}, 1),
        (4.001, {"level": [9.0] * 9 + [0.0] * 7}, None),
        (2.499, {}, 0),
        (2.501, {}, None),
        (2.499, {"shapes": 0.85, "trust": 0.25}, 0),
        (2.499, {"shapes": 0.84}, None),
        (2.499, {"trust": 0.24}, None),
        (1.8, {"weak": 0.31}, 0),
        (1.8, {"weak": 0.29}, None),
    ],
)
def test_when_a_stopped_heart_is_confirmed_and_contradicted(gap_s, told, asystole):
    assert stopped(gap_s, **told) == asystole
