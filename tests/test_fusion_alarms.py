"""Fusion in front of the board: agreement keeps a false alarm away, and doubt hides none."""

from typing import get_args

import pytest

from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.fusion import Fusion, fuse
from edge.ranges import Hop
from edge.types import Reading
from fused_lanes import fused, hop, lane, run

LONGEST_S = get_args(Hop)[1].le


def test_an_alarm_of_several_lanes_names_them_and_the_models_and_cards_they_came_from():
    cards = {"camera_pulse": "c" * 64, "rhythm": "d" * 64}
    board = Board({"bed1": rules_from({"tachy": {"severe_on_delay_s": 0}}, fused=True)}, boot="b", cards=cards)
    seen = Reading("camera.hr", 10.0, 151.0, "bpm", 0.8, bed="bed1", source="cam", model="camera_pulse 1 onnx-int8")
    told = fuse({"node/ppg.hr": lane("node/ppg.hr", 150.0), "cam/camera.hr": seen}, bed="bed1")
    (alarm,) = [a for r in told for a in board.update(r) if a.condition == "tachy"]
    detail = alarm.evidence["reading"]["detail"]
    assert detail["models"] == {"cam/camera.hr": "camera_pulse 1 onnx-int8"}
    assert (detail["lanes"], detail["agree"]) == (
        {"node/ppg.hr": 150.0, "cam/camera.hr": 151.0},
        ["node/ppg.hr", "cam/camera.hr"],
    )
    assert alarm.evidence["cards"] == {"cam/camera.hr": "c" * 64}


def story(ppg, others, seconds=40, **detail):
    """What the board says of ppg.hr at one rate while other lanes say another, with fusion in front of it."""
    board, fusion, told = Board({"bed1": rules_from({}, fused=True)}, boot="b"), Fusion(), []
    for t in range(seconds):
        reason = "no_pulse" if ppg is None else ""
        first = lane("node/ppg.hr", ppg, t=float(t), reason=reason, **detail)
        for reading in (first, *(lane(name, rate, t=float(t)) for name, rate in others.items())):
            told += board.update(reading)
            for f in fusion.update(reading):
                told += board.update(f)
    return [a for a in told if a.kind == "physiological"]


def in_short(alarms):
    return [(a.condition, a.priority, a.presence) for a in alarms]


TWO_AGREE = {"cam/camera.hr": 75.0, "node/pcg.hr": 74.0}
STOPPED = {"asystole": 1, "longest_gap_s": 6.0}


@pytest.mark.parametrize(
    ("ppg", "detail", "condition", "priority"),
    [(150.0, {}, "tachy", "high"), (36.0, {}, "brady", "high"), (None, STOPPED, "asystole", "high")],
)
def test_two_good_lanes_that_agree_keep_a_false_alarm_away_and_one_alone_does_not(ppg, detail, condition, priority):
    alarm = (condition, priority, "on")
    assert alarm in in_short(story(ppg, {}, **detail))
    assert alarm in in_short(story(ppg, {"cam/camera.hr": 75.0}, **detail)), "one against one hides nothing"
    told = story(ppg, TWO_AGREE, **detail)
    assert in_short(told) == ([] if ppg is None else [("hr_disagree", "low", "on")])


@pytest.mark.parametrize(("ppg", "condition"), [(150.0, "tachy"), (36.0, "brady")])
def test_the_alarm_about_disagreement_says_what_was_kept_away_and_by_whom(ppg, condition):
    (told,) = story(ppg, TWO_AGREE)
    assert told.value == pytest.approx(abs(ppg - (75.0 if ppg < 75 else 74.0)))
    evidence = told.evidence["reading"]["detail"]
    assert evidence == {"node/ppg.hr": ppg, **TWO_AGREE, "suppressed": condition}


@pytest.mark.parametrize(
    ("ppg", "detail", "condition"), [(150.0, {}, "tachy"), (36.0, {}, "brady"), (None, STOPPED, "asystole")]
)
def test_the_fused_reading_says_what_was_kept_away(ppg, detail, condition):
    reason = "no_pulse" if ppg is None else ""
    first = lane("node/ppg.hr", ppg, reason=reason, **detail)
    hr = fused(first, *(lane(name, rate) for name, rate in TWO_AGREE.items()))["fused.hr"]
    assert hr.detail["suppressed"] == [condition]
    assert hr.value == pytest.approx(74.5)


