"""Fusion: what agrees counts, what disagrees is said, and the order of arrival does not matter."""

from dataclasses import replace
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.fusion import Fusion
from edge.ranges import Hop
from edge.types import Reading
from fused_lanes import fused, hop, lane, run

LONGEST_S = get_args(Hop)[1].le


def test_one_lane_is_itself():
    told = fused(lane("node/ppg.hr", 70.0, 0.6))
    assert list(told) == ["fused.hr"]
    hr = told["fused.hr"]
    assert (hr.value, hr.quality, hr.t, hr.bed, hr.reason) == (70.0, pytest.approx(0.6), 10.0, "bed1", "")


@pytest.mark.parametrize(("quality", "value"), [(0.2, 70.0), (0.19, None)])
def test_a_lane_of_too_little_quality_is_not_asked(quality, value):
    assert fused(lane("node/ppg.hr", 70.0, quality))["fused.hr"].value == value


def test_agreeing_lanes_are_weighed_by_quality_and_raise_it():
    hr = fused(lane("node/ppg.hr", 70.0, 0.9), lane("cam/camera.hr", 73.0, 0.3, t=10.4))["fused.hr"]
    assert hr.value == pytest.approx(70.75)
    assert hr.quality == pytest.approx(1 - 0.1 * 0.7)
    assert hr.t == 10.4
    assert hr.detail["agree"] == ["node/ppg.hr", "cam/camera.hr"]


@pytest.mark.parametrize(
    ("a", "b", "agree"),
    [(40.0, 45.0, True), (40.0, 45.1, False), (150.0, 165.5, True), (150.0, 166.0, False)],
)
def test_lanes_agree_within_five_bpm_or_a_tenth(a, b, agree):
    told = fused(lane("node/ppg.hr", a), lane("cam/camera.hr", b))
    assert (told["fused.hr"].value is not None, told["fused.hr"].reason) == (agree, "" if agree else "disagreement")


def test_an_alarm_of_disagreeing_lanes_names_the_models_they_came_from():
    seen = Reading("camera.hr", 10.0, 120.0, "bpm", 0.8, bed="bed1", source="cam", model="camera_pulse 1 onnx-int8")
    spread = fused(lane("node/ppg.hr", 70.0), seen)["fused.spread"]
    assert spread.detail["models"] == {"cam/camera.hr": "camera_pulse 1 onnx-int8"}


def test_two_that_disagree_have_no_value_and_hide_no_alarm():
    told = fused(lane("node/ppg.hr", 36.0, 0.8, brady_bpm=35.0, asystole=0), lane("cam/camera.hr", 72.0, 0.7))
    hr = told["fused.hr"]
    assert (hr.value, hr.reason, hr.quality, hr.detail["agree"]) == (None, "disagreement", 0.0, [])
    assert (hr.detail["brady_bpm"], hr.detail["tachy_bpm"], hr.detail["suppressed"]) == (35.0, 72.0, [])
    assert (told["fused.spread"].value, told["fused.spread"].quality) == (36.0, 0.7)


def test_two_that_agree_overrule_a_third_and_say_so():
    hr = fused(
        lane("node/ppg.hr", 150.0, 0.9, tachy_bpm=152.0, brady_bpm=148.0, asystole=0),
        lane("node/pcg.hr", 76.0, 0.6),
        lane("cam/camera.hr", 75.0, 0.6),
    )["fused.hr"]
    assert hr.value == pytest.approx(75.5)
    assert hr.detail["overruled"] == {"node/ppg.hr": 150.0}
    assert hr.detail["suppressed"] == ["tachy"]
    assert (hr.detail["tachy_bpm"], hr.detail["brady_bpm"]) == (76.0, 75.0)


@pytest.mark.parametrize(("better", "value"), [(0.75, 75.0), (0.74, None)])
def test_a_far_better_lane_gives_the_value_but_cannot_overrule_alone(better, value):
    hr = fused(lane("node/ppg.hr", 150.0, 0.375), lane("cam/camera.hr", 75.0, better))["fused.hr"]
    assert hr.value == value
    assert hr.detail["overruled"] == {}
    assert hr.detail["tachy_bpm"] == 150.0


@pytest.mark.parametrize(
    ("other", "value", "overruled"),
    [(0.375, 75.0, ["a/ppg.hr", "b/ppg.hr"]), (0.5, None, [])],
    ids=["outweighed", "as heavy"],
)
def test_a_pair_that_agrees_overrules_only_what_it_outweighs_in_all(other, value, overruled):
    pair = lane("node/pcg.hr", 75.0, 0.5), lane("cam/camera.hr", 75.0, 0.5)
    hr = fused(lane("a/ppg.hr", 150.0, other), lane("b/ppg.hr", 110.0, other), *pair)["fused.hr"]
    assert (hr.value, list(hr.detail["overruled"])) == (value, overruled)
    assert hr.detail["tachy_bpm"] == (75.0 if overruled else 150.0)


