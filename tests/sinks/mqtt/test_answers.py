"""Answers on the response topic that a command names, with its correlation data: over a real broker, in both versions."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.types import CommandResult
from mqtt_device import CLOCK, WAIT_S, Device, Scripted, Subscriber, load, online, wanting

RESULT = "vitals/dev/bed1/cmd/result"


def ask(client, topic="", correlation=None, *, command_id="", by="n", **kw):
    command_id = command_id or uuid.uuid4().hex
    fields = {"command_id": command_id, "by": by, "t": datetime.now(UTC).isoformat()}
    properties = wanting(topic, correlation) if topic else None
    client.publish("vitals/dev/bed1/cmd/ack", json.dumps(fields), qos=1, properties=properties, **kw)
    return command_id


def answer(device, number, text="done"):
    """Let the device answer its ``number``-th command."""
    device.wait(lambda d: len(d.commands) > number)
    device.sink.send(CommandResult(device.commands[number], CLOCK.now(), True, text))


def correlation_of(message):
    return getattr(message.properties, "CorrelationData", None)


@pytest.mark.parametrize("topic", ["node-red/answers", f"{RESULT}/node-red"])
def test_the_answer_comes_back_with_the_correlation_data_and_the_bed_s_without(device, subscriber, topic):
    said = ask(subscriber.client, topic, b"\x00\xff17")
    answer(device, 0)
    theirs = subscriber.wait(topic)
    ours = subscriber.wait(RESULT)
    assert theirs.payload == ours.payload
    assert load(theirs)["command_id"] == said
    assert (theirs.qos, theirs.retain, ours.qos) == (1, False, 1)
    assert (correlation_of(theirs), correlation_of(ours)) == (b"\x00\xff17", None)


def test_a_refused_command_is_answered_there_too(device, subscriber):
    subscriber.client.publish("vitals/dev/bed1/cmd/ack", b"{", qos=1, properties=wanting("a/b", b"17"))
    message = subscriber.wait("a/b")
    assert (load(message)["ok"], correlation_of(message)) == (False, b"17")
    assert device.commands == []


def test_who_names_the_bed_s_own_result_topic_gets_it_once_with_the_correlation_data(device, subscriber):
    ask(subscriber.client, RESULT, b"17")
    answer(device, 0)
    ask(subscriber.client, "a/b")
    answer(device, 1)
    subscriber.wait("a/b")
    assert [correlation_of(m) for m in subscriber.messages if m.topic == RESULT] == [b"17", None]


def test_two_who_use_the_same_command_id_are_each_answered_for_their_own(device, subscriber):
    for name in ("one", "two"):
        ask(subscriber.client, f"{name}/answers", name.encode(), command_id="c1", by=name)
    device.wait(lambda d: len(d.commands) == 2)
    answer(device, 1, "to two")
    answer(device, 0, "to one")
    for name in ("one", "two"):
        message = subscriber.wait(f"{name}/answers")
        told = load(message)
        assert (told["by"], told["text"], correlation_of(message)) == (name, f"to {name}", name.encode())


@pytest.mark.parametrize(
    ("topic", "correlation"),
    [
        ("vitals/dev/bed1/cmd/pause", None),
        ("vitals/other/bed1/cmd/ack", None),
        ("vitals/dev/bed1/alarm/af", None),
        ("vitals/dev/bed1/event", None),
        ("vitals/dev/status", None),
        ("vitals/dev/bed2/cmd/result/me", None),
        (f"{RESULT}/me/more", None),
        ("clinic/ward-4/bed1/cmd/ack", None),
        ("homeassistant/device/dev/config", None),
        ("homeassistant/status", None),
        ("$SYS/broker/uptime", None),
        ("me/" + "x" * 254, None),
        ("me/answers", b"x" * 257),
    ],
)
def test_a_topic_that_is_somebody_else_s_gets_nothing_and_the_command_is_done(
    device, subscriber, caplog, topic, correlation
):
    ask(subscriber.client, topic, correlation)
    answer(device, 0)
    ask(subscriber.client, "last/answers")
    answer(device, 1)
    subscriber.wait("last/answers")
    answers = [m.topic for m in subscriber.messages if m.topic.startswith(("last", RESULT)) or b'"ok"' in m.payload]
    assert answers == [RESULT, RESULT, "last/answers"]
    assert "is answered on the bed's topic only" in caplog.text


def test_with_a_prefix_only_topics_below_it_and_the_bed_s_own_are_answered(outbox, mosquitto, subscriber):
    device = Device(outbox, mosquitto.port, response_prefix="answers/").up()
    online(mosquitto.port)
    for number, topic in enumerate(("answers", "answers/me", f"{RESULT}/me", "elsewhere/me", "answersx/me")):
        ask(subscriber.client, topic)
        answer(device, number)
    ask(subscriber.client, "answers/last")
    answer(device, 5)
    subscriber.wait("answers/last")
    told = {m.topic for m in subscriber.messages if b'"ok"' in m.payload}
    assert told == {RESULT, f"{RESULT}/me", "answers/me", "answers/last"}
    device.sink.close()


# ---- MQTT 3.1.1 --------------------------------------------------------------------------------------------


def test_a_sender_of_3_1_1_is_answered_on_the_bed_s_topic(device, subscriber, mosquitto):
    old = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    old.connect("127.0.0.1", mosquitto.port)
    old.loop_start()
    ask(old)
    answer(device, 0)
    told = subscriber.wait(RESULT)
    assert correlation_of(told) is None
    old.disconnect()
    old.loop_stop()


class OldBroker(Scripted):
    """Speaks 3.1.1 only, and says who has connected with what."""

    def __init__(self):
        self.versions, self.published, self.changed = [], [], threading.Condition()
        super().__init__()

    def _answer(self, peer, head, body):
        if head == 0x10:
            self.versions.append(body[6])
            peer.sendall(b"\x20\x02\0\1" if body[6] == 5 else b"\x20\x02\0\0")
        elif head == 0x82:
            peer.sendall(b"\x90\x03" + body[:2] + b"\1")
        else:
            super()._answer(peer, head, body)
        if head & 0xF0 == 0x30:
            with self.changed:
                self.published.append(body)
                self.changed.notify_all()


def test_a_device_on_a_broker_of_3_1_1_knows_no_response_topic(outbox):
    broker = OldBroker()
    device = Device(outbox, broker.port).up()
    assert broker.versions == [5, 4]
    fields = {"command_id": "c1", "by": "n", "t": datetime.now(UTC).isoformat()}
    ours = device.sink._connection.client
    message = type(
        "Message", (), {"topic": "vitals/dev/bed1/cmd/ack", "payload": json.dumps(fields).encode(), "retain": False}
    )()
    message.properties = None  # as the client gives it by 3.1.1
    ours.on_message(ours, None, message)
    answer(device, 0)
    with broker.changed:
        assert broker.changed.wait_for(lambda: any(RESULT.encode() in p for p in broker.published), WAIT_S)
    device.sink.close()
    broker.close()


# ---- what a client cannot read -----------------------------------------------------------------------------


def lost(device):
    return sum(not up for up, _ in device.links)


@pytest.mark.parametrize("kept", [False, True])
def test_a_response_topic_that_the_client_cannot_read_costs_one_connection(device, mosquitto, kept):
    """U+FEFF is allowed in a topic, and refused by our client: one message must not make the device deaf for ever."""
    sender = Subscriber(mosquitto.port, "nothing")
    ask(sender.client, "me/\ufeff", retain=kept)
    device.wait(lambda d: lost(d) == 1 and d.links[-1][0])
    online(mosquitto.port)
    ask(sender.client, "me/answers")
    device.wait(lambda d: d.commands)
    assert lost(device) == 1
    sender.close()


def test_a_client_that_fails_is_a_lost_connection(device, mosquitto, monkeypatch):
    """As the client's own thread did in versions before 2.2, which only ended."""
    sound = Client._handle_publish

    def fail_once(client):
        monkeypatch.setattr(Client, "_handle_publish", sound)
        raise ValueError("cannot be read")

    sender = Subscriber(mosquitto.port, "nothing")
    monkeypatch.setattr(Client, "_handle_publish", fail_once)
    ask(sender.client)
    device.wait(lambda d: lost(d) == 1 and d.links[-1][0])
    assert device.links[1] == (False, "connection lost: malformed packet")
    online(mosquitto.port)
    ask(sender.client)
    device.wait(lambda d: d.commands)
    sender.close()
