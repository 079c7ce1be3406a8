"""The constants of the rhythm in context are fitted to what the analyzer then computes."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from edge.dsp.rhythm.context import Context
from edge.dsp.rhythm.decision import LABELS, Calibration, decide
from tool_module import loaded


@pytest.fixture(scope="module")
def fitting() -> ModuleType:
    with loaded("train/rhythm_context.py") as module:
        yield module


@pytest.fixture
def crowd() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, labels and people: each person has two rhythms, and a network that takes each for any other at times."""
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(24), 40)
    label = np.where(rng.random(len(person)) < 0.8, person % 6, (person + 1) % 6)
    logits = rng.normal(0.0, 2.0, (len(person), 7))
    logits[np.arange(len(person)), label] += 3.0
    logits[:, 6] -= 4.0
    logits[::50, 6] += 12.0  # no pulse
    return logits, label, person


def test_windows_before_tell_more_and_the_threshold_leaves_the_share_it_promises(fitting, crowd) -> None:
    logits, label, person = crowd
    constants = fitting.Constants.fitted(logits, label, person)
    assert constants.before_slope > 0.2
    judged = constants.judged(logits, person)
    alone = fitting.alone(logits, constants.temperature)
    assert np.mean(judged.argmax(axis=1) == label) > np.mean(alone.argmax(axis=1) == label) + 0.02
    passed = np.exp(judged)[label != 5, 5] >= constants.threshold
    assert np.mean(passed) == pytest.approx(1 - fitting.SPECIFICITY, abs=2 / len(passed))


def test_it_is_what_the_analyzer_says_window_by_window(fitting, crowd) -> None:
    logits, label, person = crowd
    c = fitting.Constants.fitted(logits, label, person)
    nothing = np.zeros(1)
    calibration = Calibration(
        c.temperature, 0.0, c.usual, c.own_slope, c.before_slope, c.threshold, fitting.NONE_LIMIT, nothing, nothing
    )
    judged = np.exp(c.judged(logits, person))
    refused = 0
    for who in np.unique(person):
        context = Context(c.usual, 10.0)
        for n, row in enumerate(np.flatnonzero(person == who)):
            verdict = decide(logits[row], context.lean(10.0 * n)[0], calibration)
            np.testing.assert_allclose(judged[row], verdict.probabilities, rtol=1e-9)
            refused += not verdict.decision
            if verdict.decision:
                context.hear(10.0 * n + 10.0, verdict.alone)
    assert refused >= 10


def test_every_fold_is_judged_by_the_constants_of_the_others(fitting, crowd) -> None:
    logits, label, person = crowd
    fold = person // 6 % 2
    other = fitting.Constants.fitted(logits[fold == 1], label[fold == 1], person[fold == 1])
    told = fitting.cross_fitted(logits, label, person, fold)
    np.testing.assert_array_equal(told[fold == 0], other.judged(logits[fold == 0], person[fold == 0]))


def test_a_rhythm_that_is_missing_is_named(fitting, crowd) -> None:
    logits, label, person = crowd
    with pytest.raises(ValueError, match=f"no window of {LABELS[3]} to fit to"):
        fitting.Constants.fitted(logits[label != 3], label[label != 3], person[label != 3])
