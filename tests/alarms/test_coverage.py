"""Proof of watching: shares and blind intervals, exactly."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.alarms.board import Board
from edge.alarms.coverage import KEPT, Coverage
from edge.alarms.rules import rules_from
from edge.types import Reading, SourceStatus


def reading(t, reason="", metric="ppg.hr"):
    value, quality = (None, 0.0) if reason else (70.0, 0.9)
    return Reading(metric, float(t), value, "bpm", quality, reason, bed="bed1", source="node")


def watch(*spans):
    """Coverage after readings once a second over (start, end, reason) spans."""
    one = Coverage()
    for start, end, reason in spans:
        for t in range(start, end):
            one.reading(reading(t, reason))
    return one


def blind(one, now):
    return [(b["start"], b["end"], b["cause"]) for b in one.report(now)[0]["blind"]]


def test_all_known_is_one():
    one = watch((0, 601, ""))
    assert one.share("node", "ppg.hr", 600.0) == 1.0
    assert blind(one, 600.0) == []
    assert one.share("node", "pcg.hr", 600.0) is None


def test_every_minute_of_the_hour_says_how_much_of_it_was_watched():
    one = watch((30, 121, ""), (121, 151, "motion"), (151, 300, ""))
    assert [m[2] for m in one.report(299.0)[0]["minutes"]] == [1.0, 1.0, 0.5, 1.0, 1.0]
    assert one.report(299.0)[0]["minutes"][0] == [30.0, 60.0, 1.0]
    for t in range(300, 400):
        one.reading(reading(t), standby=True)
    assert one.report(402.0)[0]["minutes"][-2:] == [[300.0, 360.0, None], [360.0, 399.0, None]]
    assert one.report(470.0)[0]["minutes"][-1] == [420.0, 470.0, 0.0]
    assert len(one.report(3910.0)[0]["minutes"]) == 60


def test_no_value_is_blind_with_its_reason():
    one = watch((0, 301, ""), (301, 401, "motion"), (401, 601, ""))
    assert one.share("node", "ppg.hr", 600.0) == pytest.approx(500 / 600)
    assert blind(one, 600.0) == [(300.0, 400.0, "motion")]


def test_silence_is_blind_with_the_reason_of_the_source():
    one = watch((0, 101, ""))
    assert blind(one, 104.0) == []
    assert blind(one, 200.0) == [(100.0, 200.0, "no data")]
    one.status(SourceStatus("node", "bed1", 150.0, "offline", "unplugged"))
    assert one.share("node", "ppg.hr", 200.0) == 0.5
    one.reading(reading(300))
    assert blind(one, 300.0) == [(100.0, 295.0, "unplugged")]


def test_a_loss_that_is_over_explains_no_later_silence():
    """As of heart sound that comes no more from a device that goes on sending a pulse."""
    one = watch((0, 101, ""))
    one.status(SourceStatus("node", "bed1", 103.0, "offline", "unplugged"))
    one.status(SourceStatus("node", "bed1", 150.0, "online"))
    assert one.main_cause("node", "ppg.hr", 155.0) == "unplugged"
    for t in range(160, 301):
        one.reading(reading(t))
    one.status(SourceStatus("node", "bed1", 290.0, "degraded", "half the pictures"))
    two = Coverage()
    two.restore(json.loads(json.dumps(one.snapshot())))
    for each in (one, two):
        assert blind(each, 400.0) == [(100.0, 155.0, "unplugged"), (300.0, 400.0, "no data")]
    one.status(SourceStatus("node", "bed1", 310.0, "offline", "dead"))
    assert blind(one, 400.0)[-1] == (300.0, 400.0, "dead")


def test_the_longest_cause_names_an_interval_of_several():
    one = watch((0, 11, ""), (11, 21, "motion"), (21, 100, "low_quality"))
    assert blind(one, 99.0) == [(10.0, 99.0, "low_quality")]


def test_short_gaps_count_and_are_not_listed():
    one = watch((0, 11, ""), (11, 14, "motion"), (14, 21, ""))
    assert one.share("node", "ppg.hr", 20.0) == pytest.approx(17 / 20)
    assert blind(one, 20.0) == []
    five_s = watch((0, 11, ""), (11, 16, "motion"), (16, 21, ""))
    assert blind(five_s, 20.0) == [(10.0, 15.0, "motion")]
    assert blind(watch((0, 11, ""), (11, 16, "motion")), 15.0) == [(10.0, 15.0, "motion")]


def test_however_many_short_gaps_come_after_it_a_long_blindness_stays_listed():
    short = [span for t in range(110, 2100, 10) for span in ((t, t + 2, "motion"), (t + 2, t + 10, ""))]
    assert len(short) > 2 * KEPT
    one = watch((0, 11, ""), (11, 100, "low_quality"), (100, 110, ""), *short)
    assert blind(one, 2099.0) == [(10.0, 99.0, "low_quality")]


def test_standby_is_listed_and_left_out_of_the_share():
    one = watch((0, 101, ""))
    for t in range(101, 201):
        one.reading(reading(t), standby=True)
    for t in range(201, 301):
        one.reading(reading(t))
    assert one.share("node", "ppg.hr", 300.0) == 1.0
    assert blind(one, 300.0) == [(100.0, 200.0, "standby")]


def test_the_hour_forgets_and_the_day_remembers():
    one = watch((0, 3601, "motion"), (3601, 7261, ""))
    assert one.share("node", "ppg.hr", 7260.0) == 1.0
    assert one.share("node", "ppg.hr", 7260.0, 86400.0) == pytest.approx(3660 / 7260)


def test_a_disabled_source_is_no_longer_counted():
    one = watch((0, 10, ""))
    one.reading(replace(reading(10), source="cam"))
    one.status(SourceStatus("node", "bed1", 10.0, "disabled"))
    assert [told["source"] for told in one.report(20.0)] == ["cam"]


def test_memory_is_bounded_over_days():
    one, sizes = Coverage(), []
    for t in range(0, 3 * 86400, 4):
        one.reading(reading(t, "motion" if t % 400 < 100 else ""))
        if t % 43200 == 0:
            sizes.append(len(json.dumps(one.snapshot())))
    assert max(sizes[2:]) < 8000
    assert len(one.report(t)[0]["blind"]) <= KEPT
    assert one.share("node", "ppg.hr", t, 86400.0) == pytest.approx(0.75, abs=0.01)


STEPS = st.lists(
    st.tuples(st.sampled_from([0.5, 1.0, 2.0, 7.0, 40.0]), st.sampled_from(["", "", "motion", "gap", "standby"])),
    max_size=80,
)


@settings(deadline=None)
@given(STEPS)
def test_the_share_is_what_counting_gives(steps):
    one, t, known, standby = Coverage(), 0.0, 0.0, 0.0
    one.reading(reading(0.0))
    for step, reason in steps:
        t += step
        one.reading(reading(t, reason), standby=reason == "standby")
        known += min(step, 5.0) if not reason else 0.0
        standby += min(step, 5.0) if reason == "standby" else 0.0
    share = one.share("node", "ppg.hr", t, 86400.0)
    assert share == (pytest.approx(known / (t - standby)) if t > standby else None)
    spans = [(b["start"], b["end"]) for b in one.report(t)[0]["blind"]]
    assert spans == sorted(spans)
    assert all(a < b for a, b in spans)


@settings(deadline=None)
@given(STEPS, st.integers(0, 80))
def test_going_on_from_a_snapshot_changes_nothing(steps, cut):
    one, two, t = Coverage(), Coverage(), 0.0
    for i, (step, reason) in enumerate(steps):
        if i == cut:
            two.restore(json.loads(json.dumps(one.snapshot())))
        t += step
        one.reading(reading(t, reason), standby=reason == "standby")
        if i >= cut:
            two.reading(reading(t, reason), standby=reason == "standby")
    if cut < len(steps):
        assert two.report(t + 10) == one.report(t + 10)


def test_falling_coverage_is_an_alarm_that_names_the_cause():
    quick = {"low_quality": {"on_delay_s": 1000, "off_delay_s": 0}, "coverage_limit": 0.6}
    board, told = Board({"bed1": rules_from(quick)}, boot="b"), []
    for t in range(7200):
        told += board.update(reading(t, "motion" if t < 900 and t % 2 else "")) + board.tick(t + 0.5)
    assert told == [], "the on-delay has not passed"
    quick["low_quality"]["on_delay_s"] = 10
    board = Board({"bed1": rules_from(quick)}, boot="b")
    for t in range(7200):
        told += board.update(reading(t, "motion" if t < 900 and t % 10 < 6 else "")) + board.tick(t + 0.5)
    assert [(a.t, a.id, a.presence) for a in told] == [
        (610.5, "bed1/low_quality/node", "on"),
        (1560.5, "bed1/low_quality/node", "off"),
    ]
    assert told[0].text == "ppg.hr of node known for 40% of the last hour: motion"
    assert board.coverage("bed1", 7199.0)[0]["hour"] == 1.0


def test_an_alarm_of_a_poor_signal_that_stands_for_coverage_alone_says_so():
    board, told = Board({"bed1": rules_from({})}, boot="b"), []
    for t in range(7200):
        told += board.update(reading(t, "motion" if 1000 <= t < 3000 else "")) + board.tick(t + 0.5)
    known = "ppg.hr of node known for 35% of the last hour: motion"
    assert [(a.t, a.presence, a.evidence["change"], a.text) for a in told] == [
        (1060.0, "on", "raised", "Signal too poor to judge: node (motion)"),
        (3060.5, "on", "narrowed", known),
        (4995.5, "off", "cleared", known),  # 15 s after a minute in which it was found to be enough
    ]


@pytest.mark.parametrize("limit", [0.97, 0.99])
def test_a_share_of_all_but_everything_is_reached_again_and_by_what_has_no_hole(limit):
    """The hysteresis does not ask for more than there is, though readings come every five seconds."""
    board, told = Board({"bed1": rules_from({"coverage_limit": limit})}, boot="b"), []
    for t in range(0, 9000, 5):
        told += board.update(reading(t, "motion" if 1000 < t < 1050 or 1100 < t < 1150 or 1200 < t < 1250 else ""))
        told += [alarm for part in range(1, 5) for alarm in board.tick(t + part + 0.5)]
    assert [(a.id, a.presence) for a in told] == [("bed1/low_quality/node", "on"), ("bed1/low_quality/node", "off")]
    assert told[0].t > 1000


@pytest.mark.parametrize(("beats_for_s", "told_at"), [(0, [60.0]), (5, [])])
def test_a_source_that_starts_over_and_over_is_told_of_and_one_start_is_not(beats_for_s, told_at):
    """One that restarts every 15 s, with and without a rate at the end of each."""
    board, told = Board({"bed1": rules_from({})}, boot="b"), []
    for t in range(100):
        started = t % 15 >= 15 - beats_for_s
        told += board.update(reading(t, "" if started else "warming_up")) + board.tick(t + 0.5)
    assert [(a.t, a.id, a.presence) for a in told] == [(t, "bed1/low_quality/node", "on") for t in told_at]


def test_where_the_rules_say_so_no_coverage_is_too_little():
    board, told = Board({"bed1": rules_from({"low_quality": {"enabled": True, "limit": 0}, "coverage_limit": 0})}), []
    for t in range(0, 1200, 4):
        told += board.update(reading(t, "motion" if t % 20 else "")) + board.tick(t + 0.5)
    assert [a.text for a in told if "of the last hour" in a.text] == []


def test_a_perfusion_that_is_never_known_is_no_poor_signal_and_still_told_as_blind():
    """As of a source that sends the pulse without its steady part."""
    board, told = Board({"bed1": rules_from({})}, boot="b"), []
    for t in range(1500):
        told += board.update(reading(t)) + board.update(reading(t, metric="ppg.rhythm"))
        lacking = Reading("ppg.perfusion", float(t), None, "%", 0.9, "out_of_distribution", bed="bed1", source="node")
        told += board.update(lacking) + board.tick(t + 0.5)
    assert told == []
    rows = {row["metric"]: row["hour"] for row in board.coverage("bed1", 1499.0)}
    assert rows == {"ppg.hr": 1.0, "ppg.rhythm": 1.0, "ppg.perfusion": 0.0}


@pytest.mark.parametrize(("other", "told"), [("ppg.hr", []), ("pcg.quality", [(660.5, "bed1/low_quality/node", "on")])])
def test_a_rate_that_sound_does_not_tell_matters_only_where_no_other_rate_is_watched(other, told):
    board, found = Board({"bed1": rules_from({})}, boot="b"), []
    for t in range(1500):
        found += board.update(reading(t, metric=other)) + board.update(reading(t, "low_quality", metric="pcg.hr"))
        found += board.tick(t + 0.5)
    assert [(a.t, a.id, a.presence) for a in found] == told


def test_what_several_lanes_say_together_is_no_signal_and_standby_no_blindness():
    board = Board({"bed1": rules_from({})}, boot="b")
    for t in range(30):
        board.update(reading(t, "" if t < 20 else "standby"))
        board.update(Reading("fused.hr", float(t), 70.0, "bpm", 0.9, bed="bed1"))
        board.update(Reading("fused.spread", float(t), None, "bpm", 0.0, "low_quality", bed="bed1"))
    (row,) = board.coverage("bed1", 29.0)
    assert (row["metric"], row["hour"], [b["cause"] for b in row["blind"]]) == ("ppg.hr", 1.0, ["standby"])
    assert [a for t in range(30, 60) for a in board.tick(t) if "node" not in a.id] == []


def restarted(one, shift_s):
    two = Coverage()
    two.restore(json.loads(json.dumps(one.snapshot())), shift_s, restarted=True)
    return two


def test_the_time_between_two_runs_is_blind_and_what_was_known_before_still_counts():
    """The second run's clock begins at 0, 1000 s after that of the first one."""
    two = restarted(watch((0, 601, "")), shift_s=-1000.0)
    assert two.report(0.0) == [], "not before it is heard again"
    for t in range(50, 351):
        two.reading(reading(t))
    assert two.share("node", "ppg.hr", 350.0) == pytest.approx((600 + 300) / 1350)
    assert blind(two, 350.0) == [(-400.0, 50.0, "not running")]
    assert two.report(350.0)[0]["first"] == -1000.0
    assert two.share_running("node", "ppg.hr", 350.0) == pytest.approx(1.0)
    assert two.watched_s("node", "ppg.hr", 350.0) == 300.0


