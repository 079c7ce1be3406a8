"""Which of the counts is said, how likely it is, and what has no likely rate."""

from dataclasses import replace

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.ppg.beats import band_passed
from edge.dsp.rest import rate as rest_rate
from edge.dsp.rest import rule as rest_rule
from edge.dsp.rest.counts import Candidate, Counts, count, in_step
from edge.dsp.rest.look import look
from edge.dsp.rest.rate import choose
from signals import pulse

RATE = 100.0


def rated(x):
    wave = band_passed(x, RATE)
    return choose(count(wave, look(x, wave, RATE), RATE))


@pytest.mark.parametrize("bpm", [45.0, 60.0, 90.0, 140.0, 190.0])
def test_a_clean_pulse_has_a_likely_rate(bpm):
    rate = rated(pulse(bpm))
    assert rate.bpm == pytest.approx(bpm, rel=0.03)
    assert rate.quality >= rest_rule.ENOUGH
    assert 0 < rate.sd < 5


@pytest.mark.parametrize("seed", range(4))
def test_fibrillation_is_not_thrown_away(seed):
    rate = rated(pulse(90.0, "af", seed=seed))
    assert rate.quality >= rest_rule.ENOUGH


def said(rate):
    return rate.quality >= rest_rule.ENOUGH


@pytest.mark.parametrize("bpm", [75.0, 90.0, 110.0])
def test_the_rate_of_fibrillation_is_that_of_all_beats_and_not_of_the_usual_interval(bpm):
    errors = []
    for seed in range(12):
        truth = synthesis.beats([synthesis.Episode(0.0, "af", bpm)], 24, seed=seed)
        rate = rated(pulse(bpm, "af", seed=seed))
        if said(rate):
            errors.append(rate.bpm - truth.rate_bpm(11.8, 21.8))
    assert len(errors) >= 8
    assert np.median(np.abs(errors)) < 0.5
    assert np.sum(np.abs(errors) > 5.0) <= 2


def test_beats_that_do_not_keep_step_and_are_not_clean_have_no_rate():
    wave = band_passed(pulse(90.0, "af", seed=4), RATE)
    counts = count(wave, look(pulse(90.0, "af", seed=4), wave, RATE), RATE)
    assert in_step(counts.peaks, counts.beats_bpm) < 0.5
    assert said(choose(counts))
    assert not said(choose(replace(counts, clean=0.0)))


def test_of_counts_as_likely_the_first_is_said():
    alike = (0.9,) * len(rest_rule.FIGURES)
    counts = Counts(tuple(map(Candidate, (80.1, 82.0, 79.0), [alike] * 3, ("beats", "harmonics", "slopes"))), 80.1, 0.0)
    rate = choose(counts)
    assert (rate.bpm, rate.method) == (80.1, "beats")


LIKELY, UNLIKELY = (3.0,), (0.0,)  # logits: 0.953 and 0.5


def combs(*rated):
    """Counts of harmonics: rate and logit of each."""
    return tuple(Candidate(bpm, figures, "harmonics") for bpm, figures in rated)


ONE = {"candidates": combs((60.0, LIKELY)), "mean_bpm": 72.0}
NO_MORE = {"candidates": combs((60.0, UNLIKELY)), "beats_bpm": 80.0}


@pytest.mark.parametrize(
    ("told", "step", "bpm", "quality", "method"),
    [
        ({"candidates": combs((60.0, LIKELY), (90.0, UNLIKELY))}, 1.0, 60.0, 0.9526, "harmonics"),
        ({"candidates": (Candidate(60.0, LIKELY, "network"),), "beats_bpm": 60.0}, 1.0, 60.0, 0.9526, "network"),
        ({"candidates": combs((60.0, LIKELY), (60.5, UNLIKELY)), "doubted_bpm": 60.0}, 1.0, 60.5, 0.5, "harmonics"),
        ({**NO_MORE, "vouched": 0.6}, 1.0, 80.0, 0.6, "beats"),
        ({**NO_MORE, "vouched": 0.4}, 1.0, 60.0, 0.5, "harmonics"),
        ({"candidates": combs((60.0, LIKELY)), "beats_bpm": 80.0, "vouched": 0.99}, 1.0, 60.0, 0.9526, "harmonics"),
        ({"beats_bpm": 50.0, "vouched": 0.9, "doubted_bpm": 50.0}, 1.0, None, 0.0, ""),
        ({"beats_bpm": 50.0, "vouched": 0.9, "doubted_bpm": 49.9}, 1.0, 50.0, 0.9, "beats"),
        ({**ONE, "clean": 0.9}, 0.69, 72.0, 0.9, "mean"),
        ({**ONE, "clean": 0.9}, 0.7, 60.0, 0.9526, "harmonics"),
        ({**ONE, "clean": 0.89}, 0.69, 60.0, 0.9526, "harmonics"),
        ({**ONE, "clean": 0.89}, 0.5, 60.0, 0.9526, "harmonics"),
        ({**ONE, "clean": 0.89}, 0.49, 60.0, 0.49, "harmonics"),
        ({}, 1.0, None, 0.0, ""),
    ],
)
def test_which_of_the_counts_is_said(monkeypatch, told, step, bpm, quality, method):
    """By how likely each is, who vouches for the beats, and how far these keep step with it."""
    monkeypatch.setattr(rest_rate, "in_step", lambda *_: step)
    given = {"candidates": (), "beats_bpm": float("nan"), "vouched": 0.0, **told}
    rate = choose(Counts(**given), rest_rule.by_weights(0.0, (1.0,)))
    assert rate.bpm == bpm or (bpm is None and np.isnan(rate.bpm))
    assert rate.quality == pytest.approx(quality, abs=1e-4)
    assert rate.method == method


