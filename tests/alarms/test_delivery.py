"""Who is asked to confirm an alarm, when the next one is, and what a drill is."""

import json

import pytest

from edge.alarms.board import Board
from edge.alarms.delivery import Chain, Role, chain_from, in_words
from edge.alarms.rules import rules_from
from edge.types import Command, ConfigError, Reading

RULES = {
    "brady": {"on_delay_s": 0, "severe_on_delay_s": 0, "off_delay_s": 0, "realarm_s": 300},
    "murmur": {"k": 1, "n": 1, "off_delay_s": 0},
    "silent_s": 0,
}
CHAIN = Chain((Role("station", 10.0), Role("charge", 20.0)))


def board(chain=CHAIN, **kw):
    return Board({"bed1": rules_from(RULES)}, boot=kw.pop("boot", "boot"), chain=chain, **kw)


def hr(t, value):
    return Reading("ppg.hr", t, value, "bpm", 0.9, bed="bed1", source="node")


def say(name, t, bed="bed1", **kw):
    return Command(name, bed, t, kw.pop("command_id", f"{name}-{t}"), "ann", **kw)


def steps(alarms):
    return [
        (a.t, a.evidence["change"], a.delivery["asked"], a.delivery["received"], a.delivery["annunciator"])
        for a in alarms
    ]


def test_nobody_is_asked_without_a_chain():
    (raised,) = board(Chain()).update(hr(0.0, 43.0))
    assert raised.delivery == {}
    one = board(Chain())
    one.update(hr(0.0, 43.0))
    assert one.tick(90.0) == []


def test_silence_goes_to_the_next_role_and_to_the_place_itself():
    one = board()
    assert steps(one.update(hr(0.0, 43.0))) == [(0.0, "raised", ["station"], "", False)]
    assert one.tick(9.9) == []
    assert steps(one.tick(10.25)) == [(10.0, "unconfirmed", ["station", "charge"], "", True)]
    assert one.tick(29.9) == []
    assert steps(one.tick(30.0)) == [(30.0, "unconfirmed", ["station", "charge"], "", True)]
    assert one.tick(99.0) == []
    assert one.heartbeat()["bed1"] == {"seq": 3, "epoch": "boot", "standing": 1, "drills": 0, "unconfirmed": 1}


def test_who_had_it_before_it_escalated_need_not_have_it_now():
    one = board()
    (raised,) = one.update(hr(0.0, 43.0))
    one.command(say("received", 1.0, role="charge", occurrence=raised.occurrence, seq=raised.seq))
    (escalated,) = one.update(hr(2.0, 38.0))
    late = say("received", 3.0, role="station", occurrence=raised.occurrence, seq=raised.seq)
    result, told = one.command(late)
    assert (result.ok, told, one.heartbeat()["bed1"]["unconfirmed"]) == (False, [], 1)
    now = say("received", 4.0, role="station", occurrence=raised.occurrence, seq=escalated.seq)
    assert steps(one.command(now)[1]) == [(4.0, "received", ["station"], "station", False)]


def test_as_a_last_resort_the_place_is_told_at_the_end_of_the_chain():
    one = board(Chain(CHAIN.roles, last_resort=True))
    one.update(hr(0.0, 43.0))
    assert [s[4] for s in steps(one.tick(10.0) + one.tick(30.0))] == [False, True]


@pytest.mark.parametrize(("at", "role"), [(5.0, "station"), (5.0, "charge"), (15.0, "station"), (90.0, "charge")])
def test_a_confirmation_early_or_late_ends_the_asking(at, role):
    one = board()
    (raised,) = one.update(hr(0.0, 43.0))
    for t in range(1, int(at)):
        one.tick(float(t))
    result, told = one.command(say("received", at, id="bed1/brady", occurrence=raised.occurrence, role=role))
    assert (result.ok, result.text) == (True, f"bed1/brady received by {role}")
    assert [(s[1], s[3], s[4]) for s in steps(told)] == [("received", role, False)]
    assert told[0].delivery["by"] == "ann"
    assert told[0].presence == "on", "received is not acknowledged"
    again, told = one.command(say("received", at + 1, occurrence=raised.occurrence, role="station"))
    assert (again.ok, told) == (True, [])
    assert one.tick(99.0) == []
    assert one.heartbeat()["bed1"]["unconfirmed"] == 0


