"""A rise late between two peaks: another beat, unlike a dicrotic wave."""

from itertools import pairwise

import numpy as np
import pytest

from early_beats import RATE, bigeminy, noise, steady
from edge.dsp.ppg import pulse_rate
from edge.dsp.ppg.beats import BeatList, band_passed, find_beats
from edge.dsp.ppg.second_rise import second_rises

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


def asked(wave, beats, rate):
    """Rise by rise, from the foot to the top of each, as the page says what is a beat of its own."""
    slope = np.diff(wave)
    width = round(0.15 * rate)
    ripple = np.median(abs(wave - np.convolve(wave, np.ones(width) / width, mode="same")))

    def steepest(begin, end):
        return slope[int(begin) : max(int(begin) + 1, int(end))].max()

    found, foot = np.zeros(len(beats) - 1, dtype=bool), None
    for i in range(1, len(slope)):
        if slope[i - 1] <= 0 < slope[i]:
            foot = i
        k = int(np.sum(beats.peak <= i / rate)) - 1
        if foot is None or not (slope[i - 1] > 0 >= slope[i]) or not 0 <= k < len(found):
            continue
        since, ahead = i / rate - beats.peak[k], beats.peak[k + 1] - i / rate
        late = since >= 0.28 * (since + ahead) ** 0.35 and ahead >= 0.35
        high = wave[i] - wave[foot] >= max(0.08 * beats.amplitude[k : k + 2].min(), 6.0 * ripple)
        rises = [steepest(beats.onset[j] * rate, beats.peak[j] * rate) for j in (k, k + 1)]
        sharp = steepest(foot, i) >= 0.15 * min(rises)
        found[k] |= i - foot <= 0.3 * rate and late and high and sharp
    spanned = [any(a < e and b > s for s, e in beats.blind) for a, b in pairwise(beats.peak)]
    return found & ~np.array(spanned, dtype=bool)


@pytest.mark.parametrize("holes", [(), ((3.0, 3.6), (9.0, 9.5))])
def test_a_rise_is_what_it_is_said_to_be(holes):
    seen = 0
    for weak in (0.12, 0.2, 0.3, 0.45):
        for early_s in (0.5, 0.7, 0.9):
            for noisy in (0.0, 0.3, 1.0):
                wave = band_passed(bigeminy(weak, SECONDS, early_s, 2.0) + noise(noisy, SECONDS), RATE)
                beats = pulse_rate.systolic_only(find_beats(wave, RATE, holes))
                found = second_rises(wave, beats, RATE)
                np.testing.assert_array_equal(found, asked(wave, beats, RATE))
                seen += int(found.sum())
    assert seen >= 30
