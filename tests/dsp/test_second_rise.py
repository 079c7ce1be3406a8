"""A rise late between two peaks: another beat, unlike a dicrotic wave."""

import numpy as np
import pytest

from early_beats import RATE, bigeminy, steady
from edge.dsp import pulse_rate
from edge.dsp.beats import BeatList, band_passed, find_beats
from edge.dsp.second_rise import second_rises

SECONDS = 16.0


def risen(x):
    wave = band_passed(x, RATE)
    beats = pulse_rate.systolic_only(find_beats(wave, RATE))
    return beats, second_rises(wave, beats, RATE)


@pytest.mark.parametrize("weak", [0.4, 0.5])
def test_a_weak_early_beat_that_was_missed_is_seen(weak):
    beats, found = risen(bigeminy(weak, SECONDS))
    assert float(np.median(beats.ibi)) == pytest.approx(1.6, rel=0.03)  # the detector keeps the strong beats alone
    assert len(found) == len(beats) - 1
    assert found.mean() >= 0.8


@pytest.mark.parametrize("bpm", [32.0, 40.0, 50.0, 60.0])
@pytest.mark.parametrize("dicrotic", [0.2, 0.45, 0.8])
def test_the_dicrotic_wave_of_a_slow_heart_is_none(bpm, dicrotic):
    assert not risen(steady(bpm, SECONDS, dicrotic))[1].any()


def test_the_way_back_from_under_the_line_of_a_high_pass_is_none():
    assert not risen(steady(30.0, SECONDS, 0.3, damped=True))[1].any()


def test_without_beats_or_rises_there_are_none():
    none = BeatList(np.empty(0), np.empty(0), np.empty(0))
    assert second_rises(np.zeros(1600), none, RATE).shape == (0,)
    two = BeatList(np.array([2.0, 4.0]), np.array([1.8, 3.8]), np.array([1.0, 1.0]))
    assert second_rises(np.zeros(1600), two, RATE).tolist() == [False]


def test_noise_that_rises_everywhere_is_none():
    x = steady(50.0, SECONDS)
    noisy = x + 0.25 * np.random.default_rng(2).standard_normal(len(x))
    assert risen(noisy)[1].mean() < 0.2
