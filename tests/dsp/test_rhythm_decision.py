"""Logits to words: AF at its threshold, groups by their sum, and nothing when it is not a pulse."""

import numpy as np
import pytest

from edge.dsp.rhythm_decision import Calibration, decide

CALIBRATION = Calibration(1.0, 0.4, 0.5, np.zeros(3), np.ones(3))


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
    verdict = decide(logits(*p), CALIBRATION)
    assert verdict.decision == decision
    assert sum(verdict.probabilities) == pytest.approx(1.0)
    assert verdict.p_af == verdict.probabilities[5]
    assert verdict.p_none == pytest.approx(p[6], abs=1e-6)


def test_a_network_that_is_very_sure_is_no_overflow():
    for at, by, decision in ((0, 2000.0, "sinus"), (5, 2000.0, "af"), (6, 300.0, "")):
        z = np.zeros(7)
        z[at] = by
        verdict = decide(z, CALIBRATION)
        assert (verdict.decision, verdict.p_none) == (decision, pytest.approx(float(at == 6)))


def test_temperature_softens_and_keeps_the_order():
    z = np.array([3.0, 1.0, 0.0, 0.0, 0.0, 2.0, -2.0])
    soft = decide(z, Calibration(3.0, 0.9, 0.5, np.zeros(3), np.ones(3)))
    assert max(soft.probabilities) < max(decide(z, CALIBRATION).probabilities)
    assert np.argmax(soft.probabilities) == 0


def test_inputs_are_scaled_and_limited():
    wave, feature = CALIBRATION.inputs(np.zeros(1000), np.array([0.5, 100.0, -100.0]))
    assert wave.shape == (1, 1, 1, 1000)
    assert feature.tolist() == [[0.5, 4.0, -4.0]]
    assert wave.dtype == feature.dtype == np.float32
    card = {
        "temperature": 1,
        "af_threshold": 0.4,
        "none_limit": 0.5,
        "feature_mean": [1, 2, 3],
        "feature_sd": [2, 4, 0.5],
    }
    of_card = Calibration.from_card({"calibration": card})
    assert of_card.inputs(np.zeros(4), np.array([3.0, 2.0, 2.5]))[1].tolist() == [[1.0, 0.0, -1.0]]
