"""How far each alarm has got: what is told of it, kept across a restart, and forgotten at its end."""

from __future__ import annotations

import json

import pytest

from edge.alarms.delivery import Chain, Deliveries, Role, chain_from, in_words
from edge.alarms.lifecycle import Change
from edge.names import RULE
from edge.types import ConfigError

CHAIN = Chain((Role("station", 10.0), Role("charge", 20.0)), minimum="high")
ID = "bed1/asystole"


def change(what, t, presence="on"):
    return Change(what, t, presence)


def at_each_step():
    """Deliveries as they stand after every step of one alarm's way."""
    one = Deliveries(CHAIN)
    one.follow(ID, change("raised", 0.0), "high")
    yield one
    assert list(one.overdue(10.0)) == [(ID, 10.0)]
    yield one
    assert list(one.overdue(30.0)) == [(ID, 30.0)]
    yield one
    assert one.receive(ID, "charge", "ann")
    yield one
    one.follow(ID, change("acknowledged", 40.0, "ack"), "high", "bob")
    yield one


TOLD = [
    {"asked": ["station"], "received": "", "by": "", "nobody": False, "annunciator": False},
    {"asked": ["station", "charge"], "received": "", "by": "", "nobody": False, "annunciator": True},
    {"asked": ["station", "charge"], "received": "", "by": "", "nobody": True, "annunciator": True},
    {"asked": ["station", "charge"], "received": "charge", "by": "ann", "nobody": False, "annunciator": False},
    {"asked": ["station", "charge"], "received": "charge", "by": "ann", "nobody": False, "annunciator": False},
]
WORDS = [
    "asked: station",
    "not confirmed, ringing at the bed; asked: station, charge",
    "not confirmed, ringing at the bed; asked: station, charge",
    "received by charge",
    "received by charge",
]


def test_each_step_is_told_and_is_the_same_after_a_restart():
    for one, told, words, waiting in zip(at_each_step(), TOLD, WORDS, [1, 1, 1, 0, 0], strict=True):
        two = Deliveries(CHAIN)
        two.follow("bed1/vtach", change("raised", 0.0), "high")
        two.restore(json.loads(json.dumps(one.snapshot())), 7.0)
        for each in (one, two):
            assert each.says(ID) == told
            assert in_words(each.says(ID)) == words
            assert each.unconfirmed() == waiting
            assert each.says("bed1/vtach") == {}
        due = one.snapshot()[ID]["due"]
        assert two.snapshot()[ID]["due"] == (None if due is None else due + 7.0)
        shorter = Deliveries(Chain(CHAIN.roles[:1]))
        shorter.restore(one.snapshot())
        assert shorter.says(ID)["asked"] == ["station"]
        nobody = Deliveries(Chain())
        nobody.restore(one.snapshot())
        assert nobody.snapshot() == {}
    assert in_words({}) == ""
    assert in_words({**TOLD[2], "annunciator": False}) == "not confirmed; asked: station, charge"


def test_whatever_is_told_first_of_an_alarm_from_before_the_chain_asks_the_first_role():
    one = Deliveries(CHAIN)
    one.join(ID, "high", 5.0)
    assert one.follow(ID, change("shelved", 5.0), "high") == one.says(ID) == TOLD[0]
    assert one.receive(ID, "charge", "ann")
    assert one.says(ID) == {**TOLD[0], "received": "charge", "by": "ann"}


def test_what_is_over_is_forgotten_and_what_never_was_asked_for_is_nothing():
    one = Deliveries(CHAIN)
    assert one.receive(ID, "station", "ann") is False
    assert one.follow(ID, change("raised", 0.0), "medium") == {}
    one.follow(ID, change("raised", 0.0), "high")
    assert one.follow(ID, change("cleared", 5.0, "off"), "high") == {**TOLD[0]}
    assert one.snapshot() == one.says(ID) == {}
    assert list(one.overdue(99.0)) == []


@pytest.mark.parametrize(
    ("now", "t", "due"), [(10.0, 10.0, 30.0), (19.9, 10.0, 30.0), (20.0, 20.0, 40.0), (25.0, 25.0, 45.0)]
)
def test_after_the_program_was_away_the_next_role_has_its_whole_time(now, t, due):
    one = Deliveries(CHAIN)
    one.follow(ID, change("raised", 0.0), "high")
    assert list(one.overdue(9.9)) == []
    assert list(one.overdue(now)) == [(ID, t)]
    assert one.snapshot()[ID]["due"] == due


