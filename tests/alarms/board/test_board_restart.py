"""The board after a restart: what it goes on with, what it ends, what it refuses to read."""

from __future__ import annotations

import json

import pytest

from board_told import board, hr, rates, say, through_json, what
from edge.alarms.auscultation import Place
from edge.alarms.board import Board
from edge.alarms.delivery import Chain, Role
from edge.alarms.rules import rules_from
from edge.types import Fault, Reading, SourceStatus

CHAIN = Chain((Role("station", 30.0), Role("charge", 30.0)))
OVER = [("bed1/brady", "off", "unwatched")]


def test_after_a_restart_without_the_source_that_raised_it_an_alarm_is_over_and_with_it_it_stands():
    one = board()
    rates(one, [43] * 4)
    one.update(hr(4.0, None, reason="sensor_off"))
    one.update(hr(6.0, None, reason="sensor_off"))
    state = through_json(one)
    rate = frozenset({"ppg.hr"})
    for metrics, ended in (
        ({"node": rate, "cam": rate}, []),
        ({"node": None}, []),
        (None, []),
        ({"cam": rate}, OVER),
        ({"node": frozenset({"ppg.rhythm"})}, OVER),
    ):
        two = board(boot="next", state=state, shift_s=0.0, places={"bed1": Place(metrics=metrics)})
        assert what(two.tick(7.0)) == ended, metrics


@pytest.mark.parametrize(("metrics", "ended"), [({"": frozenset({"fused.hr"})}, []), ({"": frozenset()}, OVER)])
def test_what_several_lanes_raised_together_stands_while_there_is_any(metrics, ended):
    rules = {"brady": {"metrics": ["fused.hr"], "on_delay_s": 0}}
    one = board(rules)
    one.update(hr(0.0, 43, source="", metric="fused.hr"))
    two = board(rules, boot="next", state=through_json(one), shift_s=0.0, places={"bed1": Place(metrics=metrics)})
    assert what(two.tick(1.0)) == ended


@pytest.mark.parametrize(("before", "after"), [("ppg.hr", "fused.hr"), ("fused.hr", "ppg.hr")])
def test_what_a_metric_raised_by_which_the_rule_goes_no_more_is_over_and_hides_no_new_alarm(before, after):
    def ruled(metric, **kw):
        metrics = {"node": frozenset({"ppg.hr"}), "": frozenset({"fused.hr"})}
        rules = {"brady": {"metrics": [metric], "on_delay_s": 0, "severe_on_delay_s": 0}}
        return board(rules, places={"bed1": Place(metrics=metrics)}, **kw)

    one = ruled(before)
    one.update(hr(0.0, 30.0, metric=before, source="" if before == "fused.hr" else "node"))
    one.command(say("ack", 1.0))
    two = ruled(after, boot="next", state=through_json(one), shift_s=0.0)
    assert what(two.tick(2.0)) == OVER
    raised = two.update(hr(3.0, 30.0, metric=after, source="" if after == "fused.hr" else "node"))
    assert what(raised) == [("bed1/brady", "on", "raised")]


def test_an_alarm_of_a_condition_that_is_no_more_is_forgotten_with_its_way_to_people():
    one = board(chain=CHAIN)
    rates(one, [43] * 3)
    state = json.loads(json.dumps(one.snapshot()).replace("bed1/brady", "bed1/slow"))
    two = board(boot="next", chain=CHAIN, state=state, shift_s=0.0)
    assert (two.tick(100.0), two.active(), two.heartbeat()["bed1"]["unconfirmed"]) == ([], [], 0)


def test_after_a_restart_acknowledged_stays_and_numbers_go_on():
    one = board()
    rates(one, [43] * 3)
    one.update(Reading("ppg.rhythm", 3.0, "af", quality=0.9, bed="bed1"))
    one.command(say("ack", 4.0, id="bed1/brady"))
    one.command(say("pause", 4.0, seconds=60))
    two = board(boot="next", state=through_json(one))
    assert {a.id: (a.presence, a.occurrence) for a in two.active()} == {
        "bed1/brady": ("ack", "boot.bed1.brady.1"),
        "bed1/af": ("on", "boot.bed1.af.1"),
    }
    last = one.active()[0].seq
    two.tick(1000.0)  # the monotonic clock of another boot
    assert two.paused_until("bed1") == 1060.0
    told = [a for i in range(3) for a in two.update(hr(1001.0 + i, 70))]
    assert [(a.presence, a.seq, a.occurrence) for a in told] == [("off", last + 1, "boot.bed1.brady.1")]
    told = [a for i in range(3) for a in two.update(hr(1010.0 + i, 43))]
    assert told[0].occurrence == "next.bed1.brady.2"