@pytest.mark.parametrize(("poor", "rates"), [(118.0, (129.0, 141.0)), (153.0, (129.0, 141.0)), (60.0, (64.0, 68.0))])
def test_of_a_lane_between_two_others_the_heavier_pair_counts(poor, rates):
    """Whether the poor lane is the slowest or the fastest of three in a row."""
    good = [lane(name, rate, 0.9) for name, rate in zip(("node/ppg.hr", "node/pcg.hr"), rates, strict=True)]
    hr = fused(*good, lane("cam/camera.hr", poor, 0.3))["fused.hr"]
    assert hr.value == pytest.approx(sum(rates) / 2)
    assert hr.detail["overruled"] == {"cam/camera.hr": poor}
    assert hr.detail["tachy_bpm"] == rates[1]


def test_an_overruled_lane_keeps_away_only_what_it_would_have_raised():
    slow = lane("node/ppg.hr", 150.0, 0.9, brady_bpm=75.0, tachy_bpm=None)
    calm = [lane(name, 75.0, 0.6) for name in ("node/pcg.hr", "cam/camera.hr")]
    assert fused(slow, *calm)["fused.hr"].detail["suppressed"] == []
    fast = lane("node/ppg.hr", 36.0, 0.9, brady_bpm=None, tachy_bpm=75.0)
    assert fused(fast, *calm)["fused.hr"].detail["suppressed"] == []


@pytest.mark.parametrize(("rate", "kept"), [(36.0, "brady"), (150.0, "tachy")])
def test_what_agreement_keeps_away_stands_in_the_evidence_of_the_disagreement_too(rate, kept):
    calm = [lane(name, 75.0, 0.6) for name in ("node/pcg.hr", "cam/camera.hr")]
    told = fused(lane("node/ppg.hr", rate, 0.9), *calm)
    assert told["fused.hr"].detail["suppressed"] == [kept]
    assert told["fused.spread"].detail["suppressed"] == kept
    assert "suppressed" not in fused(*calm)["fused.spread"].detail


def test_an_agreeing_lanes_own_beats_are_kept():
    hr = fused(lane("node/ppg.hr", 70.0, brady_bpm=38.0, tachy_bpm=None), lane("cam/camera.hr", 71.0))["fused.hr"]
    assert (hr.detail["brady_bpm"], hr.detail["tachy_bpm"]) == (38.0, 71.0)
    assert fused(lane("node/ppg.hr", 70.0, brady_bpm=True))["fused.hr"].detail["brady_bpm"] is None, "a word, no rate"


def test_a_missing_pulse_is_passed_on_unless_two_good_lanes_see_one():
    stopped = lane("node/ppg.hr", None, reason="no_pulse", asystole=1, longest_gap_s=5.0)
    sound, face = lane("node/pcg.hr", 70.0), lane("cam/camera.hr", 71.0)
    alone = fused(stopped)["fused.hr"]
    assert (alone.value, alone.reason, alone.detail["asystole"], alone.detail["longest_gap_s"]) == (
        None,
        "no_pulse",
        1,
        5.0,
    )
    one = fused(stopped, face)["fused.hr"]
    assert (one.detail["asystole"], one.detail["suppressed"]) == (1, [])
    both = fused(stopped, sound, face)["fused.hr"]
    assert (both.detail["asystole"], both.detail["suppressed"]) == (0, ["asystole"])
    for quality, missed in ((0.5, 0), (0.49, 1)):
        assert fused(stopped, lane("node/pcg.hr", 70.0, quality), face)["fused.hr"].detail["asystole"] == missed
    for rate, missed in ((45.0, 0), (45.1, 1)):
        slow = lane("cam/camera.hr", 40.0), lane("node/pcg.hr", rate)
        assert fused(stopped, *slow)["fused.hr"].detail["asystole"] == missed
    itself = lane("node/ppg.hr", 70.0, asystole=1, longest_gap_s=5.0)
    assert fused(itself, face)["fused.hr"].detail["asystole"] == 1, "a lane does not speak against itself"
    sure = Reading("ppg.hr", 10.0, None, "bpm", 0.9, "no_pulse", {"asystole": 1}, "bed1", "node")
    assert fused(sure, face)["fused.hr"].detail["asystole"] == 1
    beating = lane("node/pcg.hr", 70.0, asystole=0, longest_gap_s=9.0)
    assert fused(stopped, beating)["fused.hr"].detail["longest_gap_s"] == 5.0, "of the lane that misses the pulse"
    longer = lane("other/ppg.hr", None, reason="no_pulse", asystole=1, longest_gap_s=6.0)
    assert fused(stopped, longer)["fused.hr"].detail["longest_gap_s"] == 6.0
    again = fused(beating)["fused.hr"].detail
    assert (again["asystole"], again["longest_gap_s"]) == (0, 9.0), "what says that a missing pulse is back"


