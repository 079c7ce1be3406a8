"""The MQTT sink against a real mosquitto: nothing lost, nothing stale, every command answered."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.clock import SystemClock
from edge.sinks._commands import CommandInbox
from edge.sinks._payloads import Topics
from edge.sinks.mqtt import build, probe
from edge.sinks.outbox import Outbox
from edge.types import Alarm, BedStatus, Command, CommandResult, ConfigError, Heartbeat, Reading, SourceStatus, Stats

CLOCK = SystemClock()
WAIT_S = 10.0


class Subscriber:
    """Keeps every message and wakes whoever waits for one."""

    def __init__(self, port, topic="#"):
        self.messages, self._changed = [], threading.Condition()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        ready = threading.Event()
        self.client.on_connect = lambda c, *_: c.subscribe(topic, qos=1)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(WAIT_S)

    def _take(self, _client, _user, message):
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait(self, topic, found=lambda payload: True):
        def match():
            return next((m for m in self.messages if m.topic == topic and found(load(m))), None)

        with self._changed:
            assert self._changed.wait_for(match, WAIT_S), f"nothing on {topic}: {[m.topic for m in self.messages]}"
            return match()

    def on(self, topic):
        return [load(m) for m in self.messages if m.topic == topic]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def load(message):
    return json.loads(message.payload) if message.payload else None


def alarm(seq=1, presence="on", *, condition="af", occurrence="o1", bed="bed1"):
    return Alarm(
        f"{bed}/{condition}", occurrence, "physiological", "medium", presence, CLOCK.now(), "AF", condition, bed,
        since=CLOCK.now() - 1.0, seq=seq, evidence={"k": 5},
    )  # fmt: skip


@pytest.fixture
def outbox(tmp_path):
    box = Outbox(tmp_path / "outbox.sqlite", clock=CLOCK, boot="boot1")
    yield box
    box.close()


class Device:
    """A sink with what it reported."""

    def __init__(self, outbox, port, *, changed=None, **settings):
        self.commands, self.links, self._changed = [], [], changed or threading.Condition()
        self.outbox = outbox
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "hops": {"ppg.hr": 1.0},
            "metrics": {"bed1": ["ppg.hr"]},
            **settings,
        }
        self.sink = build(
            device_name="dev", clock=CLOCK, outbox=outbox, boot="boot1", version="9", identities={"rhythm": "rhythm 1 x"},
            on_command=self._command, on_link=self._link, **settings,
        )  # fmt: skip

    def _command(self, command):
        with self._changed:
            self.commands.append(command)
            self._changed.notify_all()

    def _link(self, up, reason):
        with self._changed:
            self.links.append((up, reason))
            self._changed.notify_all()

    def wait(self, found):
        with self._changed:
            assert self._changed.wait_for(lambda: found(self), WAIT_S), (self.links, self.commands)

    def up(self):
        self.wait(lambda d: d.links and d.links[-1][0])
        return self

    def raise_alarm(self, one):
        assert self.outbox.append([one])
        self.sink.send(one)


@pytest.fixture
def device(outbox, mosquitto):
    one = Device(outbox, mosquitto.port)
    yield one.up()
    one.sink.close()


@pytest.fixture
def subscriber(mosquitto):
    one = Subscriber(mosquitto.port)
    yield one
    one.close()


def test_says_online_with_version_and_models_and_stopped_at_the_end(outbox, mosquitto, subscriber):
    one = Device(outbox, mosquitto.port).up()
    online = load(subscriber.wait("vitals/dev/status"))
    assert (online["state"], online["version"], online["models"]) == ("online", "9", {"rhythm": "rhythm 1 x"})
    assert (online["v"], online["heartbeat_s"]) == (1, 5.0)
    assert {"t", "mono", "boot", "clock_synced"} <= set(online)
    one.sink.close()
    subscriber.wait("vitals/dev/status", lambda p: p["state"] == "stopped")
    late = Subscriber(mosquitto.port, "vitals/dev/status")
    assert load(late.wait("vitals/dev/status"))["state"] == "stopped"
    late.close()


def test_a_reading_has_every_field_and_expires(device, subscriber):
    device.sink.send(Reading("ppg.hr", CLOCK.now(), 61.25, "bpm", 0.9, detail={"sd": 1}, bed="bed1", source="node"))
    device.sink.send(Reading("ppg.hr", CLOCK.now(), None, "bpm", reason="motion", bed="bed1", source="node"))
    topic = "vitals/dev/bed1/reading/ppg.hr"
    message = subscriber.wait(topic, lambda p: p["value"] is None)
    assert load(message)["reason"] == "motion"
    first, second = subscriber.on(topic)
    assert (first["value"], first["unit"], first["quality"], first["source"]) == (61.25, "bpm", 0.9, "node")
    assert second["seq"] == first["seq"] + 1
    assert 0 < message.properties.MessageExpiryInterval <= 3
    assert not message.retain


def test_an_alarm_is_an_event_and_stands_retained_until_it_is_over(device, subscriber, mosquitto):
    device.raise_alarm(alarm(1))
    event = load(subscriber.wait("vitals/dev/bed1/event"))
    assert (event["presence"], event["seq"], event["historical"]) == ("on", 1, False)
    assert 0.0 <= event["delay_s"] < 5.0
    subscriber.wait("vitals/dev/bed1/alarm/af")
    late = Subscriber(mosquitto.port, "vitals/dev/bed1/alarm/#")
    assert load(late.wait("vitals/dev/bed1/alarm/af"))["presence"] == "on"
    device.raise_alarm(alarm(2, "off"))
    late.wait("vitals/dev/bed1/alarm/af", lambda p: p is None)
    late.close()
    assert device.sink.flush(WAIT_S)
    assert len(device.outbox) == 0
    assert [e["presence"] for e in subscriber.on("vitals/dev/bed1/event")] == ["on", "off"]


def test_nothing_is_lost_and_order_kept_while_the_broker_is_away(outbox, new_mosquitto):
    broker = new_mosquitto().start()
    one = Device(outbox, broker.port).up()
    broker.stop()
    one.wait(lambda d: not d.links[-1][0])
    for seq in range(1, 51):
        one.raise_alarm(alarm(seq, "on" if seq % 2 else "off", occurrence=f"o{seq}"))
    assert len(outbox) == 50
    broker.start()
    subscriber = Subscriber(broker.port)
    subscriber.wait("vitals/dev/bed1/event", lambda p: p["seq"] == 50)
    seen = list(dict.fromkeys((e["occurrence"], e["seq"]) for e in subscriber.on("vitals/dev/bed1/event")))
    assert seen == sorted(seen, key=lambda s: s[1])
    assert one.sink.flush(WAIT_S)
    assert len(outbox) == 0
    subscriber.close()
    one.sink.close()


def test_what_an_earlier_run_left_is_sent_as_historical_and_retained_topics_tell_the_truth_now(tmp_path, mosquitto):
    before = Outbox(tmp_path / "o.sqlite", clock=CLOCK, boot="boot0")
    before.append([alarm(7, condition="tachy")])
    before.close()
    old = Subscriber(mosquitto.port)
    old.client.publish("vitals/dev/bed1/alarm/brady", b'{"presence":"on"}', 1, True).wait_for_publish(WAIT_S)
    box = Outbox(tmp_path / "o.sqlite", clock=CLOCK, boot="boot1")
    one = Device(box, mosquitto.port, standing=[alarm(7, "ack", condition="tachy")]).up()
    event = load(old.wait("vitals/dev/bed1/event"))
    assert (event["seq"], event["historical"]) == (7, True)
    assert load(old.wait("vitals/dev/bed1/alarm/tachy"))["presence"] == "ack"
    old.wait("vitals/dev/bed1/alarm/brady", lambda p: p is None)
    one.sink.close()
    box.close()
    old.close()


def send(subscriber, name, payload, **kw):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    subscriber.client.publish(f"vitals/dev/bed1/cmd/{name}", raw, qos=1, **kw)


def now_iso(shift_s=0.0):
    return (datetime.now(UTC) + timedelta(seconds=shift_s)).isoformat()


def test_a_command_is_handed_on_and_answered_where_it_asked(device, subscriber):
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = "my/answers"
    fields = {"command_id": "c1", "by": "nurse", "t": now_iso(), "id": "bed1/af"}
    send(subscriber, "ack", fields, properties=properties)
    device.wait(lambda d: d.commands)
    (command,) = device.commands
    assert (command.name, command.bed, command.by, command.id) == ("ack", "bed1", "nurse", "bed1/af")
    device.sink.send(CommandResult(command, CLOCK.now(), True, "acknowledged"))
    for topic in ("my/answers", "vitals/dev/bed1/cmd/result"):
        answer = load(subscriber.wait(topic))
        assert (answer["command_id"], answer["ok"], answer["text"]) == ("c1", True, "acknowledged")
        assert answer["boot"] == "boot1"


@pytest.mark.parametrize(
    ("name", "payload", "said"),
    [
        ("ack", b"{", "not JSON"),
        ("ack", [1], "not a JSON object"),
        ("ack", {"by": "n", "t": now_iso()}, "command_id"),
        ("ack", {"command_id": "c", "t": now_iso()}, "'by'"),
        ("ack", {"command_id": "c", "by": "n"}, "'t'"),
        ("ack", {"command_id": "c", "by": "n", "t": "2026-01-01T12:00:00"}, "time zone"),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(-60)}, "stale"),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(), "id": 5}, "'id'"),
        ("pause", {"command_id": "c", "by": "n", "t": now_iso(), "seconds": "long"}, "'seconds'"),
        ("explode", {"command_id": "c", "by": "n", "t": now_iso()}, "unknown command"),
        ("ack", b"{" + b" " * 5000 + b"}", "too long"),
        ("ack", b"[" * 4000, "not JSON"),
        ("ack", {"command_id": "c", "by": "n", "t": "0001-01-01T00:00:00+23:59"}, "stale"),
        ("ack", b'{"command_id": "\\ud800", "by": "n"}', "'command_id' has at most 200"),
        ("ack", {"command_id": "c", "by": "n" * 201, "t": now_iso()}, "'by' has at most 200"),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(), "occurrence": "\ud83d"}, "'occurrence' has at most 200"),
        ("drill", {"command_id": "c", "by": "n\0", "t": now_iso()}, "all of them printable"),
    ],
)
def test_a_bad_command_is_refused_with_the_reason(device, subscriber, name, payload, said, caplog):
    send(subscriber, name, payload)
    answer = load(subscriber.wait("vitals/dev/bed1/cmd/result"))
    assert answer["ok"] is False
    assert said in answer["text"]
    assert device.commands == []
    assert "refused" in caplog.text


def test_a_number_without_an_end_is_handed_on_as_infinite(device, subscriber):
    fields = b'{"command_id": "c", "by": "n", "t": "%b", "seconds": 1%b}' % (now_iso().encode(), b"0" * 400)
    send(subscriber, "pause", fields)
    device.wait(lambda d: d.commands)
    assert device.commands[0].seconds == float("inf")


def test_a_message_that_trips_the_program_does_not_end_its_connection(device, subscriber, caplog):
    def trip(_command):
        raise RuntimeError("a bug")

    device.sink._commands._on_command = trip
    send(subscriber, "ack", {"command_id": "c1", "by": "n", "t": now_iso()})
    send(subscriber, "ack", {"command_id": "c2", "by": "", "t": now_iso()})
    assert "'by'" in load(subscriber.wait("vitals/dev/bed1/cmd/result"))["text"]
    assert "could not be taken" in caplog.text


@pytest.mark.parametrize(
    ("topic", "answered"),
    [
        ("nurse/answers", True),
        ("homeassistant/device/x/config", True),
        ("vitals/dev/bed1/event", False),
        ("vitals/dev", False),
        ("vitals/+/x", False),
        ("#", False),
    ],
)
def test_an_answer_is_never_said_on_a_topic_of_ours_and_never_retained(topic, answered):
    said = []
    inbox = CommandInbox(Topics("vitals/dev"), CLOCK, print, lambda topic, _payload: said.append(topic))
    fields = json.dumps({"command_id": "c", "by": "n"}).encode()
    message = SimpleNamespace(
        topic="vitals/dev/bed1/cmd/ack", payload=fields, retain=False, properties=SimpleNamespace(ResponseTopic=topic)
    )
    inbox.message(message)
    assert said == ["vitals/dev/bed1/cmd/result", *([topic] if answered else [])]


def test_what_an_earlier_run_left_of_sources_and_beds_that_are_no_more_is_emptied(outbox, mosquitto, subscriber):
    left = ("source/old/status", "source/node/status", "bed9/state", "bed1/state")
    for topic in left:
        subscriber.client.publish(f"vitals/dev/{topic}", b'{"state": "online"}', 1, True)
        subscriber.wait(f"vitals/dev/{topic}")
    one = Device(outbox, mosquitto.port, layout={"bed1": {"sources": {"node": "serial_port"}}}).up()
    for topic in ("source/old/status", "bed9/state"):
        subscriber.wait(f"vitals/dev/{topic}", lambda payload: payload is None)
    one.sink.close()
    late = Subscriber(mosquitto.port)
    late.wait("vitals/dev/status")
    kept = {m.topic.removeprefix("vitals/dev/") for m in late.messages if m.topic.removeprefix("vitals/dev/") in left}
    late.close()
    assert kept == {"source/node/status", "bed1/state"}


def test_a_retained_command_is_refused(outbox, mosquitto, subscriber):
    send(subscriber, "ack", {"command_id": "c", "by": "n", "t": now_iso()}, retain=True)
    subscriber.wait("vitals/dev/bed1/cmd/ack")
    one = Device(outbox, mosquitto.port).up()
    assert "retained" in load(subscriber.wait("vitals/dev/bed1/cmd/result"))["text"]
    assert one.commands == []
    one.sink.close()


def test_a_command_published_as_retained_is_refused_while_connected_too(device, subscriber):
    send(subscriber, "ack", {"command_id": "c", "by": "n", "t": now_iso()}, retain=True)
    assert "retained" in load(subscriber.wait("vitals/dev/bed1/cmd/result"))["text"]
    assert device.commands == []


def test_a_source_and_stats_and_discovery_are_published(device, subscriber):
    device.sink.send(SourceStatus("node", "bed1", CLOCK.now(), "offline", "unplugged", since=CLOCK.now()))
    device.sink.send(Stats(CLOCK.now(), {"readings": {"ppg.hr": 3}}))
    source = load(subscriber.wait("vitals/dev/source/node/status"))
    assert (source["state"], source["reason"]) == ("offline", "unplugged")
    stats = load(subscriber.wait("vitals/dev/stats"))
    assert stats["outbox"] == {"depth": 0, "oldest_s": 0.0}
    found = load(subscriber.wait("homeassistant/device/dev/config"))
    assert {"device", "origin", "components", "availability"} <= set(found)
    assert {c["platform"] for c in found["components"].values()} == {"sensor", "binary_sensor", "event", "button"}


def test_where_the_microphone_sits_is_asked_by_command_and_retained(device, subscriber, mosquitto):
    subscriber.wait("vitals/dev/status")
    fields = {"command_id": "c1", "t": now_iso(), "by": "nurse", "site": "MV", "person": "p2"}
    send(subscriber, "site", fields)
    device.wait(lambda d: d.commands)
    (command,) = device.commands
    assert (command.name, command.site, command.person) == ("site", "MV", "p2")
    device.sink.send(BedStatus("bed1", CLOCK.now(), "p2", "MV", CLOCK.now(), "nurse", CLOCK.now() + 60.0))
    subscriber.wait("vitals/dev/bed1/state")
    late = Subscriber(mosquitto.port)
    told = load(late.wait("vitals/dev/bed1/state"))
    late.close()
    assert (told["site"], told["by"], told["standby_until"], "person" in told) == ("MV", "nurse", None, False)
    assert told["paused_until"] > told["site_since"]


def test_a_reading_that_waited_too_long_inside_is_not_said(device, subscriber):
    topic = "vitals/dev/bed1/reading/ppg.hr"
    device.sink.send(Reading("ppg.hr", CLOCK.now() - 22.0, 61.0, "bpm", 0.9, bed="bed1", source="node"))
    device.sink.send(Reading("ppg.hr", CLOCK.now(), 62.0, "bpm", 0.9, bed="bed1", source="node"))
    subscriber.wait(topic, lambda p: p["value"] == 62.0)
    assert [p["value"] for p in subscriber.on(topic)] == [62.0]


def test_a_heartbeat_is_live_or_nothing_and_carries_the_outbox(device, subscriber, mosquitto):
    beds = {"bed1": {"seq": 7, "standing": 1, "unconfirmed": 0}}
    device.sink.send(Heartbeat(CLOCK.now(), 5.0, beds))
    message = subscriber.wait("vitals/dev/heartbeat")
    beat = load(message)
    assert (beat["interval_s"], beat["beds"], beat["outbox"]["depth"], beat["v"]) == (5.0, beds, 0, 1)
    assert (message.qos, message.retain) == (0, False)
    assert 0 < message.properties.MessageExpiryInterval <= 5
    late = Subscriber(mosquitto.port, "vitals/dev/#")
    late.wait("vitals/dev/status")
    assert late.on("vitals/dev/heartbeat") == []
    late.close()


def test_delivery_and_drill_are_in_the_event_and_on_the_alarms_topic_and_only_where_there_are_any(device, subscriber):
    told = {"asked": ["station"], "received": "", "by": "", "annunciator": False}
    device.raise_alarm(replace(alarm(1), delivery=told, drill=True))
    device.raise_alarm(alarm(2, condition="brady"))
    for topic in ("vitals/dev/bed1/event", "vitals/dev/bed1/alarm/af"):
        marked = load(subscriber.wait(topic, lambda p: p["id"] == "bed1/af"))
        assert (marked["delivery"], marked["drill"]) == (told, True)
    plain = load(subscriber.wait("vitals/dev/bed1/event", lambda p: p["id"] == "bed1/brady"))
    assert not {"delivery", "drill"} & set(plain)


def test_a_confirmation_is_a_command_with_a_role(device, subscriber):
    fields = {"command_id": "c9", "by": "program", "t": now_iso(), "role": "station", "occurrence": "o1"}
    send(subscriber, "received", fields)
    device.wait(lambda d: d.commands)
    (command,) = device.commands
    assert (command.name, command.role, command.occurrence) == ("received", "station", "o1")
    send(subscriber, "received", {**fields, "command_id": "c10", "role": 5})
    answer = load(subscriber.wait("vitals/dev/bed1/cmd/result", lambda p: p["command_id"] == "c10"))
    assert "'role' must be a text" in answer["text"]


def test_discovery_is_said_again_when_home_assistant_starts(device, subscriber):
    subscriber.wait("homeassistant/device/dev/config")
    subscriber.messages.clear()
    subscriber.client.publish("homeassistant/status", b"online")
    subscriber.wait("homeassistant/device/dev/config")


def test_two_devices_with_one_client_id_do_not_fight(outbox, mosquitto, subscriber, tmp_path):
    changed = threading.Condition()
    first = Device(outbox, mosquitto.port, changed=changed).up()
    box = Outbox(tmp_path / "second.sqlite", clock=CLOCK, boot="boot2")
    second = Device(box, mosquitto.port, changed=changed).up()
    both = (first, second)
    first.wait(lambda d: any("another program" in w for one in both for _, w in one.links))
    (quiet,) = [one for one in both if "another program" in one.links[-1][1]]
    (other,) = [one for one in both if one is not quiet]
    other.up()
    seen = len(quiet.links)
    other.raise_alarm(alarm(1))
    assert other.sink.flush(WAIT_S)
    assert len(quiet.links) == seen
    second.sink.close()
    first.sink.close()
    box.close()


@pytest.mark.slow
def test_a_broker_that_restarts_again_and_again_is_not_taken_for_another_program(outbox, new_mosquitto):
    broker = new_mosquitto().start()
    one = Device(outbox, broker.port).up()
    for _ in range(3):
        broker.stop(kill=True)
        one.wait(lambda d: not d.links[-1][0])
        broker.start()
        one.up()
    assert not any("another program" in why for _, why in one.links)
    one.sink.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # amqtt leaves refused sockets open
def test_a_broker_that_knows_only_3_1_1_is_spoken_to(outbox):
    from edge.demo.broker import Broker

    with Broker() as broker:
        one = Device(outbox, broker.port).up()
        assert one.sink._connection.version == 4
        one.raise_alarm(alarm(1))
        assert one.sink.flush(WAIT_S)
        one.sink.close()
    gc.collect()


def test_without_a_broker_readings_are_dropped_and_alarms_wait(outbox):
    one = Device(outbox, 1)
    one.wait(lambda d: d.links)
    assert one.links[0][0] is False
    assert "not reachable" in one.links[0][1]
    for _ in range(1000):
        one.sink.send(Reading("ppg.hr", CLOCK.now(), 60.0, "bpm", 1.0, bed="bed1"))
    one.raise_alarm(alarm(1))
    assert one.sink.flush(0.1) is False
    assert len(one.sink._live) == 0
    assert len(outbox) == 1
    one.sink.close()


def password_broker(new_mosquitto, tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "dev", "right"], check=True, capture_output=True)
    os.chmod(passwords, 0o644)
    return new_mosquitto(f"allow_anonymous false\npassword_file {passwords}\n").start()


def test_a_wrong_password_is_named_without_the_password(outbox, new_mosquitto, tmp_path, caplog):
    broker = password_broker(new_mosquitto, tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    one = Device(outbox, broker.port, username="dev", password_file=str(secret))
    one.wait(lambda d: d.links)
    assert "not authorized" in one.links[0][1] or "bad user name or password" in one.links[0][1]
    assert "hunter2" not in caplog.text + repr(one.sink._options)
    one.sink.close()
    secret.write_text("right\n")
    assert probe(host="127.0.0.1", port=broker.port, username="dev", password_file=str(secret)) == ""
    assert "refused" in probe(host="127.0.0.1", port=broker.port)


def certificates(tmp_path, name="127.0.0.1"):
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=tmp_path)

    days = ["-days", "2", "-nodes", "-newkey", "rsa:2048"]
    openssl("req", "-x509", *days, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    for who in ("server", "client"):
        openssl("req", *days[2:], "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", f"/CN={who}")
        (tmp_path / "ext").write_text(
            f"subjectAltName=IP:{name}" if name[0].isdigit() else f"subjectAltName=DNS:{name}"
        )
        openssl("x509", "-req", "-in", f"{who}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{who}.pem", "-days", "2", "-extfile", "ext")  # fmt: skip
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    tmp_path.chmod(0o755)


def tls_broker(new_mosquitto, tmp_path, *, clients=False):
    lines = f"allow_anonymous true\ncafile {tmp_path}/ca.pem\ncertfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.key\n"
    return new_mosquitto(lines + ("require_certificate true\n" if clients else "")).start()


def test_tls_with_a_client_certificate(outbox, new_mosquitto, tmp_path):
    certificates(tmp_path)
    broker = tls_broker(new_mosquitto, tmp_path, clients=True)
    ca, cert, key = (str(tmp_path / name) for name in ("ca.pem", "client.pem", "client.key"))
    one = Device(outbox, broker.port, ca_file=ca, cert_file=cert, key_file=key).up()
    one.raise_alarm(alarm(1))
    assert one.sink.flush(WAIT_S)
    one.sink.close()
    assert probe(host="127.0.0.1", port=broker.port, ca_file=ca) != ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_a_certificate_for_another_name_or_from_elsewhere_is_refused(new_mosquitto, tmp_path):
    certificates(tmp_path, name="elsewhere.example")
    broker = tls_broker(new_mosquitto, tmp_path)
    said = probe(host="127.0.0.1", port=broker.port, ca_file=str(tmp_path / "ca.pem"))
    assert said.startswith("TLS: ")
    assert "127.0.0.1" in said
    assert probe(host="127.0.0.1", port=broker.port, tls=True).startswith("TLS: ")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"password_file": "/none"}, "password_file"),
        ({"password_env": "EDGE_VITALS_NO_SUCH"}, "EDGE_VITALS_NO_SUCH"),
        ({"ca_file": "/none.pem"}, "/none.pem"),
    ],
)
def test_missing_secrets_and_files_are_configuration_errors(outbox, settings, said):
    with pytest.raises(ConfigError, match=said):
        Device(outbox, 1, **settings)


KILLED = """
    import sys
    from edge.clock import SystemClock
    from edge.sinks.mqtt import build
    from edge.sinks.outbox import Outbox
    from edge.types import Alarm
    clock = SystemClock()
    box = Outbox(sys.argv[1], clock=clock, boot=sys.argv[3])
    first = int(sys.argv[4])
    sink = build(device_name="dev", clock=clock, outbox=box, boot=sys.argv[3], on_command=print,
                 on_link=lambda *a: None, host="127.0.0.1", port=int(sys.argv[2]))
    for seq in range(first, first + 100_000):
        one = Alarm("bed1/af", f"o{seq}", "physiological", "medium", "on", clock.now(), "AF", "af", "bed1", seq=seq)
        assert box.append([one])
        print(seq, flush=True)
        sink.send(one)
