"""Discovery holds what Home Assistant demands of a device message, and its buttons do what they are named for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery_message import HOPS, ROOT, message, of
from edge.alarms.conditions import CONDITIONS, OF_DEVICE
from edge.clock import ManualClock
from edge.sinks._mqtt.discovery import discovery
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import PRESENCES, Alarm, Command, CommandResult

# What Home Assistant's MQTT integration takes at the top of a device message and requires of each platform.
TOP = {"device", "origin", "components", "availability", "qos"}
REQUIRED = {
    "sensor": {"state_topic"},
    "event": {"state_topic", "event_types"},
    "button": {"command_topic"},
    "binary_sensor": {"state_topic"},
    "select": {"command_topic", "options"},
}
COMMON = {"platform", "unique_id", "name"}
OPTIONAL = {
    "sensor": {
        *("value_template", "json_attributes_topic", "expire_after", "state_class", "unit_of_measurement"),
        *("suggested_display_precision", "icon"),
    },
    "event": {"value_template", "entity_category"},
    "button": {"command_template", "entity_category", "enabled_by_default"},
    "binary_sensor": {
        *("value_template", "expire_after", "device_class", "json_attributes_topic", "json_attributes_template"),
    },
    "select": {"state_topic", "value_template", "command_template"},
}
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,6}", fullmatch=True)


def test_the_message_has_the_device_its_origin_and_nothing_unknown():
    found = message()
    assert set(found) == TOP
    assert found["device"] == {
        "identifiers": ["edge-vitals-ward-3"],
        "name": "ward-3",
        "model": "edge-vitals",
        "sw_version": "1.2.3",
    }
    assert found["origin"] == {"name": "edge-vitals", "sw_version": "1.2.3"}
    assert found["qos"] == 1


def test_every_component_has_what_its_platform_requires_and_nothing_unknown(components):
    for one in components.values():
        platform = one["platform"]
        assert COMMON | REQUIRED[platform] <= set(one) <= COMMON | REQUIRED[platform] | OPTIONAL[platform]


def test_only_online_counts_as_available():
    """Home Assistant leaves the state as it was on any word it does not know, so ``stopped`` must become one."""
    (availability,) = message()["availability"]
    assert availability["topic"] == Topics(ROOT).status
    assert availability["value_template"] == "{{ 'online' if value_json.state == 'online' else 'offline' }}"
    assert availability.get("payload_available", "online") == "online"
    assert availability.get("payload_not_available", "offline") == "offline"


def test_a_sensor_reads_the_topic_its_reading_is_sent_to(components):
    topics = {one["state_topic"] for one in of(components, "sensor")}
    assert topics == {Topics(ROOT).reading(bed, metric) for bed in ("bed1", "bed2") for metric in HOPS}
    for one in of(components, "sensor"):
        assert one["json_attributes_topic"] == one["state_topic"]
        assert "else None" in one["value_template"]  # the word for "not known"


@pytest.mark.parametrize(
    ("metric", "unit", "state_class", "decimals"),
    [
        ("ppg.hr", "bpm", "measurement", 0),
        ("ppg.perfusion", "%", "measurement", 2),
        ("pcg.murmur", None, "measurement", 2),
        ("ppg.quality", None, "measurement", 2),
        ("ppg.rhythm", None, None, None),
    ],
)
def test_a_word_is_no_measurement_and_a_number_has_its_unit(components, metric, unit, state_class, decimals):
    (one,) = [c for c in of(components, "sensor") if c["name"] == f"bed1 {metric}"]
    assert (one.get("unit_of_measurement"), one.get("state_class")) == (unit, state_class)
    assert one.get("suggested_display_precision") == decimals


def test_every_number_and_word_has_an_icon_of_its_own_kind(components):
    """None of them has a device class that would bring one."""
    icons = {one["name"]: one["icon"] for one in of(components, "sensor")}
    assert all(icon.startswith("mdi:") for icon in icons.values())
    assert len(set(icons.values())) == len(HOPS)


def test_a_bed_has_the_sensors_of_its_own_sources_only():
    found = json.loads(discovery("x", ROOT, {"bed1": ["ppg.hr"], "bed2": ["pcg.murmur"], "bed3": []}, "1", HOPS))
    topics = [one["state_topic"] for one in of(found["components"], "sensor")]
    assert topics == [Topics(ROOT).reading("bed1", "ppg.hr"), Topics(ROOT).reading("bed2", "pcg.murmur")]
    assert len(of(found["components"], "event")) == 2 * 4


@given(hop_s=st.floats(0.1, 120.0))
def test_a_sensor_expires_after_three_hops_in_whole_seconds(hop_s):
    (one,) = of(message(beds=["b"], hops={"ppg.hr": hop_s})["components"], "sensor")
    assert isinstance(one["expire_after"], int)
    assert 3 * hop_s < one["expire_after"] <= max(5.0, 3 * hop_s + 3.0)


def test_each_bed_has_one_event_entity_that_knows_every_presence(components):
    events = [one for one in of(components, "event") if one["name"].endswith(" alarms")]
    assert [one["state_topic"] for one in events] == [Topics(ROOT).event(bed) for bed in ("_device", "bed1", "bed2")]
    for one in events:
        assert one["event_types"] == [*PRESENCES, "drill"]
        assert (
            '"event_type": "drill" if value_json.drill | default(false) else value_json.presence'
            in one["value_template"]
        )
    alarm = Alarm(
        "bed1/af", "o", "physiological", "medium", "on", 0.0, "AF", "af", "bed1", evidence={"change": "raised"}
    )
    payload = json.loads(Payloads(ManualClock(), "b").alarm(alarm, historical=True))
    assert '"historical": value_json.historical}' in events[0]["value_template"]
    assert set(re.findall(r"value_json\.(\w+)", events[0]["value_template"])) == {"drill"} | (
        set(payload) & {"presence", "id", "text", "priority", "occurrence", "evidence", "historical"}
    )
    assert "drill" not in payload
    assert json.loads(Payloads(ManualClock(), "b").alarm(replace(alarm, drill=True)))["drill"] is True


def test_what_came_of_a_command_is_an_event_of_its_own(components):
    """A button shows nothing of a command that was refused."""
    answers = [one for one in of(components, "event") if one["name"].endswith(" command answers")]
    assert [one["state_topic"] for one in answers] == [Topics(ROOT).result(bed) for bed in ("_device", "bed1", "bed2")]
    command = Command("ack", "bed1", 0.0, "c1", "nurse", id="bed1/brady")
    for ok, kind in ((True, "done"), (False, "refused")):
        sent = json.loads(Payloads(ManualClock(), "b").result(CommandResult(command, 0.0, ok, "why")))
        for one in answers:
            assert kind in one["event_types"]
            (expression,) = re.findall(r"^\{\{ (.*) \| to_json \}\}$", one["value_template"])
            shown = eval(expression, {"value_json": SimpleNamespace(**sent)})
            assert shown == {"event_type": kind, "command": "ack", "id": "bed1/brady", "text": "why", "by": "nurse"}


@given(device=NAMES, beds=st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_identifiers_are_valid_and_no_bed_hides_another(device, beds):
    components = message(device, f"vitals/{device}", beds)["components"]
    buttons = len(CONDITIONS) - len(OF_DEVICE) + 4  # pause, a test alarm, begin and end of standby
    # heartbeat, event, answer, standing, test alarm; and a model can fail for all beds at once
    of_device = 5 + len(OF_DEVICE) + 1
    states = 6  # event, answer, standing, paused, standby, site
    assert len(components) == len(beds) * (len(HOPS) + states + buttons) + of_device
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", key) for key in components)
    assert len({one["unique_id"] for one in components.values()}) == len(components)


@given(first=st.tuples(NAMES, NAMES), second=st.tuples(NAMES, NAMES))
def test_no_two_devices_share_an_identifier(first, second):
    ids = [
        {one["unique_id"] for one in message(device, f"vitals/{device}", [bed])["components"].values()}
        for device, bed in (first, second)
    ]
    shared = ids[0] & ids[1]
    assert first == second or all("/_device/" in one for one in shared)
    assert first[0] == second[0] or not shared


def test_beds_and_devices_whose_names_run_together_stay_apart():
    together = [message(device, ROOT, [bed])["components"] for device, bed in (("a", "b_c"), ("a_b", "c"))]
    ids = [{one["unique_id"] for one in components.values()} for components in together]
    assert not ids[0] & ids[1]
    none, one, two = (len(message(beds=beds)["components"]) for beds in ([], ["b"], ["b-1", "b_1"]))
    assert two - none == 2 * (one - none)
    parts = [key.removeprefix("b_") for key in message(beds=["b"])["components"] if key.startswith("b_")]
    assert not [(a, b) for a in parts for b in parts if a.endswith(f"_{b}")]  # else bed b_a could hide a part of bed b