def test_a_drill_and_a_clock_step_last_through_a_restart_as_long_as_without_one():
    one = board()
    one.update(Fault("clock_step", 0.0, True))
    one.command(say("drill", 0.0))
    two = board(boot="next", state=through_json(one), shift_s=0.0)
    told = [(now, a.id, a.presence) for now in range(1, 400) for a in two.tick(float(now))]
    assert told == [(120, "bed1/drill", "off"), (300, "_device/clock_step", "off")]


def a_board_in_use():
    """Alarms that are on, acknowledged, latched, pending, shelved and escalated, of readings and of states."""
    one = board(chain=CHAIN, places={"bed1": Place("p1", "AV")})
    one.update(Fault("clock_step", 0.0, True))
    one.update(SourceStatus("node", "bed1", 0.0, "online"))
    one.update(SourceStatus("cam", "bed1", 0.0, "offline", "unplugged"))
    rates(one, [43, 43, 38, 43, 43])
    one.command(say("ack", 5.0, id="bed1/brady"))
    one.command(say("site", 5.0, site="MV"))
    one.update(Reading("ppg.rhythm", 5.0, "af", quality=0.9, bed="bed1", source="node"))
    one.command(say("shelve", 6.0, id="bed1/af", seconds=120))
    one.command(say("pause", 7.0, seconds=120))
    one.command(say("sing", 8.0))
    one.tick(70.0)
    for t in (70.0, 71.0):
        one.update(hr(t, 150 if t == 70.0 else 160))
    return one


def test_a_board_that_is_restored_says_the_same_of_itself():
    one = a_board_in_use()
    same = board(chain=CHAIN, places={"bed1": Place("p1", "AV")}, state=through_json(one))
    assert through_json(same) == through_json(one)
    assert through_json(board(boot="next", state=through_json(one))) == through_json(one), "until it knows the time"
    assert same.active() == one.active()
    assert same.heartbeat() == one.heartbeat()


def test_by_another_clock_everything_comes_as_it_would_have_come():
    """Told after a restart with other monotonic times: the same, at the same distance."""

    def goes_on(one, by):
        told = [*one.update(Fault("clock_step", by + 72.0, True))]
        told += one.update(SourceStatus("cam", "bed1", by + 72.0, "offline", "unplugged"))
        for i in range(300):
            t = by + 72.0 + i
            told += one.update(hr(t, 150 if i < 20 else 43 if i < 280 else 70)) + one.tick(t + 0.5)
        keys = ("id", "presence", "priority", "text", "value", "delivery", "seq")
        return [
            (
                a.t - by,
                a.since - by,
                a.evidence["change"],
                a.occurrence.rpartition(".")[2],
                [row[1:] for row in a.evidence["readings"]],
                *(getattr(a, key) for key in keys),
            )
            for a in told
        ]

    one = a_board_in_use()
    two = board(boot="next", chain=CHAIN, places={"bed1": Place("p1", "AV")}, state=through_json(one), shift_s=1000.0)
    told = goes_on(one, 0.0)
    assert goes_on(two, 1000.0) == told
    assert {row[2] for row in told} >= {"raised", "cleared", "unshelved", "resumed", "unconfirmed", "realarmed"}


@pytest.mark.parametrize(("before", "now"), [(None, 40), (40, None)])
def test_a_severe_limit_that_came_or_went_between_two_runs_ends_no_alarm(before, now):
    first, second = ({"brady": {"on_delay_s": 0, "severe_limit": limit}} for limit in (before, now))
    one = board(first)
    one.update(hr(0.0, 43))
    two = board(second, boot="next", state=through_json(one), shift_s=0.0)
    assert [(a.id, a.presence) for a in two.active()] == [("bed1/brady", "on")]
    assert two.update(hr(1.0, 43)) == []


def test_another_person_in_the_configuration_ends_what_was_said_of_the_one_before_and_no_fault_of_a_device():
    one = board(places={"bed1": Place("p1", "MV")})
    rates(one, [43] * 3)
    one.update(SourceStatus("cam", "bed1", 0.0, "offline"))
    one.tick(5.0)
    two = board(boot="next", state=through_json(one), shift_s=0.0, places={"bed1": Place("p2", "MV")})
    assert what(two.tick(6.0)) == [("bed1/brady", "off", "person")]
    assert [a.id for a in two.active()] == ["bed1/source_lost/cam"]