def test_a_drill_is_asked_for_whatever_the_lowest_priority():
    assert CHAIN.covers("medium", "drill")
    assert not CHAIN.covers("medium", "asystole")
    assert CHAIN.covers("high", "asystole")
    assert not Chain().covers("high", "drill")
    one = Deliveries(CHAIN)
    assert one.follow("bed1/drill", change("raised", 0.0), "medium") == TOLD[0]
    again = Deliveries(CHAIN)
    again.join("bed1/drill", "medium", 5.0)
    assert list(again.overdue(5.0)) == [("bed1/drill", 5.0)]


@pytest.mark.parametrize("within_s", [1, 3600, 1.5])
def test_the_time_to_confirm_has_bounds(within_s):
    assert chain_from({"roles": ["a"], "confirm_within_s": within_s}).roles == (Role("a", float(within_s)),)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"roles": ["a"], "confirm_within_s": 0.99}, "delivery.confirm_within_s: seconds, 1 to 3600, not 0.99"),
        ({"roles": ["a"], "confirm_within_s": 3600.5}, "delivery.confirm_within_s: seconds, 1 to 3600, not 3600.5"),
        ({"roles": ["a"], "confirm_within_s": "9"}, "delivery.confirm_within_s: seconds, 1 to 3600, not '9'"),
        ({"roles": ["a"], "confirm_within_s": True}, "delivery.confirm_within_s: seconds, 1 to 3600, not True"),
        ({"roles": 5}, 'delivery.roles: a list of names such as ["nurse-station"], not 5'),
        ({"roles": "a"}, "delivery.roles: a list of names such as [\"nurse-station\"], not 'a'"),
        ({"roles": [5]}, f"delivery.roles[0]: names {RULE}, not 5"),
        ({"roles": ["a", "b" * 65]}, f"delivery.roles[1]: names {RULE}, not '{'b' * 65}'"),
    ],
)
def test_a_chain_of_the_wrong_kind_is_refused_in_words(given, says):
    with pytest.raises(ConfigError) as refused:
        chain_from(given)
    assert str(refused.value) == says


def test_an_alarm_older_than_its_chain_is_asked_after_one_role_at_a_time():
    deliveries = Deliveries(Chain((Role("station", 10.0), Role("charge", 20.0))))
    deliveries.join("bed1/brady", "high", 100.0)
    assert list(deliveries.overdue(100.0)) == [("bed1/brady", 100.0)]
    first = deliveries.says("bed1/brady")
    assert (first["asked"], first["annunciator"], list(deliveries.overdue(109.9))) == (["station"], False, [])
    assert list(deliveries.overdue(110.0)) == [("bed1/brady", 110.0)]
    second = deliveries.says("bed1/brady")
    assert (second["asked"], second["annunciator"]) == (["station", "charge"], True)


@pytest.mark.parametrize(
    ("names", "asked_next"),
    [
        (("station", "charge", "doctor"), "doctor"),
        (("matron", "charge"), "matron"),
        (("station", "matron"), "matron"),
        (("station", "charge"), None),
        (("charge", "station"), None),
        (("station",), None),
    ],
)
def test_who_is_new_in_a_chain_that_found_nobody_is_asked_after_a_restart(names, asked_next):
    one = Deliveries(CHAIN)
    one.follow(ID, change("raised", 0.0), "high")
    assert list(one.overdue(10.0)) + list(one.overdue(30.0)) == [(ID, 10.0), (ID, 30.0)]
    two = Deliveries(Chain(tuple(Role(name, 10.0) for name in names), minimum="high"))
    two.restore(json.loads(json.dumps(one.snapshot())))
    two.join(ID, "high", 40.0)
    assert [(alarm_id, two.says(ID)["asked"][-1]) for alarm_id, _ in two.overdue(40.0)] == (
        [(ID, asked_next)] if asked_next else []
    )
    assert two.says(ID)["annunciator"], "the bed rings on until somebody has it"
    assert two.says(ID)["nobody"] is (asked_next is None)


@pytest.mark.parametrize(("roles", "asked"), [(2, ["station", "charge"]), (1, ["station"])], ids=["as long", "shorter"])
def test_a_state_that_kept_only_how_many_were_asked_is_read(roles, asked):
    one = Deliveries(CHAIN)
    one.follow(ID, change("raised", 0.0), "high")
    assert list(one.overdue(10.0)) == [(ID, 10.0)]
    saved = one.snapshot()
    del saved[ID]["asked_roles"]
    two = Deliveries(Chain(CHAIN.roles[:roles], minimum="high"))
    two.restore(saved)
    assert two.says(ID)["asked"] == asked
    assert (list(two.overdue(29.9)), list(two.overdue(30.0))) == ([], [(ID, 30.0)])
    assert two.says(ID)["nobody"]