def test_what_sounds_again_must_be_received_again():
    one = board()
    (raised,) = one.update(hr(0.0, 43.0))
    one.command(say("received", 1.0, occurrence=raised.occurrence, role="station"))
    assert steps(one.update(hr(2.0, 38.0))) == [(2.0, "escalated", ["station"], "", False)]
    one.command(say("ack", 3.0, id="bed1/brady"))
    assert one.tick(50.0) == [], "who acknowledged knows"
    assert steps(one.tick(304.0)) == [(303.0, "realarmed", ["station"], "", False)]


def test_sounding_again_does_not_quieten_what_nobody_confirmed():
    one = board()
    one.update(hr(0.0, 43.0))
    one.tick(10.0)
    assert steps(one.update(hr(11.0, 38.0))) == [(11.0, "escalated", ["station", "charge"], "", True)]


def test_an_acknowledgement_and_the_end_stop_it():
    one = board()
    one.update(hr(0.0, 43.0))
    one.tick(10.0)
    _, (acked,) = one.command(say("ack", 11.0))
    assert (acked.delivery["annunciator"], acked.delivery["by"]) == (False, "ann")
    two = board()
    two.update(hr(0.0, 43.0))
    two.tick(10.0)
    (over,) = two.update(hr(11.0, 70.0))
    assert (over.presence, over.delivery["annunciator"]) == ("off", False)
    assert two.tick(60.0) == []


def test_a_low_alarm_needs_no_confirmation_unless_told_so():
    murmur = Reading("pcg.murmur", 0.0, 0.9, "", 0.9, detail={"decision": "present"}, bed="bed1", source="node")
    assert [a.delivery for a in board().update(murmur)] == [{}]
    assert board(Chain(CHAIN.roles, minimum="low")).update(murmur)[0].delivery["asked"] == ["station"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"role": "visitor"}, "no role 'visitor' here; roles: station, charge"),
        ({"role": "station", "occurrence": "old"}, "occurrence old does not stand"),
        ({"role": "station", "occurrence": ""}, "occurrence (none named) does not stand"),
        ({"role": "station", "id": "bed1/af"}, "occurrence boot.bed1.brady.1 does not stand"),
    ],
)
def test_a_confirmation_of_something_else_is_refused(fields, text):
    one = board()
    (raised,) = one.update(hr(0.0, 43.0))
    result, told = one.command(say("received", 1.0, **{"occurrence": raised.occurrence, **fields}))
    assert (result.ok, result.text, told) == (False, text, [])


def test_the_asking_goes_on_after_a_restart_from_where_it_was():
    one = board()
    (raised,) = one.update(hr(1000.0, 43.0))
    one.tick(1004.0)
    saved = json.loads(json.dumps(one.snapshot()))
    two = board(state=saved, boot="next", shift_s=-1000.0)
    assert two.tick(9.9) == []
    (step,) = two.tick(10.0)
    assert (step.evidence["change"], step.occurrence, step.seq) == ("unconfirmed", raised.occurrence, 2)
    away = board(state=saved, boot="next", shift_s=-1000.0)
    assert [a.t for a in away.tick(200.0)] == [200.0], "the next role has its time, however long we were away"
    assert away.tick(219.0) == []
    assert steps(away.tick(220.0))[0][1] == "unconfirmed"
    unchained = board(chain=Chain(), state=saved, boot="next", shift_s=-1000.0)
    assert unchained.tick(50.0) == []
    assert unchained.active()[0].delivery == {}
    shorter = board(chain=Chain((Role("station", 5.0),)), state=saved, boot="next", shift_s=-1000.0)
    assert [s[4] for s in steps(shorter.tick(12.0))] == [True]


def test_a_state_from_before_there_was_a_chain_is_read():
    one = board(Chain())
    one.update(hr(0.0, 43.0))
    saved = json.loads(json.dumps(one.snapshot()))
    del saved["beds"]["bed1"]["deliveries"]
    assert [a.delivery for a in board(state=saved).active()] == [{}]


