"""What would have alarmed, counted by hand."""

from dataclasses import replace
from datetime import datetime

import pytest

from edge.alarms.auscultation import Place
from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.alarms.simulate import Occurrence, load_of, pooled, simulate
from edge.dsp.pcg.decision import Calibration
from edge.inference.card import find_card
from edge.types import Command, Reading, SourceStatus


def rates(values, start=0.0):
    return [Reading("ppg.hr", start + i, v, "bpm", 0.9, bed="bed1", source="node") for i, v in enumerate(values)]


def rules(**brady):
    return {"bed1": rules_from({"brady": {"severe_limit": None, "on_delay_s": 5, "off_delay_s": 5, **brady}})}


def occurrence(raised, ended=None, alarm_id="bed1/brady"):
    return Occurrence(alarm_id, "brady", "bed1", "medium", raised, raised, ended, "slow")


def test_a_lower_limit_misses_and_adds_nothing():
    events = rates([70.0] * 60 + [42.0] * 60 + [70.0] * 60 + [38.0] * 60 + [70.0] * 60)
    told = simulate(events, rules(limit=45), rules(limit=40))
    assert [(o.raised, o.ended, o.priority) for o in told.a.occurrences] == [
        (65.0, 125.0, "medium"),
        (185.0, 245.0, "medium"),
    ]
    assert [o.raised for o in told.missed] == [65.0]
    assert told.added == ()
    assert (told.start, told.readings, told.a.watched_s) == (0.0, 300, 299.0)
    assert told.a.a_day == pytest.approx(2 * 86400 / 299)
    assert dict(told.b.by_condition) == {"brady": 1}
    assert "missed by B: 1" in told.lines()


def test_a_longer_delay_is_the_same_alarm_later():
    events = rates([70.0] * 60 + [42.0] * 60 + [70.0] * 60)
    told = simulate(events, rules(on_delay_s=5), rules(on_delay_s=20))
    assert (told.missed, told.added) == ((), ())
    assert [o.raised for o in told.b.occurrences] == [80.0]


def test_nothing_latches_when_nobody_is_there():
    events = rates([70.0] * 10 + [30.0] * 30 + [70.0] * 30 + [30.0] * 30 + [70.0] * 30)
    told = simulate(events, rules(priority="high"), rules(priority="high"))
    assert len(told.a.occurrences) == 2
    assert all(o.ended is not None for o in told.a.occurrences)


def test_the_clock_runs_once_a_second():
    sound = [Reading("pcg.hr", float(t), 70.0, "bpm", 0.9, bed="bed1", source="node") for t in range(60)]
    events = sorted([*rates([70.0] * 10), *sound], key=lambda event: event.t)
    (lost,) = simulate(events, rules(), rules()).a.occurrences
    assert (lost.id, lost.raised) == ("bed1/source_lost/node", 28.0)  # over 15 s after 9, and the on-delay


def test_an_occurrence_counts_by_the_highest_priority_it_had():
    both = {"severe_limit": 40, "severe_on_delay_s": 0, "on_delay_s": 0}
    events = rates([70.0] * 10 + [42.0] * 10 + [38.0] * 10 + [44.0] * 20)
    (one,) = simulate(events, rules(**both), rules()).a.occurrences
    assert (one.priority, one.raised, one.ended, one.text) == ("high", 10.0, None, "Heart rate 42 below 45 bpm")


def test_standby_is_kept():
    events = rates([70.0] * 10 + [30.0] * 90)
    events.insert(5, Command("standby", "bed1", 4.5, "c", "x", seconds=1000))
    events.insert(50, Command("ack", "bed1", 48.5, "d", "x"))
    assert simulate(events, rules(), rules()).a.occurrences == ()


def listening(person="p1"):
    return {"bed1": Place(person, "MV", Calibration.from_card(find_card("murmur").table))}


def moved(t, **fields):
    return Command("site", "bed1", t, f"c{t}", "nurse", site="AV", **fields)


