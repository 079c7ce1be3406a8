"""Rate by beats of known truth, and whether the other ways agree."""

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.ppg.beats import band_passed, find_beats
from edge.dsp.ppg.pulse_rate import beat_rate, periodicity, systolic_only
from signals import pulse

RATE = 100.0


@pytest.mark.parametrize("bpm", [35.0, 60.0, 90.0, 140.0, 190.0])
def test_the_rate_and_its_agreement(bpm):
    wave = band_passed(pulse(bpm), RATE)
    rate = beat_rate(wave, systolic_only(find_beats(wave, RATE)), RATE)
    assert rate.bpm == pytest.approx(bpm, rel=0.03)
    assert rate.agreeing >= 1
    assert rate.others == pytest.approx((bpm, bpm), rel=0.03)


def test_weak_early_beats_are_not_taken_for_dicrotic_waves():
    truth = synthesis.beats([synthesis.Episode(0.0, "pac", 75.0)], 40.0, seed=3)
    t = 6.0 + np.arange(1600) / RATE
    beats = find_beats(band_passed(synthesis.ppg(truth, t, seed=3), RATE), RATE)
    assert len(systolic_only(beats)) == len(beats)


def test_the_rate_is_of_the_last_seconds():
    wave = band_passed(np.concatenate([pulse(60.0, seconds=16.0), pulse(100.0, seconds=10.0)]), RATE)
    rate = beat_rate(wave, systolic_only(find_beats(wave, RATE)), RATE)
    assert (rate.bpm, *rate.others) == pytest.approx((100.0,) * 3, rel=0.02)


@pytest.mark.parametrize(("bpm", "rate_hz"), [(75.0, 100.0), (60.0, 125.0), (200.0, 50.0), (31.25, 125.0)])
def test_a_sine_has_its_own_period_and_a_line_none(bpm, rate_hz):
    n = round(16.0 * rate_hz)
    found, height = periodicity(np.sin(2 * np.pi * bpm / 60.0 * np.arange(n) / rate_hz), rate_hz)
    assert (found, height) == (bpm, pytest.approx(1.0, abs=0.05))
    none, height = periodicity(np.arange(float(n)), rate_hz)
    assert (np.isnan(none), height) == (True, 0.0)


def test_nothing_has_no_rate():
    assert periodicity(np.zeros(500), RATE)[1] == 0.0
    empty = find_beats(np.zeros(1000), RATE)
    assert np.isnan(beat_rate(np.zeros(1000), empty, RATE).bpm)
