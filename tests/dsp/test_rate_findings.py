"""Slow, fast and missing beats of known truth."""

import numpy as np
import pytest

from edge.dsp import ppg_quality as quality
from edge.dsp import synthesis
from edge.dsp.beats import BeatList, band_passed, find_beats
from edge.dsp.pulse_rate import beat_rate, systolic_only
from edge.dsp.rate_findings import brady_bpm, findings, gaps_s, tachy_bpm

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