def slow_with(*commands):
    """A slow pulse from 10 s on, with commands in between."""
    return sorted([*rates([70.0] * 10 + [42.0] * 90), *commands], key=lambda event: event.t)


@pytest.mark.parametrize(
    ("commands", "spans"),
    [
        ([], [(15.0, None)]),
        ([moved(50.5, person="p2")], [(15.0, 50.5), (59.0, None)]),
        ([moved(50.5)], [(15.0, None)]),
        ([moved(50.5, person="p1")], [(15.0, None)]),
        ([moved(12.5, person="p2")], [(21.0, None)]),
        ([moved(50.5, person="p2"), moved(70.5, person="p2")], [(15.0, 50.5), (59.0, None)]),
        ([moved(50.5, person="p2"), moved(70.5, person="p1")], [(15.0, 50.5), (59.0, 70.5), (79.0, None)]),
    ],
)
def test_what_one_person_raised_is_over_with_the_next_and_begins_anew(commands, spans):
    told = simulate(slow_with(*commands), rules(), rules(), places=listening())
    assert [(one.raised, one.ended) for one in told.a.occurrences] == spans
    assert told.a == told.b
    live = Board({"bed1": rules()["bed1"]}, places=listening())
    found = [alarm for event in slow_with(*commands) for alarm in heard_live(live, event)]
    assert [alarm.t for alarm in found if alarm.evidence["change"] == "raised"] == [raised for raised, _ in spans]
    assert [alarm.t for alarm in found if alarm.presence == "off"] == [ended for _, ended in spans if ended]


def heard_live(board, event):
    return board.command(event)[1] if isinstance(event, Command) else board.update(event)


def test_a_person_who_cannot_have_come_ends_nothing():
    events = slow_with(moved(50.5, person="p2"))
    assert [one.ended for one in simulate(events, rules(), rules()).a.occurrences] == [None], "nothing listens there"
    wrong = Command("site", "bed1", 50.5, "c", "nurse", site="XX", person="p2")
    told = simulate(slow_with(wrong), rules(), rules(), places=listening())
    assert [one.ended for one in told.a.occurrences] == [None]


def test_where_nothing_is_heard_any_more_the_recorded_clock_runs_on():
    online, offline = (SourceStatus("node", "bed1", t, state) for t, state in ((0.0, "online"), (10.0, "offline")))
    back = SourceStatus("node", "bed1", 60.0, "online")
    clock = [10.0 + i / 4 for i in range(1, 200)]
    events = [online, *rates([70.0] * 8), offline, *clock, back, replace(rates([70.0])[0], t=61.0)]
    events += [61.0 + i / 4 for i in range(1, 20)]
    told = simulate(events, rules(), {"bed1": rules_from({"source_lost": {"on_delay_s": 100}})})
    assert [(o.id, o.raised, o.ended) for o in told.a.occurrences] == [("bed1/source_lost/node", 13.0, 64.0)]
    assert (told.b.occurrences, told.a.watched_s) == ((), 65.75)


def test_nothing_is_nothing():
    told = simulate([], rules(), rules())
    assert (told.a.watched_s, told.a.a_day, told.lines()[0]) == (0.0, 0.0, "0.00 h of readings")


def test_a_flood_is_more_than_ten_in_ten_minutes():
    ten = [occurrence(60.0 * i, 60.0 * i + 1) for i in range(10)]
    assert load_of(ten, 3600.0).flood_minutes == 0
    eleven = [*ten, occurrence(595.0, 596.0, "bed1/tachy")]
    assert load_of(eleven, 3600.0).flood_minutes == 2, "minutes 9 and 10, until the first is ten minutes old"
    later = [occurrence(o.raised + 36_000.0, o.ended + 36_000.0, o.id) for o in eleven]
    assert load_of(later, 3600.0, 39_600.0).flood_minutes == 2


