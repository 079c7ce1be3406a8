"""Conformal thresholds: the formula, by hand and by its promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.conformal import smallest_alpha, threshold


def test_by_hand():
    # Four people with two events each: missing one event of one person costs (0.5 + 1) / 5 = 0.3.
    scores = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6]
    people = [1, 1, 2, 2, 3, 3, 4, 4]
    assert threshold(scores, people, 0.2).value == 0.1
    told = threshold(scores, people, 0.3)
    assert (told.value, told.risk, told.bound, told.people, told.events) == (0.2, 0.125, 0.3, 4, 8)
    assert threshold(scores, people, 0.35).value == 0.2
    assert threshold(scores, people, 0.4).value == 0.3


def test_too_few_people_can_promise_nothing():
    assert smallest_alpha(22) == pytest.approx(1 / 23)
    told = threshold([0.5] * 22, range(22), 0.04)
    assert told.value is None
    assert told.words() == "no threshold keeps missed events under 0.04 with 22 people"
    assert threshold([0.5] * 22, range(22), 0.05).value == 0.5
    assert threshold([], [], 0.5).value is None


def test_every_person_weighs_the_same():
    many = [0.2] * 99 + [0.9]
    people = ["a"] * 99 + ["b"]
    assert threshold(many, people, 0.6).value == 0.2, "one person's hundred windows are one person"


def test_a_refused_event_is_missed():
    told = threshold([math.nan, 0.9, 0.8, 0.7], [1, 2, 3, 4], 0.5)
    assert (told.value, told.risk, told.bound) == (0.7, 0.25, 0.4)
    assert threshold([math.nan] * 4, [1, 2, 3, 4], 0.9).value is None


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="each event needs its person"):
        threshold([0.1], [], 0.1)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        threshold([0.1], [1], 0.0)


@given(
    events=st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9, math.nan]), st.integers(0, 8)), min_size=1),
    alpha=st.floats(0.05, 0.9),
)
def test_it_is_the_highest_threshold_that_keeps_the_bound(events, alpha):
    scores, people = zip(*events, strict=True)
    n = len(set(people))

    def bound(value):
        missed = [np.mean([not (s >= value) for s, q in events if q == p]) for p in set(people)]
        return (sum(missed) + 1) / (n + 1)

    told = threshold(scores, people, alpha)
    fitting = [v for v in sorted({s for s in scores if not math.isnan(s)}) if bound(v) <= alpha + 1e-9]
    assert told.value == (fitting[-1] if fitting else None)
    if told.value is not None:
        assert told.bound == pytest.approx(bound(told.value))


@pytest.mark.parametrize("alpha", [0.1, 0.2])
def test_new_people_are_missed_as_seldom_as_promised(alpha):
    rng = np.random.default_rng(7)
    missed = []
    for _ in range(400):
        skill = rng.normal(0, 1, 24)
        scores = rng.normal(skill[:, None], 1, (24, 6))
        found = threshold(scores[:23].ravel(), np.repeat(np.arange(23), 6).tolist(), alpha)
        assert found.value is not None
        missed.append(np.mean(scores[23] < found.value))
    assert np.mean(missed) <= alpha + 2 * np.std(missed) / 20