@pytest.mark.parametrize(("rate", "key", "kept"), [(150.0, "tachy_bpm", "tachy"), (35.0, "brady_bpm", "brady")])
def test_lanes_that_agree_and_know_of_no_such_beats_say_what_they_keep_away(rate, key, kept):
    calm = [lane(name, 75.0, 0.6, **{key: None}) for name in ("other/ppg.hr", "third/ppg.hr")]
    detail = fused(lane("node/ppg.hr", rate, 0.9), *calm)["fused.hr"].detail
    assert (detail["overruled"], detail[key], detail["suppressed"]) == ({"node/ppg.hr": rate}, None, [kept])


def test_without_any_value_the_most_trusted_lane_says_why():
    hr = fused(lane("node/ppg.hr", None, reason="motion"), lane("cam/camera.hr", None, reason="no_face"))["fused.hr"]
    assert (hr.value, hr.reason) == (None, "motion")
    assert hr.detail["asystole"] is None
    poor = fused(lane("node/ppg.hr", 70.0, 0.1))["fused.hr"]
    assert (poor.value, poor.reason) == (None, "low_quality")


def test_every_second_is_fused_once_and_at_once_with_one_lane():
    one = Fusion()
    told = [[f.t for f in one.update(r)] for r in hop("node/ppg.hr", 0.3, 0.5, [70.0] * 12)]
    assert [t for ts in told for t in ts] == pytest.approx([3.3, 4.3, 5.3])
    assert [len(ts) for ts in told] == [0] * 6 + [1, 0, 1, 0, 1, 0], "no lane is waited for that is not there"


@pytest.mark.parametrize(("start", "first"), [(0.0, 73.0), (0.5, None)])
def test_a_longer_hop_counts_for_two_seconds_and_no_longer(start, first):
    face = hop("cam/camera.hr", start, 2.0, [72.0, 73.0, 74.0, 75.0])
    readings = sorted(hop("node/ppg.hr", 0.0, 1.0, [70.0] * 12) + face, key=lambda r: r.t)
    told = [f for f in run(readings) if f.metric == "fused.hr"]
    rates = [f.detail["lanes"].get("cam/camera.hr") for f in told]
    assert rates == [first, 73.0, 74.0, 74.0, 75.0, 75.0, 75.0, None, None, None]


def test_a_lane_of_the_longest_hop_there_may_be_is_told_of_every_time():
    told = run(hop("node/ppg.hr", 0.3, LONGEST_S, [70.0] * 8))
    assert [f.t for f in told] == pytest.approx([0.3 + LONGEST_S * i for i in range(1, 8)])


def test_a_lane_that_stops_is_waited_for_and_then_left():
    ppg = hop("node/ppg.hr", 0.0, 1.0, [70.0] * 20)
    face = hop("cam/camera.hr", 0.0, 1.0, [72.0] * 6)
    one, waited = Fusion(), {}
    for r in sorted(ppg + face, key=lambda r: r.t):
        for f in one.update(r):
            if f.metric == "fused.hr":
                waited[f.t] = r.t - f.t
    assert [waited[float(t)] for t in range(3, 15)] == [0, 0, 0, 3, 3, 3, 3, 3, 2, 1, 0, 0]


def test_of_a_lane_a_reading_that_comes_again_or_late_changes_nothing():
    readings = hop("node/ppg.hr", 0.0, 2.0, [70.0, 71.0, 72.0, 73.0])
    face = hop("cam/camera.hr", 0.0, 1.0, [72.0] * 8)
    late = [lane("node/ppg.hr", 120.0, t=2.0), lane("node/ppg.hr", 120.0, t=1.0)]
    arrived = sorted(readings + face, key=lambda r: r.t)
    assert run([*arrived[:5], *late, *arrived[5:]]) == run(arrived)
    assert arrived[4].t == 2.0


def test_readings_of_long_ago_are_not_told_as_now():
    told = run(hop("node/ppg.hr", 0.0, 1.0, [70.0] * 6) + hop("node/ppg.hr", 3600.0, 1.0, [80.0] * 6), flush=False)
    assert [f.t for f in told] == [2.0, 3.0, 4.0, 5.0, 3602.0, 3603.0, 3604.0, 3605.0]


def test_what_was_waited_for_is_told_at_the_end_of_a_recording_and_not_hours_later():
    ppg, face = hop("node/ppg.hr", 0.0, 1.0, [70.0] * 6), hop("cam/camera.hr", 0.0, 1.0, [72.0] * 4)
    one = Fusion()
    told = [f.t for r in sorted(ppg + face, key=lambda r: r.t) for f in one.update(r) if f.metric == "fused.hr"]
    waiting = one.state()
    assert told == [2.0, 3.0]
    assert [f.t for f in one.flush() if f.metric == "fused.hr"] == [4.0, 5.0]
    later = Fusion()
    later.restore(waiting)
    assert [f.t for r in hop("node/ppg.hr", 3600.0, 1.0, [80.0] * 3) for f in later.update(r)] == [3602.0]


