"""Home Assistant's discovery message: said last, and what an earlier one said is taken back."""

from __future__ import annotations

import json

import pytest

from edge.mqtt.connection import Message
from edge.sinks._mqtt.announcement import Announcement
from mqtt_device import CLOCK, Device, Subscriber, online, outbox  # noqa: F401

TOPIC = "homeassistant/device/dev/config"
NOW = {"origin": {"name": "edge-vitals"}, "components": {"hr": {"platform": "sensor", "state_topic": "x"}}}


def announcement(content=NOW):
    return Announcement(TOPIC, None if content is None else json.dumps(content).encode())


def taken_back(was, now=NOW):
    one = announcement(now)
    one.left(was if isinstance(was, bytes) else json.dumps(was).encode())
    return [json.loads(m.payload) for m in one.taken_back()]


def test_what_is_no_more_is_named_by_its_platform_alone_and_then_left_out():
    gone = {"rr": {"platform": "sensor", "state_topic": "y"}, "stop": {"platform": "button"}}
    farewell, after = taken_back({**NOW, "components": {**NOW["components"], **gone}})
    assert farewell["components"] == {
        **NOW["components"],
        "rr": {"platform": "sensor"},
        "stop": {"platform": "button"},
    }
    assert after == NOW


def test_without_discovery_what_an_earlier_run_announced_is_emptied():
    one = announcement(None)
    one.left(json.dumps(NOW).encode())
    assert one.taken_back() == [Message(TOPIC, b"", 1, retain=True)]


@pytest.mark.parametrize(
    "was",
    [
        NOW,
        b"",
        b"{",
        b"[1]",
        b"[" * 5000,
        {"origin": {"name": "another program"}, "components": {"rr": {"platform": "sensor"}}},
        {"origin": "edge-vitals", "components": {"rr": {"platform": "sensor"}}},
        {"origin": {"name": "edge-vitals"}, "components": ["rr"]},
        {"origin": {"name": "edge-vitals"}, "components": {"rr": "sensor", "x": {}}},
    ],
)
def test_nothing_is_taken_back_of_others_or_of_what_cannot_be_read(was):
    assert taken_back(was) == []


def test_only_what_the_broker_tells_on_this_connection_counts_and_once():
    one = announcement(None)
    one.left(json.dumps(NOW).encode())
    one.connected()
    assert one.taken_back() == []
    one.left(json.dumps(NOW).encode())
    assert len(one.taken_back()) == 1
    assert one.taken_back() == []


def test_it_is_given_up_when_connections_end_over_it_twice():
    one = announcement()
    one.connected()
    assert one.due
    assert one.take() == Message(TOPIC, json.dumps(NOW).encode(), 1, retain=True)
    assert not one.due
    assert not one.ended(snubbed=True)
    assert not one.ended(snubbed=False)
    assert one.ended(snubbed=True)
    assert not one.ended(snubbed=True)
    one.connected()
    one.asked(live=False)
    assert not one.due


def test_home_assistant_that_comes_back_is_worth_one_more_try():
    one = announcement()
    assert [one.ended(snubbed=True) for _ in range(2)] == [False, True]
    one.asked(live=True)
    assert one.due
    assert one.take().topic == TOPIC
    assert one.ended(snubbed=True)
    one.connected()
    assert not one.due
    one.asked(live=True)
    one.answered()
    one.connected()
    assert one.due


def test_a_connection_that_lasted_is_worth_one_more_try():
    one = announcement()
    assert [one.ended(snubbed=True) for _ in range(2)] == [False, True]
    one.connected()
    assert not one.due
    one.lasted()
    one.connected()
    assert one.due
    assert one.ended(snubbed=True)


def test_whoever_empties_it_is_answered_with_it_five_seconds_after_the_last_time():
    """Home Assistant does when one entity is deleted there, and takes all others away with it."""
    one = announcement()
    one.connected()
    one.take()
    one.look(100.0)
    assert not one.due
    one.emptied(100.0)
    one.emptied(103.0)
    one.look(107.9)
    assert not one.due
    one.look(108.0)
    assert one.due
    one.take()
    one.look(200.0)
    assert not one.due
    one.emptied(201.0)
    one.connected()
    one.take()
    one.look(300.0)
    assert not one.due


@pytest.mark.parametrize("hung_up", [0, 2])
def test_what_is_not_wanted_or_not_taken_is_not_said_again_when_it_is_emptied(hung_up):
    one = announcement(NOW if hung_up else None)
    for _ in range(hung_up):
        one.ended(snubbed=True)
    one.connected()
    one.emptied(0.0)
    one.look(60.0)
    assert not one.due


def test_an_answer_clears_it():
    one = announcement()
    one.ended(snubbed=True)
    one.answered()
    assert not one.ended(snubbed=True)


def test_at_a_real_broker_it_comes_back_when_it_was_emptied(outbox, mosquitto, monkeypatch):  # noqa: F811
    monkeypatch.setattr("edge.sinks._mqtt.announcement._GONE_S", 0.0)
    seen = Subscriber(mosquitto.port, TOPIC)
    one = Device(outbox, mosquitto.port).up()
    seen.wait(TOPIC)
    seen.client.publish(TOPIC, b"", 1, retain=True)
    seen.wait(TOPIC, lambda m: m is None)
    seen.wait(TOPIC, lambda _: seen.on(TOPIC)[-1] is not None)
    one.sink.close()
    seen.close()


def test_at_a_real_broker_a_metric_that_is_no_more_leaves_home_assistant(outbox, mosquitto):  # noqa: F811
    first = Device(outbox, mosquitto.port, metrics={"bed1": ["ppg.hr", "camera.hr"]}).up()
    online(mosquitto.port)
    first.sink.flush(5.0)
    first.sink.close()
    seen = Subscriber(mosquitto.port, TOPIC)
    seen.wait(TOPIC, lambda m: "bed1_camera_hr" in m["components"])
    second = Device(outbox, mosquitto.port).up()
    seen.wait(TOPIC, lambda m: m["components"].get("bed1_camera_hr") == {"platform": "sensor"})
    seen.wait(TOPIC, lambda _: "bed1_camera_hr" not in seen.on(TOPIC)[-1]["components"])
    second.sink.close()
    third = Device(outbox, mosquitto.port, discovery_prefix="").up()
    seen.wait(TOPIC, lambda m: m is None)
    third.sink.close()
    seen.close()
