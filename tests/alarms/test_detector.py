"""Delays and confirmation by event time, exactly."""

import json
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.alarms.detector import Detector
from edge.alarms.rules import rules_from
from edge.ranges import LongHop

LETTERS = {"y": "yes", "n": "no", "b": "between", "u": "unknown"}


def detector(on=3.0, off=2.0, **kw):
    return Detector(rules_from({"brady": {"on_delay_s": on, "off_delay_s": off, **kw}})["brady"])


def follow(one, verdicts, start=0):
    return "".join("X" if one.feed(float(start + i), LETTERS[v]) else "-" for i, v in enumerate(verdicts))


@pytest.mark.parametrize(
    ("verdicts", "present"),
    [
        ("yyyyy", "---XX"),
        ("yyyynnnyyyy", "---XXX----X"),  # each time anew
        ("yyynyyyy", "-------X"),  # a good reading starts it again
        ("yyuuyyy", "------X"),  # poor quality pauses it: 1 s before, 2 s after
        ("yubyuyy", "-------"),  # nothing between two that say the same
        ("yybbyyy", "------X"),  # inside the hysteresis: paused
        ("yyyynnn", "---XXX-"),
        ("yyyynbnnn", "---XXXXX-"),  # back inside the hysteresis: still there
        ("yyyynnbnnn", "---XXXXXX-"),  # and what was over before does not count on
        ("yyyynnynnn", "---XXXXXX-"),
        ("yyyynuunnn", "---XXXXXX-"),  # unknown pauses the off-delay
        ("yyyyuuuuuuuu", "---XXXXXXXXX"),  # unknown never clears
        ("uuuuuuuu", "--------"),  # and never raises
    ],
)
def test_delays(verdicts, present):
    assert follow(detector(), verdicts) == present


def test_no_delay_is_at_once():
    assert follow(detector(0, 0), "nynyu") == "-X-XX"


def test_a_hole_in_the_data_is_no_evidence():
    one = detector(on=10.0)
    assert not one.feed(0.0, "yes")
    assert not one.feed(60.0, "yes")
    assert one.since == 0.0
    for t in (65.0, 70.001):  # five seconds count, more do not
        assert not one.feed(t, "yes")
    assert one.feed(75.001, "yes")


def test_readings_of_the_longest_hop_there_may_be_are_no_hole():
    hop_s = get_args(LongHop)[1].le
    one = detector(on=10.0, off=10.0)
    said = [one.feed(round(0.3 + i * hop_s, 9), verdict) for i, verdict in enumerate(["yes"] * 3 + ["no"] * 3)]
    assert said == [False, False, True, True, True, False]


def test_old_readings_are_ignored():
    one = detector(0, 0)
    assert one.feed(5.0, "yes")
    assert one.feed(4.0, "no")
    assert one.feed(5.0, "no")


def test_k_of_n_counts_windows_a_window_apart():
    one = detector(0, 0, k=2, n=3, spacing_s=10.0)
    assert follow(one, "y" * 10) == "-" * 10
    assert one.feed(10.0, "yes")
    assert one.since == 0.0
    assert follow(one, "n" * 9, start=11) == "X" * 9, "these are the same window"
    assert one.feed(20.0, "no"), "2 of 3"
    assert not one.feed(30.0, "no"), "1 of 3"
    assert not one.feed(40.0, "yes")
    assert one.feed(50.0, "yes")
    assert one.since == 40.0, "the windows that spoke against it do not count"


def test_between_k_and_what_is_left_of_n_a_confirmed_condition_stays():
    """5 of 7 raise; with 4 or 3 of them it is neither, with 2 as many agree that it is over."""
    assert follow(detector(0, 0, k=5, n=7, spacing_s=1.0), "yyyyynnnnn") == "----XXXXX-"


def test_inside_the_hysteresis_is_no_vote():
    assert follow(detector(0, 0, k=2, n=2, spacing_s=1.0), "yby") == "--X"


def test_what_is_not_known_is_no_vote():
    assert follow(detector(0, 0, k=2, n=2, spacing_s=1.0), "yuuuy") == "----X"
    assert follow(detector(0, 0, k=2, n=3, spacing_s=1.0), "yyuuuunun") == "-XXXXXXX-"