def test_a_configuration_that_caught_up_with_the_command_ends_nothing():
    one = board(places={"bed1": Place("p1", "MV")})
    one.command(say("site", 0.0, site="none", person="p2"))
    rates(one, [43] * 5, start=4.0)
    for person, ended in (("p2", []), ("p1", []), ("p3", [("bed1/brady", "off", "person")])):
        two = board(boot="next", state=through_json(one), shift_s=0.0, places={"bed1": Place(person, "MV")})
        assert what(two.tick(10.0)) == ended
        assert [status.person for status in two.statuses(10.0)] == ["p3" if ended else "p2"]


def test_a_board_that_was_told_nothing_goes_on_with_nothing():
    assert board(boot="next", state=through_json(board())).tick(1000.0) == []


def test_a_doubt_is_not_forgotten_by_one_more_restart():
    one = board()
    for source in ("node", "cam"):
        one.update(SourceStatus(source, "bed1", 0.0, "offline"))
    one.tick(5.0)
    two = board(boot="next", state=through_json(one), shift_s=1000.0)
    two.tick(1006.0)
    two.update(SourceStatus("node", "bed1", 1007.0, "offline"))
    three = board(boot="next", state=through_json(two))
    assert three.tick(1065.9) == []
    assert what(three.tick(1066.0)) == [("bed1/source_lost/cam", "off", "cleared")]


def test_what_a_reading_raised_is_not_over_because_no_reading_comes():
    one = board()
    rates(one, [43] * 3)
    two = board(boot="next", state=through_json(one), shift_s=1000.0)
    assert [two.tick(1003.0 + t) for t in range(90)] == [[]] * 90
    assert [a.presence for a in two.active()] == ["on"]


def test_a_line_that_stood_for_nothing_has_no_end_and_what_latched_is_still_shown_without_its_source():
    one = board(beds=("bed1", "bed2"))
    rates(one, [43])
    rates(one, [38, 70, 70], bed="bed2")
    places = dict.fromkeys(("bed1", "bed2"), Place(metrics={"cam": frozenset({"ppg.hr"})}))
    two = board(beds=("bed1", "bed2"), boot="next", state=through_json(one), shift_s=0.0, places=places)
    assert two.tick(4.0) == []
    assert [(a.id, a.presence) for a in two.active()] == [("bed2/brady", "latched")]


def test_a_known_shift_of_the_clock_is_used():
    one = board()
    one.command(say("pause", 4.0, seconds=60))
    two = board(boot="next", state=through_json(one), shift_s=-4.0)
    assert two.paused_until("bed1") == 60.0


def test_what_only_the_last_run_knew_is_forgotten_unless_said_again():
    one = board()
    one.update(SourceStatus("node", "bed1", 0.0, "offline"))
    one.update(SourceStatus("cam", "bed1", 0.0, "offline"))
    one.update(Fault("outbox_full", 0.0, True))
    one.tick(5.0)
    two = board(boot="next", state=through_json(one))
    assert two.tick(0.0) == []
    two.update(SourceStatus("node", "bed1", 1.0, "offline"))
    assert sorted(what(two.tick(60.0))) == [
        ("_device/outbox_full", "off", "cleared"),
        ("bed1/source_lost/cam", "off", "cleared"),
    ]


def test_what_a_reading_raised_stands_after_a_restart_however_long_nothing_can_be_read():
    one = board()
    assert rates(one, [43] * 3) == [(2.0, "on", "raised")]
    two = board(boot="next", state=through_json(one), shift_s=1000.0)
    told = [
        a for t in range(3, 90) for a in two.update(hr(1000.0 + t, None, reason="sensor_off")) + two.tick(1000.0 + t)
    ]
    assert [w for w in what(told) if w[0] == "bed1/brady"] == []
    (alarm,) = [a for a in two.active() if a.condition == "brady"]
    assert (alarm.presence, alarm.since, alarm.t) == ("on", 1000.0, 1002.0), "its times go on by this boot's clock"


