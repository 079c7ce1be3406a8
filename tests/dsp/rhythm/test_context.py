"""What earlier windows of a person make likely: weighed as they fade, never those that overlap, forgotten in silence."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dsp.rhythm.context import FORGOTTEN_S, MEMORY_S, USUAL_S, Context

USUAL = np.array([0.3, 0.1, 0.1, 0.1, 0.1, 0.3])
SINUS, AF = np.eye(6)[0], np.eye(6)[5]


def context():
    return Context(USUAL, 10.0)


def listened(rows, *, hop_s=10.0, start=0.0):
    """A context that heard one window a hop."""
    found = context()
    for n, p in enumerate(rows):
        found.lean(start + n * hop_s)
        found.hear(start + n * hop_s + 10.0, p)
    return found


def test_where_nothing_was_heard_nothing_is_likelier_than_usual():
    told, seconds = context().lean(0.0)
    assert (told.tolist(), seconds) == ([0.0] * 6, 0.0)
    assert listened([SINUS]).lean(9.9)[1] == 0.0, "it overlaps"


def test_one_window_counts_once_it_is_over_and_as_much_as_it_is_long():
    told, seconds = listened([SINUS]).lean(10.0)
    assert seconds == 10.0
    share = (10.0 * SINUS + USUAL_S * USUAL) / (10.0 + USUAL_S)
    np.testing.assert_allclose(told, np.log(share / USUAL), rtol=1e-12)


def test_windows_every_two_seconds_say_as_much_as_windows_that_follow_each_other():
    often, seldom = listened([SINUS] * 146, hop_s=2.0), listened([SINUS] * 30)
    (told, seconds), (told_too, seconds_too) = often.lean(300.0), seldom.lean(300.0)
    assert seconds == pytest.approx(seconds_too, rel=0.02)
    np.testing.assert_allclose(told, told_too, atol=0.02)


def test_what_is_heard_for_long_is_bounded_by_the_memory():
    seconds = [listened([SINUS] * n).lean(10.0 * n)[1] for n in (30, 300, 3000)]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(10.0 / (1.0 - math.exp(-10.0 / MEMORY_S)))


def test_another_rhythm_is_believed_within_minutes():
    found = listened([SINUS] * 360)
    told = []
    for n in range(360, 430):
        told.append(found.lean(10.0 * n)[0])
        found.hear(10.0 * n + 10.0, AF)
    lean = [t[5] - t[0] for t in told]
    assert lean == sorted(lean)
    assert lean[0] < -4.0
    assert next(n for n, x in enumerate(lean) if x > -2.0) == 11, "two minutes"
    assert next(n for n, x in enumerate(lean) if x > 0.0) == 62, "ten minutes"


def test_twenty_seconds_without_a_readable_window_end_it():
    for silence_s, kept in ((FORGOTTEN_S, True), (FORGOTTEN_S + 0.1, False)):
        for overlaps in (False, True):
            found = listened([SINUS] * 6, hop_s=2.0 if overlaps else 10.0)
            last = 20.0 if overlaps else 60.0
            assert (found.lean(last + silence_s)[1] > 0.0) is kept
    fresh = context()
    fresh.hear(200.0, AF)
    forgot = listened([SINUS] * 6)
    forgot.lean(190.0)
    forgot.hear(200.0, AF)
    assert forgot.state() == fresh.state()


def test_reset_forgets():
    found = listened([SINUS, AF], hop_s=2.0)
    found.reset()
    assert found.state() == context().state()


probabilities = st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6).map(lambda x: np.array(x) + 1e-3)
steps = st.lists(st.tuples(st.floats(0.5, 70.0), st.booleans(), probabilities), max_size=40)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(0, 40))
def test_it_is_the_faded_sum_of_all_windows_that_are_over_and_goes_on_from_its_state(rows, cut):
    found, heard, start = context(), [], 0.0
    for n, (gap, readable, raw) in enumerate(rows):
        if n == cut:
            other = context()
            other.restore(found.state())
            assert other.state() == found.state()
            found = other
        start += gap
        told, seconds = found.lean(start)
        if heard and start - heard[-1][0] > FORGOTTEN_S:
            heard = []
        faded = [(w * math.exp((end - start) / MEMORY_S), p) for end, w, p in heard if end <= start + 1e-6]
        total = sum(w for w, _ in faded)
        shares = sum((w * p for w, p in faded), USUAL_S * USUAL) / (total + USUAL_S)
        assert seconds == pytest.approx(total)
        np.testing.assert_allclose(told, np.log(shares / USUAL), atol=1e-9)
        assert np.exp(told) @ USUAL == pytest.approx(1.0)
        if readable:
            end = start + 10.0
            heard.append((end, min(10.0, end - heard[-1][0]) if heard else 10.0, raw / raw.sum()))
            found.hear(end, raw / raw.sum())
