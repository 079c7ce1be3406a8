"""The high beats of a slow heart: all there are where the pauses hold noise, none where they hold beats."""

import numpy as np
import pytest

from early_beats import RATE, bigeminy, noise, pulses, steady
from edge.dsp.ppg import pulse_rate
from edge.dsp.ppg.beats import BeatList, band_passed, find_beats
from edge.dsp.ppg.slow_beats import SLOW_BPM, _highest_wave, slow_beats
from edge.dsp.rest import rule as rest_rule
from edge.dsp.rest.counts import count
from edge.dsp.rest.look import look
from edge.dsp.rest.rate import choose

SECONDS = 16.0


def high(x):
    wave = band_passed(x, RATE)
    return slow_beats(wave, pulse_rate.systolic_only(find_beats(wave, RATE)), RATE)


@pytest.mark.parametrize("bpm", [24.0, 30.0, 34.0, 40.0, 50.0])
def test_the_beats_of_a_slow_heart_are_found_beside_noise(bpm):
    found = [high(steady(bpm, SECONDS, 0.3) + noise(0.7, SECONDS, seed)) for seed in range(8)]
    right = [beats for beats in found if beats is not None]
    assert len(right) >= 6
    for beats in right:
        assert beats.ibi == pytest.approx(60.0 / bpm, rel=0.06)


def test_noise_alone_was_taken_for_beats_before():
    x = steady(30.0, SECONDS, 0.3) + noise(1.0, SECONDS, 1)
    beats = find_beats(band_passed(x, RATE), RATE)
    assert len(beats) > len(high(x))


def test_irregular_slow_beats_are_all_beats():
    feet = np.array([0.4, 1.8, 4.1, 5.6, 8.1, 9.5, 11.9, 13.4])
    beats = high(pulses(feet, np.ones(len(feet)), SECONDS, 0.3) + noise(0.5, SECONDS, 2))
    assert len(beats) == len(feet)


@pytest.mark.parametrize("weak", [0.4, 0.5])
@pytest.mark.parametrize("noisy", [0.0, 0.7])
@pytest.mark.parametrize("early_s", [0.48, 0.7])
def test_weak_early_beats_do_not_leave_a_pause_empty(weak, noisy, early_s):
    assert high(bigeminy(weak, SECONDS, early_s, 2.0) + noise(noisy, SECONDS)) is None


def test_nor_do_those_of_a_quarter_an_even_way_between():
    assert high(bigeminy(0.25, SECONDS, 0.9, 2.0) + noise(0.3, SECONDS)) is None


@pytest.mark.parametrize("bpm", [70.0, 95.0])
def test_a_weak_pulse_between_slow_movements_is_seen(bpm):
    jerks = pulses(np.arange(0.3, SECONDS, 1.9), np.ones(9), SECONDS, 0.0, damped=True)
    assert high(jerks + 0.3 * steady(bpm, SECONDS)) is None


def test_a_wave_that_falls_at_once_before_it_rises_is_nobodys():
    t = np.arange(round(SECONDS * RATE)) / RATE % 1.6
    breath = np.where(t < 0.5, np.sin(np.pi * t), np.where(t < 1.2, 1.0 - 0.5 * (t - 0.5), -0.5))
    assert high(breath + noise(0.1, SECONDS)) is None


def test_a_usual_heart_says_nothing():
    assert high(steady(SLOW_BPM + 6.0, SECONDS)) is None
    assert high(steady(75.0, SECONDS)) is None


def test_too_few_beats_say_nothing():
    none = BeatList(np.empty(0), np.empty(0), np.empty(0))
    assert slow_beats(np.zeros(1600), none, RATE) is None
    assert high(steady(15.0, SECONDS)) is None


def test_a_rate_is_said_by_them():
    x = steady(32.0, SECONDS, 0.3) + noise(0.7, SECONDS, 1)
    wave = band_passed(x, RATE)
    seen = look(x, wave, RATE)
    rate = choose(count(wave, seen, RATE))
    assert seen.slow
    assert (rate.method, rate.bpm) == ("beats", pytest.approx(32.0, abs=1.5))
    assert rate.quality >= rest_rule.ENOUGH


def test_a_slow_heart_under_strong_noise_is_not_said_at_its_double():
    said = []
    for seed in range(60):
        x = steady(34.6, SECONDS, 0.45) + noise(1.5, SECONDS, seed)
        wave = band_passed(x, RATE)
        rate = choose(count(wave, look(x, wave, RATE), RATE))
        said += [rate.bpm] if rate.quality >= rest_rule.ENOUGH else []
    assert not [bpm for bpm in said if abs(bpm - 69.2) < 4.0]


def test_the_highest_wave_rises_within_0_3_s_and_falls_within_0_5_s():
    rng = np.random.default_rng(6)
    for _ in range(60):
        n, rate = int(rng.integers(60, 300)), float(rng.choice([50.0, 100.0, 125.0]))
        piece = np.cumsum(rng.standard_normal(n))
        begin, end = sorted(rng.integers(0, n, 2).tolist())
        rises, falls = round(0.3 * rate), round(0.5 * rate)
        waves = [
            piece[i] - max(piece[max(0, i - rises) : i + 1].min(), piece[i : i + falls + 1].min())
            for i in range(begin, end)
        ]
        assert _highest_wave(piece, begin, end, rate) == max(waves, default=0.0)
