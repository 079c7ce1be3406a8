"""Our discovery message against Home Assistant's rules, and those rules against messages written by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from edge.alarms.commands import COMMANDS
from edge.alarms.conditions import CONDITIONS, OF_DEVICE
from edge.clock import ManualClock
from edge.sinks._mqtt.discovery import discovery
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import HEARTBEAT_EVERY_S, Heartbeat

HERE = Path(__file__).parent
RULES = jsonschema.Draft202012Validator(json.loads((HERE / "home_assistant.schema.json").read_text()))
BY_HAND = json.loads((HERE / "home_assistant.fixtures.json").read_text())
ROOT = "vitals/ward-3"
BEDS = ("bed1", "bed2")
METRICS = {
    "ppg.hr": 1.0,
    "ppg.rhythm": 2.0,
    "ppg.perfusion": 1.0,
    "pcg.murmur": 1.0,
    "pcg.hr": 1.0,
    "camera.hr": 1.0,
    "fused.hr": 1.0,
    "ppg.quality": 1.0,
    "pcg.quality": 1.0,
    "camera.quality": 1.0,
}


@pytest.fixture(scope="module")
def ours():
    return json.loads(discovery("ward-3", ROOT, {bed: sorted(METRICS) for bed in BEDS}, "1.2.3", METRICS))


@pytest.mark.parametrize("name", BY_HAND["good"])
def test_the_rules_take_what_is_right(name):
    RULES.validate(BY_HAND["good"][name])


@pytest.mark.parametrize("name", BY_HAND["bad"])
def test_the_rules_refuse_what_is_wrong(name):
    assert not RULES.is_valid(BY_HAND["bad"][name])


def test_our_message_keeps_the_rules(ours):
    RULES.validate(ours)
    RULES.validate(json.loads(discovery("x", "vitals/x", {"a-b": [], "a_b": []}, "", {})))


def test_every_entity_of_the_contract_is_there(ours):
    topics = Topics(ROOT)
    by = {(one["platform"], one.get("state_topic", one.get("command_topic"))) for one in ours["components"].values()}
    assert {("sensor", topics.reading(bed, metric)) for bed in BEDS for metric in METRICS} <= by
    assert {("event", topics.event(bed)) for bed in (*BEDS, "_device")} <= by
    assert {("button", f"{ROOT}/{bed}/cmd/{name}") for bed in BEDS for name in ("ack", "pause")} <= by
    assert {("button", f"{ROOT}/{bed}/cmd/drill") for bed in (*BEDS, "_device")} <= by
    assert {("button", f"{ROOT}/{bed}/cmd/standby") for bed in BEDS} <= by
    assert {("select", topics.bed(bed)) for bed in BEDS} <= by
    assert ("binary_sensor", topics.heartbeat) in by
    acknowledged = {one["unique_id"] for one in ours["components"].values() if "/ack/" in one["unique_id"]}
    beds = {condition: ("_device",) if condition in OF_DEVICE else BEDS for condition in CONDITIONS}
    assert {f"ward-3/{bed}/ack/{condition}" for condition, where in beds.items() for bed in where} <= acknowledged


def test_every_command_has_an_entity_or_the_documentation_says_why_not(ours):
    asked = {one["command_topic"].rpartition("/")[2] for one in ours["components"].values() if "command_topic" in one}
    text = (HERE.parents[2] / "docs" / "mqtt.md").read_text(encoding="utf-8").partition("## Home Assistant")[2]
    without = set(re.findall(r"^- `(\w+)` has none", text, re.MULTILINE))
    assert asked | without == set(COMMANDS)
    assert not asked & without


def test_what_expires_outlives_a_missed_message_and_no_more(ours):
    for one in ours["components"].values():
        if one["platform"] == "sensor":
            metric = one["state_topic"].rpartition("/")[2]
            assert 2 * METRICS[metric] < one["expire_after"] <= 3 * METRICS[metric] + 2
    beats = [one for one in ours["components"].values() if one.get("state_topic") == Topics(ROOT).heartbeat]
    sent = json.loads(Payloads(ManualClock(), "b").heartbeat(Heartbeat(0.0, HEARTBEAT_EVERY_S, {}), {}))
    assert {one["expire_after"] for one in beats} == {3 * sent["interval_s"]}


def test_a_drill_is_no_alarm_to_an_automation(ours):
    for one in ours["components"].values():
        if one["platform"] == "event" and one["state_topic"].endswith("/event"):
            assert "drill" in one["event_types"]
            assert '"drill" if value_json.drill | default(false) else value_json.presence' in one["value_template"]
