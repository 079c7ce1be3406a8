"""Logits to words: AF at its threshold, groups by their sum, nothing when it is not a pulse; windows before lean on them."""

from dataclasses import replace

import numpy as np
import pytest

from edge.dsp.rhythm.decision import LABELS, Calibration, blended, decide, in_context

CALIBRATION = Calibration(1.0, 0.3, np.full(6, 1 / 6), 1.0, 0.5, 0.4, 0.5, np.zeros(3), np.ones(3))
NOTHING_BEFORE = np.zeros(6)


def logits(*p):
    return np.log(np.array(p) + 1e-9)


@pytest.mark.parametrize(
    ("p", "decision"),
    [
        ((0.9, 0.02, 0.02, 0.02, 0.02, 0.02, 0.0), "sinus"),
        ((0.3, 0.02, 0.02, 0.1, 0.1, 0.46, 0.0), "af"),
        ((0.3, 0.2, 0.2, 0.0, 0.0, 0.3, 0.0), "ectopy"),
        ((0.3, 0.0, 0.0, 0.2, 0.2, 0.3, 0.0), "tachyarrhythmia"),
        ((0.1, 0.0, 0.0, 0.0, 0.0, 0.2, 0.7), ""),
    ],
)
def test_decisions(p, decision):
    verdict = decide(logits(*p), NOTHING_BEFORE, CALIBRATION)
    assert verdict.decision == decision
    assert sum(verdict.probabilities) == pytest.approx(1.0)
    assert verdict.p_none == pytest.approx(p[6], abs=1e-6)


def test_every_rhythm_alone_has_its_word():
    words = ("sinus", "ectopy", "ectopy", "tachyarrhythmia", "tachyarrhythmia", "af", "")
    assert [decide(logits(*row), NOTHING_BEFORE, CALIBRATION).decision for row in np.eye(7)] == list(words)
    assert LABELS == ("SR", "PVC", "PAC", "VT", "SVT", "AF")


def test_af_is_from_its_threshold_on_and_no_pulse_above_its_limit():
    z = logits(0.3, 0.02, 0.02, 0.1, 0.1, 0.26, 0.2)
    found = decide(z, NOTHING_BEFORE, CALIBRATION)
    p_af, p_none = float(found.probabilities[5]), found.p_none
    for settings, decision in (
        ({"af_threshold": p_af}, "af"),
        ({"af_threshold": p_af + 1e-9}, "sinus"),
        ({"none_limit": p_none}, "sinus"),
        ({"none_limit": p_none - 1e-9}, ""),
    ):
        assert decide(z, NOTHING_BEFORE, replace(CALIBRATION, **settings)).decision == decision


def test_a_network_that_is_very_sure_is_no_overflow():
    for at, by, decision in ((0, 2000.0, "sinus"), (5, 2000.0, "af"), (6, 300.0, "")):
        z = np.zeros(7)
        z[at] = by
        verdict = decide(z, NOTHING_BEFORE, CALIBRATION)
        assert (verdict.decision, verdict.p_none) == (decision, pytest.approx(float(at == 6)))


def test_temperature_softens_and_keeps_the_order():
    z = np.array([3.0, 1.0, 0.0, 0.0, 0.0, 2.0, -2.0])
    soft = decide(z, NOTHING_BEFORE, replace(CALIBRATION, temperature=3.0, af_threshold=0.9))
    assert max(soft.probabilities) < max(decide(z, NOTHING_BEFORE, CALIBRATION).probabilities)
    assert np.argmax(soft.probabilities) == 0


def test_windows_before_multiply_the_odds_and_leave_the_window_by_itself_and_what_is_no_pulse():
    z = logits(0.4, 0.1, 0.05, 0.05, 0.0, 0.3, 0.1)
    before = np.log([0.5, 1.0, 1.0, 1.0, 1.0, 9.0])
    verdict = decide(z, before, replace(CALIBRATION, own_slope=0.5))
    odds = np.sqrt([0.4, 0.1, 0.05, 0.05, 0.0, 0.3]) * np.sqrt([0.5, 1.0, 1.0, 1.0, 1.0, 9.0])
    assert verdict.probabilities == pytest.approx(odds / odds.sum(), abs=1e-4)
    assert verdict.probabilities[5] > 0.4
    assert verdict.decision == "af"
    alone = decide(z, NOTHING_BEFORE, CALIBRATION)
    assert verdict.alone.tolist() == alone.alone.tolist() == pytest.approx(alone.probabilities.tolist())
    assert verdict.p_af_alone == pytest.approx(0.3 / 0.9, abs=1e-6)
    assert verdict.p_none == alone.p_none
    assert alone.decision == "sinus"


def test_many_windows_stand_in_context_as_one_by_one():
    rng = np.random.default_rng(3)
    alone, before = rng.normal(size=(2, 5, 6))
    one = [in_context(a, b, 0.9, 0.4) for a, b in zip(alone, before, strict=True)]
    np.testing.assert_array_equal(in_context(alone, before, 0.9, 0.4), np.stack(one))


def test_inputs_are_scaled_and_limited():
    wave, feature = CALIBRATION.inputs(np.zeros(1000), np.array([0.5, 100.0, -100.0]))
    assert wave.shape == (1, 1, 1, 1000)
    assert feature.tolist() == [[0.5, 4.0, -4.0]]
    more = np.array([0.5, 100.0, -100.0, 7.0, 8.0])  # which the trees are told alone
    assert CALIBRATION.inputs(np.zeros(1000), more)[1].tolist() == feature.tolist()
    assert wave.dtype == feature.dtype == np.float32
    card = {
        "temperature": 1,
        "trees_share": 0.25,
        "usual": [0.5, 0.1, 0.1, 0.1, 0.1, 0.1],
        "own_slope": 0.875,
        "before_slope": 0.375,
        "af_threshold": 0.4,
        "none_limit": 0.5,
        "feature_mean": [1, 2, 3],
        "feature_sd": [2, 4, 0.5],
    }
    of_card = Calibration.from_card({"calibration": card})
    assert of_card.inputs(np.zeros(4), np.array([3.0, 2.0, 2.5]))[1].tolist() == [[1.0, 0.0, -1.0]]
    assert (of_card.trees_share, of_card.own_slope, of_card.before_slope) == (0.25, 0.875, 0.375)
    assert of_card.usual.tolist() == card["usual"]


def test_trees_have_their_share_of_every_class_whatever_the_scale_of_their_logits():
    network, trees = logits(0.5, 0.1, 0.1, 0.05, 0.05, 0.1, 0.1), logits(0.02, 0.1, 0.1, 0.05, 0.05, 0.48, 0.2)
    for share in (0.0, 0.3, 1.0):
        product = np.exp(network) ** (1 - share) * np.exp(trees) ** share
        for aside in (0.0, 7.0, -300.0):
            p = np.exp(blended(network - aside, trees + aside, share))
            np.testing.assert_allclose(p, product, rtol=1e-6)
    assert decide(blended(network, trees, 0.0), NOTHING_BEFORE, CALIBRATION).decision == "sinus"
    assert decide(blended(network, trees, 1.0), NOTHING_BEFORE, CALIBRATION).decision == "af"


def test_many_windows_are_blended_as_one_by_one():
    rng = np.random.default_rng(3)
    network, trees = rng.normal(size=(5, 7)), 40.0 * rng.normal(size=(5, 7))
    alone = [blended(a, b, 0.3) for a, b in zip(network, trees, strict=True)]
    np.testing.assert_array_equal(blended(network, trees, 0.3), np.stack(alone))
