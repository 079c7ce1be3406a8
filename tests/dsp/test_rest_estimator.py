"""With a network its belief is a count and trees decide; without it, or beside a hole, all is as it was."""

import numpy as np
import pytest

from edge.dsp import rest_belief, rest_rate, rest_rule, synthesis
from edge.dsp.beats import band_passed
from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.rest_estimator import RestEstimator
from edge.dsp.rest_spectra import GRID_BPM

RATE = 100.0
FIGURES = (*rest_rule.FIGURES, *rest_belief.FIGURES)


def window(bpm=75.0, noise=0.01):
    heart = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], 24.0, seed=3)
    x = synthesis.ppg(heart, 6.0 + np.arange(1600) / RATE, noise=noise, seed=3)
    wave = band_passed(x, RATE)
    return wave, rest_rate.look(x, wave, RATE)


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
    assert RestEstimator()(wave, seen, RATE) == (rest_rate.choose(rest_rate.count(wave, seen, RATE)), False)


def test_the_trees_decide_by_what_the_network_believes():
    wave, seen = window(75.0)
    rate, learned = RestEstimator(network(75.0), trees())(wave, seen, RATE)
    assert learned
    assert rate.bpm == pytest.approx(75.0, rel=0.02)
    assert rate.quality == pytest.approx(1.0 / (1.0 + np.exp(-4.0)))


def test_a_network_that_believes_in_another_rate_takes_it_away_from_the_counts():
    wave, seen = window(75.0)
    counts = rest_rate.count(wave, seen, RATE, rest_belief.believed(wave, RATE, network(120.0)))
    odds = [rest_rule.by_trees(trees())(figures) for _, figures in counts.candidates]
    assert odds == [pytest.approx(1.0 / (1.0 + np.exp(4.0)))] * len(odds)


def test_its_own_rate_is_counted_too_where_it_has_power_of_its_own():
    wave, seen = window(75.0)
    without = rest_rate.count(wave, seen, RATE)
    belief = rest_belief.believed(wave, RATE, network(75.0))
    found = rest_rate.count(wave, seen, RATE, belief)
    assert [bpm for bpm, _ in found.candidates] == [*(bpm for bpm, _ in without.candidates), belief.bpm]
    assert all(len(figures) == len(FIGURES) for _, figures in found.candidates)
    elsewhere = rest_rate.count(wave, seen, RATE, rest_belief.believed(wave, RATE, network(50.0)))
    assert len(elsewhere.candidates) == len(without.candidates)


def test_beside_a_hole_the_network_is_not_asked():
    wave, seen = window()
    asked = RestEstimator(lambda x: pytest.fail("asked"), trees())
    rate, learned = asked(wave, seen, RATE, ((3.0, 3.5),))
    assert not learned
    assert rate == rest_rate.choose(rest_rate.count(wave, seen, RATE))


def test_less_than_16_s_go_by_the_counts():
    wave, seen = window()
    short = wave[-1000:]
    seen = rest_rate.look(short, short, RATE)
    assert not RestEstimator(lambda x: pytest.fail("asked"), trees())(short, seen, RATE)[1]