def test_why_a_source_was_lost_before_a_restart_explains_no_silence_after_it():
    one = watch((0, 101, ""))
    one.status(SourceStatus("node", "bed1", 110.0, "offline", "unplugged"))
    two = restarted(one, shift_s=0.0)
    two.reading(reading(200))
    assert blind(two, 300.0) == [(100.0, 200.0, "not running"), (200.0, 300.0, "no data")]


def test_several_restarts_keep_the_record():
    one = watch((0, 101, ""))
    for _ in range(3):
        one = restarted(one, shift_s=-200.0)
        for t in range(101):
            one.reading(reading(t))
    assert blind(one, 100.0) == [
        (-500.0, -400.0, "not running"),
        (-300.0, -200.0, "not running"),
        (-100.0, 0.0, "not running"),
    ]
    assert one.share("node", "ppg.hr", 100.0) == pytest.approx(400 / 700)


def test_a_metric_that_is_not_heard_again_is_kept_for_the_next_run_and_reported_by_none():
    two = restarted(watch((0, 101, "")), shift_s=0.0)
    two.reading(reading(200, metric="pcg.hr"))
    assert [row["metric"] for row in two.report(300.0)] == ["pcg.hr"]
    three = restarted(two, shift_s=0.0)
    three.reading(reading(400))
    assert three.report(400.0)[0]["first"] == 0.0
    two.status(SourceStatus("node", "bed1", 300.0, "disabled"))
    assert two.snapshot()["streams"] == []


