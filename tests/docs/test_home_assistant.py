"""The automation in docs/mqtt.md speaks of entities, attributes and words that the discovery message of a device has."""

from __future__ import annotations

import re

import pytest
import yaml

from discovery_message import message, of
from edge.alarms.lifecycle import SOUNDS
from markdown_blocks import blocks_of

DEVICE = message()
COMPONENTS = DEVICE["components"]


@pytest.fixture(scope="module")
def block():
    (one,) = blocks_of("yaml")
    return one


def entities():
    """The ids that Home Assistant makes: platform, name of the device, name of the entity."""
    names = [(one["platform"], f"{DEVICE['device']['name']} {one['name']}") for one in COMPONENTS.values()]
    return {f"{platform}.{re.sub('[^a-z0-9]+', '_', name.lower())}" for platform, name in names}


def test_its_automations_are_whole(block):
    automations = yaml.safe_load(block.text)["automation"]
    assert [sorted({"alias", "triggers", "actions"} - set(one)) for one in automations] == [[], []]
    states = [
        state
        for one in automations
        for trigger in one["triggers"]
        for state in trigger.get("not_to", [trigger.get("to")])
    ]
    assert states == ["unavailable", "unknown", "unavailable"]  # an unquoted on or off would be no text


def test_its_entities_are_there(block):
    named = set(re.findall(r"\b(?:event|binary_sensor|sensor|button|select)\.\w+", block.text))
    assert len(named) == 3
    assert named <= entities()


def test_its_attributes_and_words_are_those_of_the_event_entity(block):
    (event,) = [one for one in of(COMPONENTS, "event") if one["name"] == "bed1 alarms"]
    given = set(re.findall(r'"(\w+)":', event["value_template"]))
    asked = set(re.findall(r"(?:told|attributes)\.(\w+)", block.text))
    assert asked == {"event_type", "historical", "change", "priority", "text"}
    assert asked <= given
    assert re.findall(r"event_type == '(\w+)'", block.text)[0] in event["event_types"]
    (changes,) = re.findall(r"told\.change in \[(.*?)\]", block.text)
    assert tuple(re.findall(r"\w+", changes)) == SOUNDS
