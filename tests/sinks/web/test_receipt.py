"""What the page says of an alarm's way to somebody, told by the board's own transitions."""

from __future__ import annotations

import json

import pytest

from edge.alarms.board import Board
from edge.alarms.delivery import Chain, Role
from edge.alarms.rules import rules_from
from edge.clock import ManualClock
from edge.sinks.history import History
from edge.sinks.web.past import Past
from edge.sinks.web.picture import Picture
from edge.types import Command, Reading

RULES = {
    "brady": {"on_delay_s": 0, "severe_on_delay_s": 0, "off_delay_s": 0, "realarm_s": 60},
    "silent_s": 0,
}
TWO = Chain((Role("station", 10.0), Role("charge", 20.0)))
LATE_BELL = Chain(TWO.roles, last_resort=True)
ONE = Chain((Role("station", 10.0),))


class Bed:
    """A board whose transitions go to a page and into a history."""

    def __init__(self, folder, chain=TWO):
        self.board = Board({"bed1": rules_from(RULES)}, boot="boot", chain=chain)
        self.picture = Picture(clock=ManualClock(0.0), about={})
        self.picture.watched = True
        self.history = History(folder / "history.sqlite")
        self.root = folder

    def take(self, alarms):
        for alarm in alarms:
            self.history.add(alarm, wall=alarm.t, boot="boot")
            self.picture.take(alarm)
        return [json.loads(item) for item in self.picture.changes()[0]]

    def rate(self, t, value):
        return self.take(self.board.update(Reading("ppg.hr", t, value, "bpm", 0.9, bed="bed1", source="node")))

    def tick(self, t):
        return self.take(self.board.tick(t))

    def say(self, name, t, **fields):
        return self.take(self.board.command(Command(name, "bed1", t, f"{name}-{t}", "ann", **fields))[1])


@pytest.fixture
def bed(tmp_path):
    made = []

    def maker(chain=TWO):
        made.append(Bed(tmp_path, chain))
        return made[-1]

    yield maker
    for one in made:
        one.history.close()


def said(items):
    return [(a["what"], a["receipt"]["asked"], a["receipt"]["received"], a["receipt"]["nobody"]) for a in items]


@pytest.mark.parametrize("chain", [TWO, LATE_BELL], ids=["bell at the first silence", "bell at the end"])
def test_silence_is_handed_on_and_at_the_end_nobody_has_it(bed, chain):
    one = bed(chain)
    assert said(one.rate(0.0, 43.0)) == [("raised", ["station"], "", False)]
    assert said(one.tick(10.0)) == [("unconfirmed", ["station", "charge"], "", False)]
    assert said(one.tick(30.0)) == [("unconfirmed", ["station", "charge"], "", True)]
    assert one.picture.snapshot()["alarms"][0]["receipt"]["nobody"], "a viewer who comes later is told as well"


def test_the_only_role_keeps_silent(bed):
    one = bed(ONE)
    one.rate(0.0, 43.0)
    assert said(one.tick(10.0)) == [("unconfirmed", ["station"], "", True)]


def test_a_late_confirmation_is_one(bed):
    one = bed()
    occurrence = one.rate(0.0, 43.0)[0]["occurrence"]
    one.tick(10.0)
    one.tick(30.0)
    told = one.say("received", 40.0, occurrence=occurrence, role="charge")
    assert said(told) == [("received", ["station", "charge"], "charge", False)]


def test_when_it_sounds_again_everybody_is_asked_anew(bed):
    one = bed(ONE)
    occurrence = one.rate(0.0, 43.0)[0]["occurrence"]
    one.say("received", 5.0, occurrence=occurrence, role="station")
    assert said(one.tick(60.0)) == [("realarmed", ["station"], "", False)]


def test_an_acknowledgement_ends_the_asking_and_the_next_occurrence_begins_without_a_past(bed):
    one = bed(ONE)
    one.rate(0.0, 43.0)
    one.tick(10.0)
    assert said(one.say("ack", 12.0)) == [("acknowledged", ["station"], "", False)]
    one.rate(13.0, 70.0)
    assert said(one.rate(14.0, 43.0)) == [("raised", ["station"], "", False)]


def test_without_a_chain_nothing_is_said_of_it_and_a_drill_is_marked(bed):
    one = bed(Chain())
    (alarm,) = one.rate(0.0, 43.0)
    (drill,) = one.say("drill", 1.0)
    assert (alarm["receipt"], alarm["drill"]) == ({}, False)
    assert (drill["receipt"], drill["drill"]) == ({}, True)


def test_the_history_tells_the_same_and_knows_drills(bed):
    one = bed()
    live = [*one.say("drill", 0.0), *one.tick(10.0), *one.tick(30.0)]
    kept = Past(one)
    assert [a["receipt"] for a in kept.one(live[0]["occurrence"])["transitions"]] == [a["receipt"] for a in live]
    assert [a["drill"] for a in kept.listing({})["alarms"]] == [True]
