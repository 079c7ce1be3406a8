"""Two monitors with one name at one broker: both say so, and neither takes from the other what stands."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import pytest

from edge.clock import SystemClock
from edge.sinks.outbox import Outbox
from edge.types import Heartbeat
from mqtt_device import CLOCK, Device, Subscriber, alarm, load

STATUS, AF, BRADY = "vitals/dev/status", "vitals/dev/bed1/alarm/af", "vitals/dev/bed1/alarm/brady"
RESULT = "vitals/dev/bed1/cmd/result"


@contextlib.contextmanager
def another(tmp_path, port):
    """A second monitor with the name and a client id of its own."""
    box = Outbox(tmp_path / "other.sqlite", clock=SystemClock(), boot="boot2")
    one = Device(box, port, boot="boot2", client_id="another")
    try:
        yield one.up()
    finally:
        one.sink.close()
        box.close()


def kept(port, topic):
    """What the broker keeps on a topic."""
    with contextlib.closing(Subscriber(port, topic)) as late:
        message = late.wait(topic)
        assert message.retain
        return load(message)


def test_a_second_monitor_with_the_name_is_reported_by_both_and_clears_nothing(device, tmp_path, mosquitto, subscriber):
    device.raise_alarm(alarm())
    subscriber.wait(AF)
    with another(tmp_path, mosquitto.port) as second:
        device.wait(lambda d: d.faults)
        ((condition, present, text),) = device.faults
        assert (condition, present) == ("name_clash", True)
        assert text == "Another monitor is called 'dev', too: both are mixed; give each its own device.name"
        device.sink.send(Heartbeat(CLOCK.now(), 5.0, {}))
        second.wait(lambda d: d.faults)
        assert second.faults[0][:2] == ("name_clash", True)
        assert kept(mosquitto.port, AF)["boot"] == "boot1"
    device.wait(lambda d: len(d.faults) == 2)
    assert device.faults[1] == ("name_clash", False, "")


def test_what_a_second_monitor_leaves_behind_is_not_taken_for_ours(device, tmp_path, mosquitto, subscriber):
    device.raise_alarm(alarm())
    subscriber.wait(AF)
    with another(tmp_path, mosquitto.port) as second:
        device.wait(lambda d: d.faults)
        second.raise_alarm(alarm(1, occurrence="o2"))
        second.raise_alarm(alarm(2, condition="brady", occurrence="o3"))
        subscriber.wait(BRADY)
    device.wait(lambda d: len(d.faults) == 2)
    subscriber.wait(BRADY, lambda left: left is None)
    subscriber.wait(STATUS, lambda _: subscriber.on(STATUS)[-1]["state"] == "online")
    assert (kept(mosquitto.port, AF)["occurrence"], kept(mosquitto.port, STATUS)["boot"]) == ("o1", "boot1")


@pytest.mark.parametrize(
    "payload", [b"", b'{"state": "offline", "boot": "boot1"}', b'{"state": "stopped", "boot": "x"}']
)
def test_whoever_says_that_we_are_gone_is_contradicted(device, mosquitto, subscriber, payload):
    subscriber.client.publish(STATUS, payload, qos=1, retain=True)
    subscriber.wait(STATUS, lambda _: payload in [m.payload for m in subscriber.messages if m.topic == STATUS][:-1])
    assert (kept(mosquitto.port, STATUS)["state"], kept(mosquitto.port, STATUS)["boot"]) == ("online", "boot1")
    assert device.links == [(True, "")], "over the connection there is"


def test_what_another_empties_and_still_stands_is_said_again(device, mosquitto, subscriber):
    device.raise_alarm(alarm())
    subscriber.wait(AF)
    subscriber.client.publish(AF, b"", qos=1, retain=True)
    subscriber.wait(AF, lambda _: [told is None for told in subscriber.on(AF)] == [False, True, False])
    assert kept(mosquitto.port, AF)["occurrence"] == "o1"


def test_of_two_monitors_with_the_name_neither_silences_what_may_be_the_other_s(
    device, tmp_path, mosquitto, subscriber
):
    with another(tmp_path, mosquitto.port):
        device.wait(lambda d: d.faults)
        for number, (name, more) in enumerate(
            [
                ("ack", {"id": "bed1/af"}),
                ("pause", {"seconds": 60}),
                ("standby", {"seconds": 60}),
                ("shelve", {"id": "bed1/af", "seconds": 60}),
                ("reset", {}),
                ("site", {"site": "AV"}),
            ]
        ):
            asked = {"command_id": f"c{number}", "t": datetime.now(UTC).isoformat(), "by": "n", **more}
            subscriber.client.publish(f"vitals/dev/bed1/cmd/{name}", json.dumps(asked), 1)
            answer = load(
                subscriber.wait(RESULT, lambda a, c=f"c{number}": (a["boot"], a["command_id"]) == ("boot1", c))
            )
            assert (answer["ok"], answer["text"].partition(":")[0]) == (
                False,
                "another monitor has this name and hears this, too",
            )
        for name, more in (("ack", {"occurrence": "o1"}), ("pause", {"seconds": 0}), ("drill", {})):
            asked = {"command_id": name, "t": datetime.now(UTC).isoformat(), "by": "n", **more}
            subscriber.client.publish(f"vitals/dev/bed1/cmd/{name}", json.dumps(asked), 1)
        device.wait(lambda d: len(d.commands) == 3)
    assert [command.name for command in device.commands] == ["ack", "pause", "drill"]
