"""One alarm line from raise to end: what is told of it, when, and with which evidence."""

from __future__ import annotations

import pytest

from board_rules import NEXT
from board_told import board, hr, rates, say, standing, what
from edge.alarms.judge import Finding
from edge.alarms.lifecycle import CHANGES, SOUNDS, Lifecycle
from edge.alarms.rules import rules_from
from edge.types import Fault, Reading

YES, NO = Finding("yes"), Finding("no")


def line(name, **settings):
    return Lifecycle(rules_from({name: settings})[name], f"bed1/{name}", "boot")


def test_what_a_change_may_be_is_what_stories_of_the_board_know():
    assert {*NEXT, "unwatched", "standing"} == set(CHANGES)
    assert {what for what, (_, then) in NEXT.items() if then == {"on"}} == set(SOUNDS)


def test_what_ends_an_alarm_goes_with_its_end():
    one = board()
    rates(one, [43, 43, 43, 70], start=10.0)
    (cleared,) = one.update(hr(14.0, 71))
    assert cleared.evidence["reading"]["t"] == 14.0
    assert [row[0] for row in cleared.evidence["readings"]] == [10.0, 11.0, 12.0, 13.0, 14.0]


def test_what_decides_nothing_is_no_evidence():
    one = board()
    rates(one, [43, None, 43, 43, 43, None], start=10.0)
    (alarm,) = one.active()
    assert (alarm.value, alarm.evidence["reading"]["t"]) == (43, 14.0)
    assert [row[0] for row in alarm.evidence["readings"]] == [10.0, 12.0, 13.0, 14.0]


def test_an_occurrence_begins_when_the_first_of_its_limits_was_passed():
    one = board()
    rates(one, [70, 43, 43, 38], start=10.0)
    (alarm,) = one.active()
    assert (alarm.t, alarm.since, alarm.priority) == (13.0, 11.0, "high")


def test_what_was_never_high_does_not_latch_though_the_one_before_was():
    one = board()
    assert rates(one, [43, 43, 43, 38, 43, 43, 70, 70]) == [
        (2.0, "on", "raised"), (3.0, "on", "escalated"), (5.0, "on", "deescalated"), (7.0, "latched", "latched"),
    ]  # fmt: skip
    one.command(say("ack", 7.0))
    assert rates(one, [43] * 3 + [70] * 2, start=8.0) == [(10.0, "on", "raised"), (12.0, "off", "cleared")]


def test_each_occurrence_counts_its_own_re_alarms():
    one = board()
    rates(one, [43] * 3)
    (again,) = one.tick(102.0)
    assert again.evidence["realarms"] == 1
    rates(one, [70] * 2, start=103.0)
    rates(one, [43] * 3, start=105.0)
    (alarm,) = one.active()
    assert (alarm.occurrence, "realarms" in alarm.evidence) == ("boot.bed1.brady.2", False)


@pytest.mark.parametrize(("looked_at", "t"), [(201.9, 102.0), (202.0, 202.0), (500.0, 500.0)])
def test_what_was_missed_while_nobody_looked_sounds_again_once(looked_at, t):
    one = board()
    rates(one, [43] * 3)
    assert [(a.t, a.evidence["change"]) for a in one.tick(looked_at)] == [(t, "realarmed")]
    assert one.tick(t + 99.9) == []
    assert [a.t for a in one.tick(t + 100.0)] == [t + 100.0]


def test_what_is_over_does_not_sound_again_however_long_nobody_looks():
    one = board()
    rates(one, [38, 70, 70])
    assert standing(one) == {"bed1/brady": "latched"}
    assert [a for t in (102.0, 1000.0) for a in one.tick(t) if a.condition == "brady"] == []
    assert one.active()[0].presence == "latched"


def test_what_the_clock_finds_late_is_raised_and_not_re_alarmed():
    one = line("source_lost", realarm_s=60)
    one.observe("status", 10.0, YES, clocked=True)
    raised = one.tick(500.0)
    assert (raised.what, raised.t, one.since) == ("raised", 13.0, 10.0)
    assert one.tick(501.0).what == "realarmed"


