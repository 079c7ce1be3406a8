"""docs/asyncapi.yaml is whole, speaks of the topics and words of the code, and every payload of a running device obeys
it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.alarms.commands import COMMANDS
from edge.alarms.conditions import DEFAULTS, PER_SOURCE
from edge.alarms.lifecycle import CHANGES
from edge.clock import ManualClock
from edge.kinds import kind_module, kinds
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import (
    PRESENCES,
    PRIORITIES,
    REASONS,
    SOURCE_STATES,
    Alarm,
    BedStatus,
    Command,
    CommandResult,
    Reading,
    SourceStatus,
)

ROOT = Path(__file__).resolve().parents[2]
SPEC = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))
CHANNELS, SCHEMAS = SPEC["channels"], SPEC["components"]["schemas"]


def resolved(reference):
    at = SPEC
    for part in reference.removeprefix("#/").split("/"):
        at = at[part]
    return at


def channel_of(topic):
    """The channel with the fewest parameters whose address fits; None where there is none."""
    fitting = [
        (len(channel["parameters"]), name)
        for name, channel in CHANNELS.items()
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(channel["address"])), topic)
    ]
    return min(fitting)[1] if fitting else None


def faults(channel, payload):
    """What is wrong with a payload, by the messages that the channel allows; empty when one fits."""
    found = []
    for message in CHANNELS[channel]["messages"].values():
        schema = {"allOf": [resolved(message["$ref"])["payload"]], "components": SPEC["components"]}
        errors = list(Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(payload))
        if not errors:
            return []
        found += [f"{'/'.join(map(str, e.path))}: {e.message}" for e in errors]
    return found


# ---- the file ----------------------------------------------------------------------------------------------------


def references(part):
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_every_reference_leads_somewhere_and_everything_is_used():
    used = set(references(SPEC))
    assert all(resolved(one) is not None for one in used)
    for kind in ("messages", "schemas", "parameters"):
        for name in SPEC["components"][kind]:
            assert f"#/components/{kind}/{name}" in used, name


def test_it_has_the_shape_of_asyncapi_3():
    assert SPEC["asyncapi"] == "3.0.0"
    assert set(SPEC) == {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"}
    assert {"title", "version"} <= set(SPEC["info"])
    for name, channel in CHANNELS.items():
        assert set(channel) == {"address", "description", "parameters", "messages"}, name
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"]), name
    of = [operation["channel"]["$ref"].removeprefix("#/channels/") for operation in SPEC["operations"].values()]
    assert sorted(of) == sorted(CHANNELS)
    for operation in SPEC["operations"].values():
        assert set(operation) == {"action", "channel", "bindings"}
        assert operation["action"] in ("send", "receive")
        assert set(operation["bindings"]["mqtt"]) == {"qos", "retain"}
    for parameter in SPEC["components"]["parameters"].values():
        assert set(parameter) <= {"description", "default", "enum"}
    for schema in SCHEMAS.values():
        Draft7Validator.check_schema(schema)


def test_its_topics_are_those_of_the_code():
    topics = Topics("vitals/ward-3")
    alarm = Alarm("bed1/af", "o", "physiological", "low", "on", 1.0, "AF", "af", "bed1")
    of_source = Alarm("bed1/source_lost/node", "o", "technical", "low", "on", 1.0, "Lost", "source_lost", "bed1")
    made = {
        "status": topics.status,
        "stats": topics.stats,
        "heartbeat": topics.heartbeat,
        "sourceStatus": topics.source("node"),
        "reading": topics.reading("bed1", "ppg.hr"),
        "alarm": topics.alarm(alarm),
        "sourceAlarm": topics.alarm(of_source),
        "bedState": topics.bed("bed1"),
        "event": topics.event("bed1"),
        "command": topics.commands.replace("+/cmd/+", "bed1/cmd/ack"),
        "commandResult": topics.result("bed1"),
        "commandReply": f"{topics.result('bed1')}/node-red",
        "discovery": "homeassistant/device/ward-3/config",
    }
    assert {name: channel_of(topic) for name, topic in made.items()} == {name: name for name in CHANNELS}
    assert channel_of("vitals/ward-3/bed1/pressure") is None


def test_its_words_are_those_of_the_code():
    metrics = {m for kind in kinds("analyzers") for m in declared_metrics(kind)} | {"fused.hr", "fused.spread"}
    parameters = SPEC["components"]["parameters"]
    assert set(parameters["metric"]["enum"]) == metrics
    assert tuple(parameters["condition"]["enum"]) == tuple(SCHEMAS["Condition"]["enum"]) == tuple(DEFAULTS)
    assert parameters["command"]["enum"] == list(COMMANDS)
    assert set(SCHEMAS["Reason"]["enum"]) == {*REASONS, ""}
    assert tuple(SCHEMAS["Evidence"]["properties"]["change"]["enum"]) == CHANGES
    assert tuple(SCHEMAS["Priority"]["enum"]) == PRIORITIES
    assert tuple(SCHEMAS["Event"]["properties"]["presence"]["enum"]) == PRESENCES
    assert tuple(SCHEMAS["SourceStatus"]["properties"]["state"]["enum"]) == SOURCE_STATES
    assert all(name in CHANNELS["sourceAlarm"]["description"] for name in PER_SOURCE)


def declared_metrics(kind):
    module = kind_module("analyzers", kind)
    (cls,) = [
        c
        for c in vars(module).values()
        if isinstance(c, type) and c.__module__ == module.__name__ and hasattr(c, "metrics")
    ]
    return cls.metrics


# ---- payloads ------------------------------------------------------------------------------------------------------

CLOCK = ManualClock(now=200.0, wall=1_800_000_200.0)
MADE = {
    "reading": lambda p: p.reading(Reading("ppg.hr", 199.0, 61.0, "bpm", 0.9, bed="bed1", source="node"), 7),
    "sourceStatus": lambda p: p.source(
        SourceStatus(
            "node", "bed1", 200.0, "online", since=5.0,
            coverage={"ppg.hr": {"hour": 0.98, "day": None, "blind": [{"start": 10.0, "end": 12.0, "cause": "motion"}]}},
        )
    ),
    "bedState": lambda p: p.bed(BedStatus("bed1", 200.0, "p1", "MV", 150.0, "nurse", None, 300.0)),
    "alarm": lambda p: p.alarm(Alarm("bed1/af", "o.1", "physiological", "medium", "latched", 9.0, "AF", "af", "bed1", evidence={"change": "latched"})),
    "commandResult": lambda p: p.result(CommandResult(Command("ack", "bed1", 1.0, "c1", "nurse"), 2.0, True, "done")),
}  # fmt: skip


@pytest.mark.parametrize("channel", MADE)
def test_a_payload_obeys_and_one_with_a_key_less_or_more_does_not(channel):
    payload = json.loads(MADE[channel](Payloads(CLOCK, "boot")))
    assert faults(channel, payload) == []
    for key in payload:
        less = {k: v for k, v in payload.items() if k != key}
        assert faults(channel, less) or key == "coverage", key
    assert faults(channel, {**payload, "more": 1})
    assert faults(channel, {**payload, "t": "2027-01-15 08:03:20"})
    assert faults(channel, {**payload, "v": 2})


def test_a_reading_without_a_value_needs_a_reason():
    reading = json.loads(MADE["reading"](Payloads(CLOCK, "boot")))
    assert faults("reading", {**reading, "value": None, "reason": "motion"}) == []
    assert faults("reading", {**reading, "value": None, "reason": ""})
    assert faults("reading", {**reading, "reason": "tired"})


CONFIG = """
[device]
name = "ward-3"
state_dir = "state"
[mqtt]
host = "127.0.0.1"
port = {port}
[sources.node]
kind = "synthetic"
streams = ["ppg", "acc", "pcg"]
rate_bpm = 35.0
[sources.gone]
kind = "serial_port"
port = "/dev/no-such-port"
[alarms.brady]
on_delay_s = 1
[delivery]
roles = ["nurse-station", "charge-nurse"]
confirm_within_s = 600
"""


class Subscriber:
    """Keeps every message with its flags as they were published; ``wait`` for what must come."""

    def __init__(self, port):
        self.messages = []
        self._came = threading.Condition()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.subscribe([("#", SubscribeOptions(qos=1, retainAsPublished=True))])
        self.client.loop_start()

    def _take(self, _client, _user, message):
        with self._came:
            self.messages.append(message)
            self._came.notify_all()

    def wait(self, done, seconds=60.0):
        with self._came:
            assert self._came.wait_for(lambda: done(self.messages), seconds), sorted({m.topic for m in self.messages})

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def came(topic, **fields):
    """Whether a message of that topic, with these fields, is among them."""

    def among(messages):
        return any(
            m.topic == f"vitals/ward-3/{topic}"
            and fields.items() <= (json.loads(m.payload) if m.payload else {}).items()
            for m in messages
        )

    return among


@pytest.mark.slow
def test_every_payload_of_a_running_device_obeys(mosquitto, tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG.format(port=mosquitto.port))
    command = [sys.executable, "-m", "edge", "run", str(tmp_path / "c.toml"), "--quiet"]
    subscriber = Subscriber(mosquitto.port)

    def wish(name, **fields):
        stamp = {"command_id": f"{name}-{time.monotonic_ns()}", "t": datetime.now(UTC).isoformat(), "by": "nurse"}
        asks = Properties(PacketTypes.PUBLISH)
        asks.ResponseTopic = "vitals/ward-3/bed1/cmd/result/nurse"
        payload = json.dumps({**stamp, **fields})
        subscriber.client.publish(f"vitals/ward-3/bed1/cmd/{name}", payload, qos=1, properties=asks)

    try:
        with subprocess.Popen(command, env=os.environ) as device:
            subscriber.wait(
                lambda ms: (
                    came("bed1/alarm/brady")(ms) and came("bed1/alarm/source_lost/gone")(ms) and came("stats")(ms)
                )
            )
            rung = next(json.loads(m.payload) for m in subscriber.messages if m.topic.endswith("alarm/brady"))
            wish("received", occurrence=rung["occurrence"], role="nurse-station")
            wish("drill", seconds=0)
            wish("ack", id="bed1/brady")
            wish("shelve", id="bed1/source_lost/gone", seconds=60)
            wish("pause", seconds=5)
            wish("reset")
            subscriber.wait(came("bed1/alarm/brady", presence="ack"))
            wish("standby", seconds=30)
            subscriber.wait(lambda ms: any(m.topic.endswith("alarm/brady") and not m.payload for m in ms))
            subscriber.wait(came("bed1/cmd/result", command="standby", ok=True))
            device.kill()  # so that the broker tells its Last Will
        subscriber.wait(came("status", state="offline"))
        with subprocess.Popen(command, env=os.environ) as device:
            subscriber.wait(lambda ms: sum(came("status", state="online")([m]) for m in ms) == 2)
            device.terminate()
        subscriber.wait(came("status", state="stopped"))
        assert came("source/node/status", state="disabled", reason="the program was stopped")(subscriber.messages)
    finally:
        subscriber.close()

    seen = set()
    bindings = {o["channel"]["$ref"].rpartition("/")[2]: o["bindings"]["mqtt"] for o in SPEC["operations"].values()}
    for message in subscriber.messages:
        channel = channel_of(message.topic)
        assert channel is not None, message.topic
        payload = json.loads(message.payload) if message.payload else ""
        assert faults(channel, payload) == [], (message.topic, payload)
        assert (message.qos, message.retain) == (bindings[channel]["qos"], bindings[channel]["retain"]), message.topic
        for key in set(payload) & {"metric", "condition"}:
            assert payload[key] in SPEC["components"]["parameters"][key]["enum"]
        seen.add(channel)
    assert seen == set(CHANNELS)
