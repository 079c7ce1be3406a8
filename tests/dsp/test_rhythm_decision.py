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


def test_temperature_softens_and_keeps_the_order():
    z = np.array([3.0, 1.0, 0.0, 0.0, 0.0, 2.0, -2.0])
    soft = decide(z, Calibration(3.0, 0.9, 0.5, np.zeros(3), np.ones(3)))
    assert soft.top < decide(z, CALIBRATION).top
    assert np.argmax(soft.probabilities) == 0


def test_inputs_are_scaled_and_limited():
    wave, feature = CALIBRATION.inputs(np.zeros(1000), np.array([0.5, 100.0, -100.0]))
    assert wave.shape == (1, 1, 1, 1000)
    assert feature.tolist() == [[0.5, 4.0, -4.0]]
    assert wave.dtype == feature.dtype == np.float32