def test_what_is_no_longer_watched_is_ended():
    one = board(beds=("bed1", "bed2"))
    rates(one, [38] * 3)
    rates(one, [38] * 3, bed="bed2")
    two = Board({"bed1": rules_from({"brady": {"enabled": False}})}, boot="next", state=through_json(one))
    assert sorted(what(two.tick(0.0))) == [("bed1/brady", "off", "unwatched"), ("bed2/brady", "off", "unwatched")]
    assert two.active() == []


def test_a_state_of_another_version_is_refused():
    with pytest.raises(ValueError, match="version 9, not 1"):
        board(state={"version": 9})


def test_a_damaged_state_is_refused():
    one = board()
    rates(one, [43] * 3)
    for break_it in (
        lambda state: state.pop("beds"),
        lambda state: state["beds"]["bed1"].pop("seq"),
        lambda state: state["beds"]["bed1"]["lines"]["bed1/brady"].pop("feeds"),
        lambda state: state["beds"]["bed1"].update(standby="soon"),
    ):
        state = through_json(one)
        break_it(state)
        with pytest.raises(ValueError, match="alarm state is damaged"):
            board(state=state)


def test_shelving_and_re_alarm_keep_their_distance_over_a_restart():
    one = board()
    rates(one, [43] * 3)
    two = board(boot="next", state=through_json(one), shift_s=1000.0)
    assert two.tick(1101.9) == []
    assert what(two.tick(1102.0)) == [("bed1/brady", "on", "realarmed")]
    one.command(say("shelve", 4.0, id="bed1/brady", seconds=30))
    two = board(boot="next", state=through_json(one), shift_s=1000.0)
    assert two.tick(1033.9) == []
    assert what(two.tick(1034.0)) == [("bed1/brady", "on", "unshelved")]


def test_standby_keeps_its_end_over_a_restart():
    one = board()
    one.command(say("standby", 5.0, seconds=60))
    two = board(boot="next", state=through_json(one), shift_s=1000.0)
    assert two.standby_until("bed1", 1064.9) == 1065.0
    assert two.standby_until("bed1", 1065.0) is None


def test_a_state_that_is_no_longer_watched_is_ended_too():
    one = board()
    one.update(SourceStatus("node", "bed1", 0.0, "offline"))
    assert what(one.tick(5.0)) == [("bed1/source_lost/node", "on", "raised")]
    two = board({"source_lost": {"enabled": False}}, boot="next", state=through_json(one))
    assert what(two.tick(0.0)) == [("bed1/source_lost/node", "off", "unwatched")]


def asked(alarms):
    return [(a.t, a.evidence["change"], a.delivery["asked"], a.delivery["annunciator"]) for a in alarms]


@pytest.mark.parametrize(("heard", "presence"), [([43] * 4, "on"), ([30] * 4 + [70] * 3, "latched")])
def test_an_alarm_that_sounds_since_before_there_was_a_chain_is_asked_after(heard, presence):
    one = board()
    rates(one, heard)
    assert [alarm.presence for alarm in one.active()] == [presence]
    two = board(boot="next", state=through_json(one), shift_s=0.0, chain=CHAIN)
    assert two.active()[0].delivery == {}
    assert asked(two.tick(20.0)) == [(20.0, "unconfirmed", ["station"], False)]
    assert two.active()[0].delivery["asked"] == ["station"]
    three = board(boot="third", state=through_json(two), shift_s=0.0, chain=CHAIN)
    assert asked(three.tick(50.0)) == [(50.0, "unconfirmed", ["station", "charge"], True)]


def test_what_was_seen_or_is_not_covered_is_not_asked_after_by_a_new_chain():
    one = board()
    rates(one, [43] * 4)
    for chain, acknowledged in ((Chain(CHAIN.roles, minimum="high"), False), (CHAIN, True)):
        if acknowledged:
            assert one.command(say("ack", 4.0))[0].ok
        two = board(boot="next", state=through_json(one), shift_s=0.0, chain=chain)
        assert (two.tick(20.0), two.active()[0].delivery) == ([], {})


def test_what_somebody_has_is_not_asked_after_again():
    one = board(chain=CHAIN)
    rates(one, [43] * 4)
    occurrence = one.active()[0].occurrence
    assert one.command(say("received", 4.0, role="station", occurrence=occurrence))[0].ok
    two = board(boot="next", state=through_json(one), shift_s=0.0, chain=CHAIN)
    assert two.tick(20.0) == []
    assert two.active()[0].delivery["received"] == "station"