def test_three_in_a_minute_chatter():
    assert load_of([occurrence(t, t + 1) for t in (0, 30, 61)], 3600.0).chattering == ()
    assert load_of([occurrence(t, t + 1) for t in (0, 30, 60)], 3600.0).chattering == ("bed1/brady",)
    apart = [occurrence(t, t + 1, f"bed{t}/brady") for t in (0, 30, 60)]
    assert load_of(apart, 3600.0).chattering == ()


def test_what_lasts_over_an_hour_stands():
    assert load_of([occurrence(0.0, 3600.0)], 9000.0, 9000.0).standing == ()
    assert load_of([occurrence(0.0, 3601.0)], 9000.0, 9000.0).standing == ("bed1/brady",)
    assert load_of([occurrence(0.0)], 9000.0, 9000.0).standing == ("bed1/brady",)
    assert load_of([occurrence(8000.0)], 9000.0, 9000.0).standing == ()


def test_several_recordings_are_counted_as_one_end_to_end():
    heart = [70.0] * 60 + [42.0] * 60 + [70.0] * 60 + [38.0] * 60
    parts = [simulate(rates(heart, start), rules(limit=45), rules(limit=40)) for start in (0.0, 1000.0)]
    assert [(part.start, part.a.watched_s, part.missed[0].raised) for part in parts] == [
        (0.0, 239.0, 65.0),
        (1000.0, 239.0, 1065.0),
    ]
    assert pooled(parts[:1]) is parts[0]
    both, later = pooled(parts), 239.0 + 600.0  # ten minutes lie between: what counts as a flood cannot span two
    assert (both.start, both.readings, both.a.watched_s, both.a.a_day) == (0.0, 480, 478.0, 4 * 86400 / 478)
    spans = [(65.0, 125.0), (185.0, None), (65.0 + later, 125.0 + later), (185.0 + later, None)]
    assert [(one.raised, one.ended) for one in both.a.occurrences] == spans
    assert [(one.raised, one.ended) for one in both.b.occurrences] == spans[1::2]
    assert [one.raised - one.since for one in both.a.occurrences] == [5.0] * 4
    assert ([one.raised for one in both.missed], both.added) == ([65.0, 65.0 + later], ())
    swapped = pooled([simulate(rates(heart, start), rules(limit=40), rules(limit=45)) for start in (0.0, 1000.0)])
    assert (swapped.missed, swapped.added) == ((), both.missed)


@pytest.mark.parametrize("beats", [(42.0, 38.0), (38.0, 42.0)])
@pytest.mark.parametrize(("apart_s", "missed"), [(30, 0), (31, 1)])
def test_alarms_within_half_a_minute_of_each_other_are_the_same(beats, apart_s, missed):
    first, second = beats
    events = rates([70.0] * 60 + [first] * 20 + [70.0] * apart_s + [second] * 20 + [70.0] * 20)
    assert len(simulate(events, rules(limit=45), rules(limit=40)).missed) == missed


def test_an_alarm_that_would_have_been_is_told_in_words():
    one = occurrence(65.04)
    assert one.line() == "65.0 s bed1/brady medium: slow"
    at = datetime(2026, 3, 1, 4, 5, 6)
    assert replace(one, wall=at.timestamp()).line() == "2026-03-01 04:05:06 bed1/brady medium: slow"
    told = simulate(rates([70.0] * 60 + [42.0] * 60), rules(limit=45), rules(limit=40)).lines()
    assert told == [
        "0.03 h of readings",
        "A: 1 alarms, 726.1 a day (1 brady)",
        "A: 0 flood minutes; standing: none; chattering: none",
        "B: 0 alarms, 0.0 a day (none)",
        "B: 0 flood minutes; standing: none; chattering: none",
        "missed by B: 1",
        "  65.0 s bed1/brady medium: Heart rate 42 below 45 bpm",
        "added by B: 0",
    ]