def test_a_restart_is_not_blamed_on_a_signal():
    rules = {"low_quality": {"on_delay_s": 0, "off_delay_s": 0}, "coverage_limit": 0.6}
    first = Board({"bed1": rules_from(rules)}, boot="a")
    for t in range(3600):
        first.update(reading(t))
    state = json.loads(json.dumps(first.snapshot()))
    second = Board({"bed1": rules_from(rules)}, boot="b", state=state, shift_s=0.0)
    told = []
    for t in range(9000, 10000):
        told += second.update(reading(t)) + second.tick(t + 0.5)
    assert [a.id for a in told if a.condition == "low_quality"] == []
    (row,) = second.coverage("bed1", 9999.0)
    assert row["hour"] == pytest.approx(999 / 3600, abs=0.02)
    assert row["blind"] == [{"start": 3599.0, "end": 9000.0, "cause": "not running"}]


def test_a_program_that_began_again_and_again_blames_no_signal_for_that_either():
    """Ninety times in an hour, as where an analysis fails soon after each start; what is older than that is forgotten."""
    one = Coverage()
    for begin in range(0, 3600, 40):
        one = restarted(one, shift_s=0.0)
        for t in range(begin, begin + 11):
            one.reading(reading(t))
    for t in range(3571, 4171):
        one.reading(reading(t))
    assert one.share("node", "ppg.hr", 4170.0) < 0.5
    assert one.share_running("node", "ppg.hr", 4170.0) == pytest.approx(1.0, abs=0.01)
    one = restarted(one, shift_s=0.0)
    one.reading(reading(9000))
    assert one.snapshot()["streams"][0]["downs"] == [[4_170_000, 9_000_000]]


def test_right_after_a_long_stop_nothing_can_be_blamed_yet():
    two = restarted(watch((0, 601, "")), shift_s=0.0)
    two.reading(reading(10_000))
    assert two.share_running("node", "ppg.hr", 10_000.0) is None
    assert two.watched_s("node", "ppg.hr", 10_000.0) == 0.0