def test_votes_are_forgotten_in_time():
    one = detector(0, 0, k=2, n=3, spacing_s=10.0)
    one.feed(0.0, "yes")
    assert not one.feed(60.5, "yes")
    assert one.feed(120.5, "yes"), "what lies twice n windows back still counts"


def test_after_a_hole_in_which_all_votes_are_forgotten_a_condition_begins_anew():
    one = detector(15.0, 0, k=2, n=2, spacing_s=10.0)
    assert follow(one, "y" * 15) == "-" * 15, "five of fifteen seconds since the second vote"
    assert follow(one, "y" * 25, start=5000) == "-" * 25
    assert one.feed(5025.0, "yes")
    assert one.since == 5000.0


def test_a_window_counts_a_millisecond_early():
    one = detector(0, 0, k=2, n=3, spacing_s=10.0)
    one.feed(0.0, "yes")
    assert not one.feed(9.9989, "yes")
    assert one.feed(9.9991, "yes")


def test_a_state_runs_by_the_clock_and_changes_when_it_was_due():
    one = Detector(rules_from({"source_lost": {"on_delay_s": 3, "off_delay_s": 2}})["source_lost"], clocked=True)
    one.feed(10.0, "yes")
    assert not one.tick(12.9)
    assert one.tick(20.0)
    assert (one.since, one.changed_at) == (10.0, 13.0)
    one.feed(19.0, "no")
    assert one.tick(21.0)
    assert not one.tick(22.5)
    assert one.changed_at == 22.0


VERDICTS = st.lists(st.sampled_from("yynbu"), max_size=60).map("".join)


@given(before=VERDICTS, after=VERDICTS, k=st.integers(1, 3))
def test_going_on_from_its_state_changes_nothing(before, after, k):
    settings = {"k": k, "n": 3, "spacing_s": 2.0}
    one, two = detector(**settings), detector(**settings)
    follow(one, before)
    two.restore(json.loads(json.dumps(one.snapshot())), shift_s=1000.0)
    assert follow(one, after, len(before)) == follow(two, after, len(before) + 1000)


def test_a_condition_that_wants_no_confirmation_any_more_did_not_begin_with_a_vote_of_before():
    one, two = detector(0, 0, k=5, n=7, spacing_s=10.0), detector(0, 0)
    one.feed(0.0, "yes")
    two.restore(one.snapshot())
    assert two.feed(500.0, "yes")
    assert two.since == 500.0


@given(VERDICTS)
def test_unknown_readings_never_raise_nor_clear(verdicts):
    one = detector()
    was = False
    for i, verdict in enumerate(verdicts):
        now = one.feed(float(i), LETTERS[verdict])
        if verdict in "ub" and not was:
            assert not now
        if verdict in "uby" and was:
            assert now
        was = now


@given(
    before=VERDICTS.map(lambda verdicts: verdicts + "y" * 20),
    after=st.lists(st.tuples(st.sampled_from("yyyu"), st.sampled_from([0.5, 1.0, 1.5, 3.0, 70.0])), max_size=40),
    k=st.integers(1, 5),
)
@example(before="y" * 20, after=[("u", 70.0), *[("y", 1.5)] * 10], k=3)  # its votes were forgotten meanwhile
def test_what_is_present_ends_only_when_something_is_said_against_it(before, after, k):
    one = detector(0, 2, k=k, n=5, spacing_s=2.0)
    assert follow(one, before)[-1] == "X"
    t = float(len(before))
    for verdict, step_s in after:
        t += step_s
        assert one.feed(t, LETTERS[verdict])


@given(VERDICTS, st.data())
def test_flicker_of_quality_never_resets_the_on_delay(verdicts, data):
    """With any unknown readings put in, whatever was present becomes present, later."""
    plain = follow(detector(), verdicts)
    if "X" not in plain:
        return
    first = plain.index("X")
    head = verdicts[: first + 1]
    flickering = "".join(v + "u" * data.draw(st.integers(0, 3)) + (v if v == "y" else "") for v in head)
    assert "X" in follow(detector(), flickering + "yyyy")