def test_the_deviation_grows_with_the_distance_of_the_other_counts_and_with_doubt():
    def sd(*candidates):
        return choose(Counts(combs(*candidates), float("nan"), 0.0), rest_rule.by_weights(0.0, (1.0,))).sd

    doubt = 8.0 * (1.0 - 1.0 / (1.0 + np.exp(-3.0)))
    assert sd((60.0, LIKELY)) == pytest.approx(0.8 + doubt)
    assert sd((60.0, LIKELY), (70.0, UNLIKELY)) == pytest.approx(3.8 + doubt)
    assert sd((60.0, LIKELY), (55.0, UNLIKELY), (110.0, UNLIKELY)) == pytest.approx(6.8 + doubt)
    assert sd() == pytest.approx(8.8)


def test_a_pulse_has_the_likeliest_of_its_counts_though_nobody_vouches_for_its_beats():
    hidden = 0
    for seed in range(12):
        bpm = 60.0 + 5.0 * seed
        x = pulse(bpm, seed=seed)
        noise = np.convolve(np.random.default_rng(seed).normal(size=1600), np.ones(12) / np.sqrt(12), mode="same")
        x += 0.8 * x.std() * noise
        wave = band_passed(x, RATE)
        counts = count(wave, look(x, wave, RATE), RATE)
        rate = choose(counts)
        assert said(rate)
        assert abs(rate.bpm - bpm) < 5.0
        hidden += counts.vouched < rest_rule.ENOUGH
    assert hidden >= 6


def test_noise_has_no_likely_rate():
    rng = np.random.default_rng(0)
    rates = [rated(rng.normal(size=1600)) for _ in range(20)]
    assert all(rate.quality < rest_rule.ENOUGH for rate in rates)


def moving(seed):
    """Noise as slow as hearts, of a hand that moves: 0.7 to 3 Hz."""
    rng = np.random.default_rng(seed)
    hz = np.fft.rfftfreq(1600, 1 / RATE)
    x = np.fft.irfft(np.fft.rfft(rng.standard_normal(1600)) * ((hz > 0.7) & (hz < 3.0)), 1600)
    return 1000.0 * x + 10.0 * rng.standard_normal(1600)


def test_movement_as_slow_as_a_heart_has_no_likely_rate():
    assert sum(rated(moving(seed)).quality >= rest_rule.ENOUGH for seed in range(100)) <= 2


def test_what_rises_as_slowly_as_it_falls_is_vouched_for_by_nobody():
    wave = band_passed(pulse(90.0, "af"), RATE)
    seen = look(pulse(90.0, "af"), wave, RATE)
    assert count(wave, seen, RATE).vouched > 0.8
    assert count(wave, replace(seen, steeper=0.0), RATE).vouched == 0.0


def test_doubt_shows_in_quality_and_sd():
    rng = np.random.default_rng(1)
    x = pulse()
    clean, noisy = rated(x), rated(x + 0.7 * x.std() * np.convolve(rng.normal(size=1600), np.ones(25) / 5, mode="same"))
    assert noisy.quality < clean.quality
    assert noisy.sd > clean.sd


def test_nothing_is_nothing():
    for x in (np.zeros(1600), np.full(1600, 3.0)):
        rate = rated(x)
        assert np.isnan(rate.bpm)
        assert rate.quality == 0.0
