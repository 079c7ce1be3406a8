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


def test_weak_early_beats_are_not_taken_for_dicrotic_waves():
    truth = synthesis.beats([synthesis.Episode(0.0, "pac", 75.0)], 40.0, seed=3)
    t = 6.0 + np.arange(1600) / RATE
    beats = find_beats(band_passed(synthesis.ppg(truth, t, seed=3), RATE), RATE)
    assert len(systolic_only(beats)) == len(beats)


def test_nothing_has_no_rate():
    assert periodicity(np.zeros(500), RATE)[1] == 0.0
    empty = find_beats(np.zeros(1000), RATE)
    assert np.isnan(beat_rate(np.zeros(1000), empty, RATE).bpm)