def test_a_drill_takes_the_same_path_marked_and_ends_by_itself():
    one = board()
    result, (raised,) = one.command(say("drill", 5.0))
    assert (result.ok, raised.id, raised.drill, raised.seq) == (True, "bed1/drill", True, 1)
    assert raised.text == "DRILL, nobody is in danger: asked for by ann"
    assert (raised.kind, raised.delivery["asked"]) == ("technical", ["station"])
    assert raised.evidence["reading"] == {"by": "ann"}
    again, told = one.command(say("drill", 6.0))
    assert (again.ok, again.text, told) == (True, "bed1/drill stands already", [])
    assert [s[1] for s in steps(one.tick(15.0))] == ["unconfirmed"]
    one.command(say("received", 16.0, occurrence=raised.occurrence, role="charge"))
    assert [(a.t, a.presence, a.seq) for a in one.tick(125.0)] == [(125.0, "off", 4)]
    assert one.active() == []


def test_a_drill_can_be_ended_and_changes_no_other_alarm():
    one = board()
    one.update(hr(0.0, 43.0))
    _, (first,) = one.command(say("drill", 1.0))
    _, (over,) = one.command(say("drill", 2.0, seconds=0))
    assert (over.presence, over.occurrence, over.drill) == ("off", first.occurrence, True)
    assert one.command(say("drill", 3.0, seconds=0))[1] == []
    _, (second,) = one.command(say("drill", 4.0))
    assert second.occurrence != first.occurrence
    assert {a.id: a.presence for a in one.active()} == {"bed1/brady": "on", "bed1/drill": "on"}


def test_a_drill_can_be_forbidden():
    one = Board({"bed1": rules_from({"drill": {"enabled": False}})}, boot="b")
    result, told = one.command(say("drill", 1.0))
    assert (result.ok, result.text, told) == (False, "drills are disabled here", [])


def test_a_chain_from_a_configuration():
    chain = chain_from({"roles": ["station", {"name": "charge", "confirm_within_s": 40}], "confirm_within_s": 20})
    assert chain == Chain((Role("station", 20.0), Role("charge", 40.0)))
    assert chain_from({"roles": ["a"], "annunciator": "last", "minimum": "high"}) == Chain(
        (Role("a"),), minimum="high", last_resort=True
    )
    assert not chain_from({})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"role": ["a"]}, "delivery.role: unknown"),
        ({"roles": "station"}, "delivery.roles: a list"),
        ({"roles": []}, "delivery.roles: who is to confirm"),
        ({"confirm_within_s": 10}, "delivery.roles: who is to confirm"),
        ({"roles": ["a", "a"]}, "delivery.roles: each role once"),
        ({"roles": ["A b"]}, r"delivery.roles\[0\]: names match"),
        ({"roles": [{"name": "a", "within": 3}]}, r"delivery.roles\[0\].within: unknown"),
        ({"roles": ["a"], "confirm_within_s": 0}, "delivery.confirm_within_s: seconds, 1 to 3600"),
        ({"roles": ["a"], "confirm_within_s": True}, "delivery.confirm_within_s: seconds"),
        ({"roles": ["a"], "minimum": "urgent"}, "delivery.minimum: one of low, medium, high"),
        ({"roles": ["a"], "annunciator": "never"}, "delivery.annunciator"),
    ],
)
def test_a_wrong_chain_is_one_line(given, says):
    with pytest.raises(ConfigError, match=says):
        chain_from(given)


def test_nobody_is_said_at_the_end_of_the_chain_and_a_bell_only_where_there_is_one():
    for bell in (True, False):
        one = board(Chain(CHAIN.roles, bell=bell))
        told = [a.delivery for t, reading in ((0.0, hr(0.0, 43.0)),) for a in one.update(reading)]
        for t in (10.0, 30.0):
            told += [a.delivery for a in one.tick(t)]
        assert [d["nobody"] for d in told] == [False, False, True]
        assert [d["annunciator"] for d in told] == [False, bell, bell]
        rings = ", ringing at the bed" if bell else ""
        assert in_words(told[-1]) == f"not confirmed{rings}; asked: station, charge"
