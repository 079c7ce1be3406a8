"""With a network its belief is a count and trees decide; without it the logistic rule does."""

import numpy as np
import pytest

from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.ppg.beats import band_passed
from edge.dsp.rest import belief as rest_belief
from edge.dsp.rest import rule as rest_rule
from edge.dsp.rest.counts import FIGURES_BY_BELIEF, count, in_step
from edge.dsp.rest.estimator import RestEstimator
from edge.dsp.rest.look import look
from edge.dsp.rest.rate import choose
from edge.dsp.rest.spectra import GRID_BPM
from signals import pulse

RATE = 100.0
FIGURES = FIGURES_BY_BELIEF


def window(bpm=75.0, noise=0.01):
    x = pulse(bpm, noise=noise)
    wave = band_passed(x, RATE)
    return wave, look(x, wave, RATE)


def network(bpm):
    """Believes in one rate alone."""

    def answer(x):
        logits = np.full((1, 1, 1, len(GRID_BPM)), -30.0, dtype=np.float32)
        logits[..., np.argmin(abs(GRID_BPM - bpm))] = 30.0
        return logits

    return answer


def trees(low=-40, high=40):
    """One question: is the belief in the rate above a half?"""
    at = FIGURES.index("believed")
    return BoostedTrees(
        np.array([[at]], dtype=np.uint8),
        np.array([[np.log(0.5)]], dtype=np.float32),
        np.array([[low, high]], dtype=np.int8),
        0.1,
        np.zeros(1),
    )


def test_without_a_network_it_is_the_logistic_rule_over_the_counts():
    wave, seen = window()
    assert RestEstimator()(wave, seen, RATE) == choose(count(wave, seen, RATE))


def test_the_trees_decide_by_what_the_network_believes():
    wave, seen = window(75.0)
    rate = RestEstimator(network(75.0), trees())(wave, seen, RATE)
    assert rate.bpm == pytest.approx(75.0, rel=0.02)
    assert rate.quality == pytest.approx(1.0 / (1.0 + np.exp(-4.0)))


def test_a_network_that_believes_in_another_rate_takes_it_away_from_the_counts():
    wave, seen = window(75.0)
    counts = count(wave, seen, RATE, rest_belief.believed(wave, RATE, network(120.0)))
    *odds, own, mean = [rest_rule.by_trees(trees())(figures) for _, figures, _ in counts.candidates]
    assert odds == [pytest.approx(1.0 / (1.0 + np.exp(4.0)))] * 3
    assert mean == odds[0]
    assert own == pytest.approx(1.0 / (1.0 + np.exp(-4.0)))


def test_its_own_rate_is_counted_too_with_power_of_its_own_or_without():
    wave, seen = window(75.0)
    without = count(wave, seen, RATE)
    for bpm in (75.0, 50.0):
        belief = rest_belief.believed(wave, RATE, network(bpm))
        found = count(wave, seen, RATE, belief)
        assert [one.bpm for one in found.candidates] == [
            *(one.bpm for one in without.candidates), belief.bpm, without.mean_bpm
        ]  # fmt: skip
        assert all(len(figures) == len(FIGURES) for _, figures, _ in found.candidates)


def test_the_trees_see_how_far_the_beats_keep_step_and_where_their_mean_lies():
    """Eight beats a second apart, and two that come early: the usual interval is not their mean."""
    ibi = np.array([1.0, 1.0, 1.0, 0.6, 1.0, 1.0, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 0.6, 1.0, 1.0, 1.0])
    peaks = 1.0 + np.concatenate([[0.0], np.cumsum(ibi)])
    t = np.arange(1600) / RATE
    x = np.exp(-0.5 * ((t[:, None] - peaks) / 0.08) ** 2).sum(axis=1)
    wave = band_passed(x, RATE)
    found = count(wave, look(x, wave, RATE), RATE, rest_belief.believed(wave, RATE, network(60.0)))
    assert [one.method for one in found.candidates] == ["beats", "harmonics", "slopes", "network", "mean"]
    late = np.diff(found.peaks)
    for bpm, figures, _ in found.candidates:
        step, away, uneven = figures[-3:]
        assert step == in_step(found.peaks, bpm)
        assert away == pytest.approx(abs(np.log(bpm * late.mean() / 60.0)))
        assert uneven == pytest.approx(late.std() / late.mean())
    assert found.candidates[-1].bpm == pytest.approx(60.0 / late.mean())
    assert found.candidates[-1].figures[-2] == 0.0


def test_beside_a_network_nobody_else_vouches_for_beats():
    wave, seen = window(75.0)
    assert count(wave, seen, RATE).vouched > 0.8
    for bpm in (75.0, 120.0):
        assert count(wave, seen, RATE, rest_belief.believed(wave, RATE, network(bpm))).vouched == 0.0


@pytest.mark.parametrize(("low", "high", "sure"), [(-40, 8, False), (-40, 9, True)])
def test_trees_say_a_rate_from_their_own_limit_on(low, high, sure):
    wave, seen = window(75.0)
    rate = RestEstimator(network(75.0), trees(low, high))(wave, seen, RATE)
    assert (rate.quality >= rest_rule.ENOUGH_BY_TREES) is rate.sure is sure
    assert rate.quality < rest_rule.ENOUGH


def test_an_even_wave_is_left_to_the_trees():
    x = np.sin(2 * np.pi * 1.25 * np.arange(1600) / RATE)
    wave = band_passed(x, RATE)
    seen = look(x, wave, RATE)
    assert count(wave, seen, RATE).candidates == ()
    assert len(count(wave, seen, RATE, rest_belief.believed(wave, RATE, network(75.0))).candidates) == 5


@pytest.mark.parametrize("seconds", [7.5, 10.0, 16.0])
def test_the_network_has_a_say_of_what_is_left_of_a_wave(seconds):
    wave, _ = window(75.0)
    short = wave[-round(seconds * RATE) :]
    rate = RestEstimator(network(75.0), trees())(short, look(short, short, RATE), RATE)
    assert rate.quality == pytest.approx(1.0 / (1.0 + np.exp(-4.0)))