@pytest.mark.parametrize("hop_s", [1.0, LONGEST_S])
def test_a_lane_of_the_longest_hop_there_may_be_alarms_beside_one_that_disagrees(hop_s):
    board = Board({"bed1": rules_from({}, fused=True)}, boot="x")
    fast = hop("node/ppg.hr", 0.3, hop_s, [150.0] * round(60 / hop_s), quality=0.9)
    calm = hop("cam/camera.hr", 0.5, 1.0, [75.0] * 60, quality=0.6)
    alarms = [a for f in run(sorted(fast + calm, key=lambda r: r.t)) for a in board.update(f)]
    assert ("tachy", "high") in {(a.condition, a.priority) for a in alarms}


def test_good_signals_that_disagree_alarm_and_poor_ones_do_not():
    assert in_short(story(75.0, {"cam/camera.hr": 100.0})) == [("hr_disagree", "low", "on")]
    assert story(75.0, {"cam/camera.hr": 80.0}) == []
    poor = {"fused.spread": lane("node/ppg.hr", 75.0, 0.4), "x": lane("cam/camera.hr", 110.0, 0.9)}
    spread = fuse(poor, bed="bed1")[1]
    assert (spread.value, spread.quality, spread.reason) == (None, 0.0, "low_quality")
    just = fused(lane("node/ppg.hr", 75.0, 0.5), lane("cam/camera.hr", 110.0, 0.9))["fused.spread"]
    assert (just.value, just.quality) == (35.0, 0.5)


def test_that_good_signals_differ_is_no_fault_of_a_sensor_however_long_it_lasts():
    board = Board({"bed1": rules_from({}, fused=True)}, boot="b")
    lanes = [hop(name, 0.0, 1.0, [rate] * 300) for name, rate in (("node/ppg.hr", 70.0), ("cam/camera.hr", 110.0))]
    both = sorted((reading for one in lanes for reading in one), key=lambda reading: reading.t)
    told = [a for reading in (*both, *run(both)) for a in board.update(reading)]
    assert {(a.condition, a.source) for a in told} == {("hr_disagree", "")}


@pytest.mark.parametrize(("restarted", "over"), [(False, 52.0), (True, 55.0)])
def test_where_one_of_two_that_differed_is_away_they_differ_no_more(restarted, over):
    board, fusion, told = Board({"bed1": rules_from({}, fused=True)}, boot="b"), Fusion(), []
    for t in range(90):
        readings = [lane("node/ppg.hr", 70.0, t=float(t))]
        readings += [lane("cam/camera.hr", 110.0, t=float(t))] if t < 40 else []
        for fused_one in (f for reading in readings for f in fusion.update(reading)):
            told += board.update(fused_one)
        if restarted and t == 42:
            board = Board({"bed1": rules_from({}, fused=True)}, boot="c", state=board.snapshot(), shift_s=0.0)
            fusion = Fusion()
    assert [(a.condition, a.t, a.presence) for a in told] == [("hr_disagree", 22.0, "on"), ("hr_disagree", over, "off")]


@pytest.mark.parametrize(("away_s", "every_s", "raised"), [(4, 24, 24.0), (5, 18, 28.0)])
def test_a_hole_in_one_of_two_lanes_is_no_word_against_their_difference(away_s, every_s, raised):
    board, fusion, told = Board({"bed1": rules_from({}, fused=True)}, boot="b"), Fusion(), []
    for t in range(120):
        readings = [lane("node/ppg.hr", 60.0, t=float(t))]
        readings += [lane("cam/camera.hr", 95.0, t=float(t))] if t % every_s < every_s - away_s else []
        for fused_one in (f for reading in readings for f in fusion.update(reading)):
            told += board.update(fused_one)
    assert [(a.condition, a.t, a.presence) for a in told] == [("hr_disagree", raised, "on")]
