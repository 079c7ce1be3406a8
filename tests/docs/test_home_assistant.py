"""The automations in docs/mqtt.md: they name what a device has, and the first tells of each alarm as often as it rings."""

from __future__ import annotations

import json
import re
from itertools import count

import pytest
import yaml

from discovery_message import ROOT, message
from edge.alarms.board import Board
from edge.alarms.lifecycle import SOUNDS
from edge.alarms.rules import AlarmRules
from edge.clock import ManualClock
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import Command, Reading
from markdown_blocks import blocks_of

DEVICE = message()
COMPONENTS = DEVICE["components"]
UNAVAILABLE = "unavailable"


@pytest.fixture(scope="module")
def block():
    (one,) = blocks_of("yaml")
    return one


@pytest.fixture(scope="module")
def automations(block):
    return yaml.safe_load(block.text)["automation"]


def entities():
    """The ids that Home Assistant makes: platform, name of the device, name of the entity."""
    names = [(one["platform"], f"{DEVICE['device']['name']} {one['name']}") for one in COMPONENTS.values()]
    return {f"{platform}.{re.sub('[^a-z0-9]+', '_', name.lower())}" for platform, name in names}


def test_they_are_whole(automations):
    assert [sorted({"alias", "mode", "triggers", "actions"} - set(one)) for one in automations] == [[], [], []]
    triggers = [trigger for one in automations for trigger in one["triggers"]]
    states = [trigger[key] for trigger in triggers for key in ("from", "to") if key in trigger]
    assert states == [UNAVAILABLE, "on", "on", UNAVAILABLE]  # an unquoted on or off would be no text


def test_their_entities_are_there(block):
    named = set(re.findall(r"\b(?:event|binary_sensor|sensor|button|select)\.\w+", block.text))
    assert len(named) == 2
    assert named <= entities()


def test_two_alarms_of_one_millisecond_are_two(automations):
    """The state of an event entity is its millisecond: a trigger on it that names a state sees one of them."""
    assert automations[0]["triggers"] == [{"trigger": "mqtt", "topic": Topics(ROOT).event("bed1"), "qos": 1}]
    assert automations[0]["mode"] == "queued"
    assert automations[0]["max"] > 10  # Home Assistant's own


def test_what_stood_or_was_gone_before_home_assistants_start_is_told(automations):
    start = {"trigger": "homeassistant", "event": "start"}
    for one, heard_by in zip(automations[1:], ("bed1_standing", "_device_heartbeat"), strict=True):
        assert start in one["triggers"]
        wait_s = max(map(int, re.findall(r"\d+", str(one["actions"][0]["delay"]))))
        assert wait_s >= 2 * COMPONENTS[heard_by]["expire_after"]
        assert "condition" in one["actions"][1]  # looked at after the wait


def test_a_device_that_is_found_first_is_not_missed(automations):
    """An entity begins as unavailable."""
    (gone,) = [trigger for trigger in automations[2]["triggers"] if trigger.get("to") == UNAVAILABLE]
    assert gone["from"] == "on"


# ---- what the first tells ---------------------------------------------------------------------------------


class Told(dict):
    """A payload as a template sees it."""

    def __getattr__(self, key):
        return Told(self[key]) if isinstance(self[key], dict) else self[key]


class Bed:
    """A bed with a heart, and the changes that the automation rings at."""

    def __init__(self, condition):
        (self._expression,) = re.findall(r"\{\{ (.*) \}\}", condition, re.DOTALL)
        self._board, self._clock, self._ids = Board({"bed1": AlarmRules()}, boot="b"), ManualClock(0.0), count()
        self.rang, self.last = [], None

    def heart(self, seconds, bpm):
        for _ in range(seconds):
            self._clock.advance(1.0)
            t = self._clock.now()
            self._tell(self._board.update(Reading("ppg.hr", t, bpm, "bpm", 1.0, bed="bed1", source="node")))
            self._tell(self._board.tick(t))
        return self

    def command(self, name, **fields):
        command = Command(name, "bed1", self._clock.now(), f"c{next(self._ids)}", "nurse", **fields)
        result, told = self._board.command(command)
        assert result.ok, result.text
        self._tell(told)
        return self

    def hears(self, alarm, **more):
        sent = json.loads(Payloads(self._clock, "b").alarm(alarm, **{"historical": False, **more}))
        return eval(f"({self._expression})", {"told": Told(sent)})

    def _tell(self, alarms):
        self.last = alarms[-1] if alarms else self.last
        self.rang += [alarm.evidence["change"] for alarm in alarms if self.hears(alarm)]


@pytest.fixture
def bed(automations):
    (condition,) = automations[0]["conditions"]
    return Bed(condition["value_template"])


def test_an_alarm_rings_once(bed):
    bed.heart(60, 42.0)
    assert bed.rang == ["raised"]
    bed.command("ack").heart(60, 70.0)
    assert bed.rang == ["raised"]
    bed.heart(60, 42.0)
    assert bed.rang == ["raised", "raised"]


def test_it_rings_again_when_it_gets_worse(bed):
    assert bed.heart(60, 42.0).command("ack").heart(30, 30.0).rang == ["raised", "escalated"]


def test_what_began_in_a_pause_rings_at_its_end_unless_somebody_has_it(bed):
    assert bed.command("pause", seconds=60.0).heart(50, 42.0).rang == []
    assert bed.heart(20, 42.0).rang == ["resumed"]
    bed.command("pause", seconds=60.0).command("ack").heart(70, 42.0)
    assert bed.rang == ["resumed"]


def test_what_is_shelved_rings_when_it_no_longer_is(bed):
    bed.heart(30, 42.0).command("shelve", id="bed1/brady", seconds=30.0).heart(20, 30.0)
    assert bed.rang == ["raised"]
    assert bed.heart(20, 30.0).rang == ["raised", "unshelved"]


def test_neither_a_drill_nor_what_comes_late_rings(bed):
    assert bed.command("drill").rang == []
    bed.heart(30, 42.0)
    assert bed.last.id == "bed1/brady"
    assert (bed.hears(bed.last), bed.hears(bed.last, historical=True)) == (True, False)


def test_it_knows_every_change_that_sounds(automations):
    ((changes,),) = [
        re.findall(r"told\.evidence\.change in \[(.*?)\]", one["value_template"])
        for one in automations[0]["conditions"]
    ]
    assert tuple(re.findall(r"\w+", changes)) == (*SOUNDS, "resumed", "unshelved")