def test_other_metrics_are_no_business_of_fusion():
    one = Fusion()
    assert one.update(lane("node/pcg.murmur", 0.5)) == []
    assert one.flush() == []


def test_of_a_bed_in_standby_that_is_said():
    told = run(hop("node/ppg.hr", 0.0, 1.0, [None] * 6, reason="standby"))
    assert {(f.metric, f.value, f.quality, f.reason) for f in told} == {("fused.hr", None, 0.0, "standby")}


def test_beds_keep_apart():
    readings = hop("node/ppg.hr", 0.0, 1.0, [70.0] * 8)
    other = [Reading("ppg.hr", r.t, 150.0, quality=0.9, bed="bed2", source="x") for r in readings]
    told = run([r for pair in zip(readings, other, strict=True) for r in pair])
    assert {(f.bed, f.value) for f in told} == {("bed1", 70.0), ("bed2", 150.0)}


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.sampled_from([None, 40.0, 70.0, 72.0, 150.0]), min_size=45, max_size=45),
    late=st.lists(st.floats(0.0, 1.9), min_size=45, max_size=45),
    phases=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    gone=st.integers(0, 15),
)
def test_the_order_of_arrival_does_not_matter(values, late, phases, gone):
    """Any delay up to 2 s of each reading that keeps each lane in order gives the same fused readings."""
    names = ("node/ppg.hr", "node/pcg.hr", "cam/camera.hr")
    lanes = [
        hop(name, phase, hop_s, values[15 * i : 15 * (i + 1)])
        for i, (name, phase, hop_s) in enumerate(zip(names, phases, (1.0, 1.0, 2.0), strict=True))
    ]
    lanes[1] = lanes[1][:gone] + lanes[1][gone + 6 :]
    arrivals = []
    for i, one in enumerate(lanes):
        arrival = 0.0
        for j, reading in enumerate(one):
            arrival = max(arrival, reading.t + late[15 * i + j])
            arrivals.append((arrival, i, j, reading))
    in_time = sorted((r for one in lanes for r in one), key=lambda r: r.t)
    assert run(r for *_, r in sorted(arrivals, key=lambda a: a[:3])) == run(in_time)


@given(st.integers(0, 60), st.integers(0, 3))
def test_another_fusion_goes_on_from_a_state_as_this_one_does(split, camera_lag):
    readings = []
    for t in range(30):
        readings.append(lane("node/ppg.hr", 70.0 + t % 3 if t % 7 else None, t=float(t), ibi_s=[0.8, 0.9]))
        if t >= camera_lag:
            readings.append(lane("cam/camera.hr", 71.0, 0.4, t=t - camera_lag + 0.4))
    one, other = Fusion(), Fusion()
    for reading in readings[:split]:
        one.update(reading)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state())))
    told = [[*(r for reading in readings[split:] for r in f.update(reading)), *f.flush()] for f in (one, other)]
    assert told[0] == told[1]
    assert split > 50 or told[0]


def test_of_a_lane_only_the_last_seconds_are_kept():
    one = Fusion()
    for reading in hop("node/ppg.hr", 0.0, 1.0, [70.0] * 1000):
        one.update(reading)
    ((_, _, kept),) = one.state()["bed1"]["lanes"]
    assert [r["t"] for r in kept] == [995.0, 996.0, 997.0, 998.0, 999.0]


@pytest.mark.parametrize("quality", [0.5, 0.49])
def test_of_lanes_too_poor_to_contradict_each_other_no_spread_is_told(quality):
    spread = fused(lane("node/ppg.hr", 70.0), lane("cam/camera.hr", 120.0, quality))["fused.spread"]
    said = (spread.t, spread.unit, spread.bed, spread.value, spread.quality, spread.reason)
    known, unknown = (50.0, 0.5, ""), (None, 0.0, "low_quality")
    assert said == (10.0, "bpm", "bed1", *(known if quality == 0.5 else unknown))


def test_at_the_end_beds_are_told_by_name_whichever_spoke_first():
    both = hop("node/ppg.hr", 0.0, 1.0, [70.0] * 4) + hop("cam/camera.hr", 0.0, 1.0, [72.0] * 3)
    one = Fusion()
    for reading in sorted(both, key=lambda r: r.t):
        for bed in ("b", "a"):
            one.update(replace(reading, bed=bed))
    assert [(f.bed, f.t, f.metric) for f in one.flush()] == [
        (bed, 3.0, metric) for bed in ("a", "b") for metric in ("fused.hr", "fused.spread")
    ]