"""


@pytest.mark.parametrize("moments", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_a_process_killed_at_any_moment_loses_no_transition(tmp_path, mosquitto, moments):
    subscriber = Subscriber(mosquitto.port)
    path, durable = tmp_path / "o.sqlite", 0
    for moment in range(moments):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(mosquitto.port), f"b{moment}"]
        process = subprocess.Popen([*command, str(durable + 1)], stdout=subprocess.PIPE, text=True)
        for _ in range(5 + 7 * moment % 23):
            durable = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        durable = int(rest[-1]) if rest else durable
        process.wait(WAIT_S)
        process.stdout.close()
    box = Outbox(path, clock=CLOCK, boot="last")
    one = Device(box, mosquitto.port).up()
    assert one.sink.flush(WAIT_S)
    subscriber.wait("vitals/dev/bed1/event", lambda p: p["seq"] >= durable)
    seen = list(dict.fromkeys(e["seq"] for e in subscriber.on("vitals/dev/bed1/event")))
    assert set(range(1, durable + 1)) <= set(seen)
    assert seen == sorted(seen)
    one.sink.close()
    box.close()
    subscriber.close()


def test_unanswered_commands_are_forgotten_in_time(device):
    for number in range(400):
        device.sink._commands._reply[f"c{number}"] = ("x", None)
    command = Command("ack", "bed1", CLOCK.now(), "c0", "n")
    device.sink.send(CommandResult(command, CLOCK.now(), True))
    assert device.sink.flush(WAIT_S)


class Scripted:
    """A broker of one thread that says what it is told to say: answers to CONNECT and to alarm events."""

    def __init__(self, *, publish=lambda mid: b"\x40\x02" + mid, after_connect=b""):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._publish, self._after = publish, after_connect
        self.connects = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with self._listener:
            while True:
                peer, _ = self._listener.accept()
                with peer:
                    if not self._talk(peer):
                        return

    def _talk(self, peer):
        stream = peer.makefile("rb")
        while head := stream.read(1):
            if head == b"\0":
                return False
            size, shift, byte = 0, 0, 0x80
            while byte & 0x80:
                byte = stream.read(1)[0]
                size, shift = size | (byte & 0x7F) << shift, shift + 7
            self._answer(peer, head[0], stream.read(size))
        return True

    def _answer(self, peer, head, body):
        if head == 0x10:
            self.connects += 1
            peer.sendall(b"\x20\x03\0\0\0" + self._after)
        elif head == 0x82:
            peer.sendall(b"\x90\x06" + body[:2] + b"\0\1\1\1")
        elif head == 0xC0:
            peer.sendall(b"\xd0\0")
        elif head & 0xF6 == 0x32:
            topic_end = 2 + int.from_bytes(body[:2], "big")
            mid = body[topic_end : topic_end + 2]
            event = body[:topic_end].endswith(b"/event")
            peer.sendall(self._publish(mid) if event else b"\x40\x02" + mid)

    def close(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as peer:
            peer.sendall(b"\0")
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


def test_a_session_taken_over_is_said_at_once_and_not_fought_over(outbox):
    broker = Scripted(after_connect=b"\xe0\x02\x8e\0")
    one = Device(outbox, broker.port)
    one.wait(lambda d: any("another program" in why for _, why in d.links))
    assert broker.connects == 1
    one.sink.close()
    assert broker.connects == 1
    broker.close()


def test_an_alarm_that_the_broker_refuses_stays_in_the_outbox_and_goes_when_it_is_taken(outbox):
    answers = [b"\x97\0", b"\x97\0"]
    broker = Scripted(publish=lambda mid: b"\x40\x04" + mid + answers.pop() if answers else b"\x40\x02" + mid)
    one = Device(outbox, broker.port).up()
    one.raise_alarm(alarm(1))
    one.wait(lambda d: d.links[-1] == (False, "alarms refused: quota exceeded"))
    assert len(outbox) == 1
    one.raise_alarm(alarm(2, "off"))
    one.up()
    assert one.sink.flush(WAIT_S)
    assert len(outbox) == 0
    assert one.sink.sent_events >= 4
    one.sink.close()
    broker.close()


def test_a_backlog_waits_for_subscribers_that_are_on_their_way_back(tmp_path, mosquitto):
    before = Outbox(tmp_path / "o.sqlite", clock=CLOCK, boot="boot0")
    before.append([alarm(seq, occurrence=f"o{seq}") for seq in (1, 2, 3)])
    before.close()
    box = Outbox(tmp_path / "o.sqlite", clock=CLOCK, boot="boot1")
    one = Device(box, mosquitto.port).up()
    assert one.sink.flush(0.6) is False
    assert len(box) == 3
    late = Subscriber(mosquitto.port)
    late.wait("vitals/dev/bed1/event", lambda p: p["seq"] == 3)
    assert [e["seq"] for e in late.on("vitals/dev/bed1/event")] == [1, 2, 3]
    one.sink.close()
    box.close()
    late.close()