def test_a_state_that_is_said_again_late_is_raised_when_it_was_due():
    one = line("source_lost")
    assert one.observe("status", 10.0, YES, clocked=True) is None
    raised = one.observe("status", 20.0, YES, clocked=True)
    assert (raised.what, raised.t) == ("raised", 13.0)


@pytest.mark.parametrize("order", ["ab", "ba"])
@pytest.mark.parametrize("start", [0.0, 10.0])
def test_of_several_states_the_first_raises_and_the_last_ends(order, start):
    one = line("source_lost")
    since = {"a": start, "b": start + 2.0}
    for feed in order:
        one.observe(feed, since[feed], YES, clocked=True, text=feed)
    raised = one.tick(30.0)
    assert (raised.what, raised.t, one.since, one.text) == ("raised", start + 3.0, start, "a")
    for feed in order:
        one.observe(feed, since[feed] + 30.0, NO, clocked=True)
    over = one.tick(60.0)
    assert (over.what, over.t) == ("cleared", start + 35.0)


def test_a_voice_that_is_not_sure_yet_is_not_the_one_that_is_told():
    one = board()
    one.update(hr(10.0, 43, source="cam"))
    one.update(hr(10.5, None, source="cam", reason="motion"))
    for t in (11.0, 12.0, 13.0):
        one.update(hr(t, 44, source="node"))
    (alarm,) = one.active()
    assert (alarm.since, alarm.value, alarm.evidence["reading"]["source"]) == (11.0, 44, "node")


def test_without_a_delay_it_is_the_voice_that_says_so_that_is_told():
    one = board({"brady": {"on_delay_s": 0}})
    one.update(hr(10.0, 70, source="cam"))
    (alarm,) = one.update(hr(11.0, 44, source="node"))
    assert (alarm.since, alarm.value, alarm.evidence["reading"]["source"]) == (11.0, 44, "node")


def test_a_state_says_nothing_of_the_value():
    one = board({"low_quality": {"on_delay_s": 0}})
    one.update(Reading("ppg.rhythm", 1.0, "sinus", quality=0.1, bed="bed1", source="node"))
    one.update(Fault("low_quality", 2.0, True, "unknown for an hour", "bed1", "node"))
    assert one.active()[0].value == 0.1


def test_a_text_of_more_sounds_anew_and_puts_off_the_next_re_alarm():
    one = line("source_lost", realarm_s=60)
    one.observe("status", 0.0, YES, clocked=True)
    one.tick(3.0)
    assert one.reword("more", 50.0, more=True).what == "widened"
    assert one.tick(109.0) is None
    assert one.tick(110.0).what == "realarmed"


def test_a_moment_that_must_last_a_while_first_is_raised_and_ends():
    one = line("clock_step", on_delay_s=5)
    one.observe("fault:", 1000.0, YES, clocked=True)
    told = [change for t in range(1001, 1400) if (change := one.tick(float(t)))]
    assert [(change.what, change.t) for change in told] == [("raised", 1005.0), ("cleared", 1305.0)]


def test_a_severe_limit_is_one_of_readings_and_a_state_has_none():
    one = board({"low_quality": {"severe_limit": 0.1, "on_delay_s": 0}})
    assert what(one.update(Fault("low_quality", 1.0, True, "unknown for an hour", "bed1", "node"))) == [
        ("bed1/low_quality/node", "on", "raised")
    ]
    (worse,) = one.update(Reading("ppg.rhythm", 2.0, "sinus", quality=0.05, bed="bed1", source="node"))
    assert (worse.evidence["change"], worse.priority) == ("escalated", "high")


@pytest.mark.parametrize(("then", "value"), [(44.0, 44.0), (46.0, 38.0)])
def test_an_alarm_that_falls_back_names_a_rate_that_is_past_its_limit(then, value):
    """A heart at 46 holds it by the hysteresis, and is not below 45."""
    one = board({"brady": {"on_delay_s": 0, "severe_on_delay_s": 0, "off_delay_s": 2}})
    told = [alarm for t, rate in enumerate([38.0, then, then, then]) for alarm in one.update(hr(float(t), rate))]
    assert [(a.evidence["change"], a.priority, a.value, a.text) for a in told] == [
        ("raised", "high", 38.0, "Heart rate 38 below 40 bpm"),
        ("deescalated", "medium", value, f"Heart rate {value:.0f} below 45 bpm"),
    ]
