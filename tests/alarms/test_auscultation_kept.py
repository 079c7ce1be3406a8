"""What is remembered of each site: across a restart, for how long, and of which windows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.alarms.auscultation import KEPT_S, Auscultation, Place
from edge.types import Reading
from tests.alarms.test_auscultation import CALIBRATION, LOUD, QUIET, auscultation, listen, patient, window

PLACE = Place("p1", "MV", CALIBRATION)
TURNS = st.lists(
    st.sampled_from(["loud", "quiet", "torn", "noise", "warming_up", "MV", "AV", "", "another"]),
    min_size=2,
    max_size=40,
)


def take(one, turn, t):
    """One turn at ``t``: a window, a move, or another person; what is told of a window."""
    if turn in ("MV", "AV", ""):
        one.move(turn, t, by="ann")
    elif turn == "another":
        one.move("MV", t, person=f"{one.person}x")
    else:
        scores = {"loud": LOUD, "quiet": QUIET, "torn": LOUD}.get(turn)
        reason = {"noise": "low_quality", "warming_up": "warming_up"}.get(turn, "")
        return one.hear(window(t, scores, reason=reason, complete=turn != "torn")).detail
    return None


def moved(detail, by_s):
    """The same, its times ``by_s`` later."""
    if detail is None or "patient" not in detail:
        return detail
    sites = {name: {**site, "t": site["t"] + by_s} for name, site in detail["patient"]["sites"].items()}
    return {**detail, "patient": {**detail["patient"], "sites": sites}}


@settings(max_examples=60)
@given(TURNS, st.data(), st.sampled_from([0.0, 1000.0, -64.0]))
def test_a_restart_changes_nothing_of_what_follows(turns, data, shift_s):
    cut = data.draw(st.integers(0, len(turns) - 1))
    one, two = Auscultation(PLACE), Auscultation(PLACE)
    for k, turn in enumerate(turns):
        t = 100.0 + 2.0 * k
        if k == cut:
            two.restore(json.loads(json.dumps(one.snapshot())), shift_s)
            since, came = (None if t is None else t + shift_s for t in (one.since, one.person_since))
            assert (two.person, two.site, two.since, two.person_since, two.by, two.new_person) == (
                one.person,
                one.site,
                since,
                came,
                one.by,
                False,
            )
        told = take(one, turn, t)
        if k >= cut:
            assert take(two, turn, t + shift_s) == moved(told, shift_s)


def test_after_a_restart_the_last_half_minute_is_the_same_by_the_new_clock():
    one, two = auscultation(), auscultation()
    for t in range(100, 105):
        one.hear(window(float(t), LOUD))
    two.restore(json.loads(json.dumps(one.snapshot())), 1000.0)
    assert patient(two, 1131.0, LOUD)["sites"]["MV"]["windows"] == 4  # those of 1102 to 1104, and this one


def test_what_the_configuration_says_anew_counts_more_than_what_was_kept():
    one = auscultation()
    listen(one, "AV", 0.0, LOUD)
    saved = json.loads(json.dumps(one.snapshot()))
    other = Auscultation(Place("p2", "MV", CALIBRATION))
    other.restore(saved)
    assert (other.new_person, other.person, other.site) == (True, "p2", "MV")
    assert patient(other, 30.0)["sites"].keys() == {"MV"}
    elsewhere = Auscultation(Place("p1", "PV", CALIBRATION))
    elsewhere.restore(saved)
    assert (elsewhere.new_person, elsewhere.site, elsewhere.since, elsewhere.by) == (False, "PV", None, "")
    assert {site: told["windows"] for site, told in patient(elsewhere, 30.0)["sites"].items()} == {"AV": 15, "PV": 1}
    one.move("AV", 40.0, by="nurse", person="p3")
    nothing = Auscultation(Place("p1", "MV", None))
    nothing.restore(one.snapshot(), 5.0)
    assert (nothing.new_person, nothing.person, nothing.person_since, nothing.by) == (False, "p3", 45.0, "nurse")
    assert (nothing.site, nothing.since) == ("MV", None)


@pytest.mark.parametrize(("later_s", "windows"), [(KEPT_S, 15), (KEPT_S + 1.0, 1)])
def test_one_window_takes_the_place_of_what_nobody_remembers_only(later_s, windows):
    one = auscultation()
    listen(one, "MV", 0.0, LOUD)
    one.move("MV", 19.0 + later_s - 5.0)
    assert patient(one, 19.0 + later_s, QUIET)["sites"]["MV"]["windows"] == windows


@pytest.mark.parametrize(
    ("heard", "windows"),
    [
        ([("quiet", 3), ("torn", 4)], 3),  # whole windows where there are any
        ([("torn", 4)], 4),
        ([("noise", 2), ("quiet", 3), ("noise", 2)], 3),
        ([("warming_up", 4)], None),
        ([("noise", 4)], 0),
    ],
)
def test_which_windows_are_judged(heard, windows):
    one, t = auscultation(), 10.0
    for turn, count in heard:
        for _ in range(count):
            told = take(one, turn, t)
            t += 1.0
    sites = told["patient"]["sites"]
    assert sites.keys() == (set() if windows is None else {"MV"})
    assert windows is None or sites["MV"]["windows"] == windows


def test_a_verdict_without_scores_is_no_window_and_an_old_place_is_not_repeated():
    one = auscultation()
    bare = Reading(
        "pcg.murmur", 10.0, 0.5, "", 0.9, "", {"decision": "absent", "site": "TV", "patient": 1}, "bed1", "node"
    )
    assert one.hear(bare).detail["patient"]["sites"] == {}
    assert auscultation("").hear(bare).detail == {"decision": "absent"}
    assert patient(one, 11.0, source="other")["sites"].keys() == {"MV"}, "whoever is heard first is listened to"
    assert "patient" not in one.hear(window(12.0)).detail
