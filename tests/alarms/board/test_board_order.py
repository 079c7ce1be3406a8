"""Readings of several lanes may reach the board in any order of the lanes."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from board_rules import BEDS, SETTINGS
from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.types import Reading

SLOW_BEATS = [43.0 if t % 40 > 20 else 30.0 if t % 40 > 15 else 70.0 for t in range(90)]
LANES = [
    [Reading("ppg.hr", float(t), SLOW_BEATS[t], "", 0.9, bed="bed1", source="node") for t in range(90)],
    [
        Reading("ppg.rhythm", t + 0.5, "af" if t > 30 else "sinus", "", 0.9, bed="bed1", source="node")
        for t in range(90)
    ],
    [Reading("camera.hr", t + 0.2, None, "", 0.0, "no_face", bed="bed1", source="cam") for t in range(90)],
    [Reading("ppg.hr", float(t), 150.0, "", 0.9, bed="bed2", source="x") for t in range(90)],
]


def told_of(events):
    board = Board({bed: rules_from(SETTINGS) for bed in BEDS}, boot="b")
    return sorted((replace(a, seq=0) for e in events for a in board.update(e)), key=lambda a: (a.t, a.id))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, len(LANES) - 1), max_size=400))
def test_lanes_may_arrive_in_any_order(picks):
    """Each lane in its own order is enough: the transitions are the same but for their numbers."""
    waiting = [list(reversed(lane)) for lane in LANES]
    arrived = [waiting[pick].pop() for pick in picks if waiting[pick]]
    arrived += [event for lane in waiting for event in reversed(lane)]
    expected = told_of(sorted((e for lane in LANES for e in lane), key=lambda e: e.t))
    assert len(expected) > 5
    assert told_of(arrived) == expected


def test_a_reading_that_comes_late_does_not_set_the_time_back_from_which_a_restart_goes_on():
    board = Board({bed: rules_from(SETTINGS) for bed in BEDS}, boot="b")
    board.tick(100.0)
    board.update(LANES[0][90 - 3])
    assert board.snapshot()["t"] == 100.0
