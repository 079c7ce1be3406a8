"""A device that publishes to a broker, and a subscriber that keeps what it hears."""

from __future__ import annotations

import contextlib
import json
import socket
import threading

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.clock import SystemClock
from edge.mqtt.broker import Options
from edge.mqtt.connection import RefusedError, connect, hang_up
from edge.sinks.mqtt import build
from edge.sinks.outbox import Outbox
from edge.types import Alarm

CLOCK = SystemClock()
WAIT_S = 10.0


def wanting(topic, correlation=None):
    """Properties of a command that asks for its answer there."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = topic
    if correlation is not None:
        properties.CorrelationData = correlation
    return properties


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
        hang_up(self.client)
        self.client.on_connect = self.client.on_subscribe = self.client.on_message = None  # its files go with it


def refusal(**settings):
    """Why a broker on loopback does not take us, in words; empty when it does."""
    try:
        connect(Options(host="127.0.0.1", client_id="edge-vitals-test", **settings)).close()
    except RefusedError as error:
        return str(error)
    return ""


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
        self.commands, self.links, self.faults, self._changed = [], [], [], changed or threading.Condition()
        self.outbox = outbox
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "boot": "boot1",
            "hops": {"ppg.hr": 1.0},
            "metrics": {"bed1": ["ppg.hr"]},
            **settings,
        }
        self.sink = build(
            device_name="dev", clock=CLOCK, outbox=outbox, version="9", identities={"rhythm": "rhythm 1 x"},
            on_command=self._command, on_link=self._link, on_fault=self._fault, **settings,
        )  # fmt: skip

    def _command(self, command):
        with self._changed:
            self.commands.append(command)
            self._changed.notify_all()

    def _link(self, up, reason):
        with self._changed:
            self.links.append((up, reason))
            self._changed.notify_all()

    def _fault(self, *what):
        with self._changed:
            self.faults.append(what)
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


def online(port, topic="vitals/dev/status"):
    """Wait until the broker says so: then it has the device's subscriptions too, which its own link says too early."""
    with contextlib.closing(Subscriber(port, topic)) as seen:
        seen.wait(topic, lambda status: status is not None and status["state"] == "online")


@pytest.fixture
def device(outbox, mosquitto):
    one = Device(outbox, mosquitto.port).up()
    online(mosquitto.port)
    yield one
    one.sink.close()


@pytest.fixture
def subscriber(mosquitto):
    one = Subscriber(mosquitto.port)
    yield one
    one.close()


class Scripted:
    """A broker of one thread that says what it is told to say: answers to CONNECT and to alarm events. silent: on how
    many connections, the first ones, no PUBLISH is answered."""

    def __init__(self, *, publish=lambda mid: b"\x40\x02" + mid, after_connect=b"", silent=0):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._publish, self._after, self._silent = publish, after_connect, silent
        self.connects = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with self._listener:
            while True:
                peer, _ = self._listener.accept()
                with peer, contextlib.suppress(ConnectionResetError):  # who hangs up may leave an answer unread
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
        elif head & 0xF6 == 0x32 and self.connects > self._silent:
            topic_end = 2 + int.from_bytes(body[:2], "big")
            mid = body[topic_end : topic_end + 2]
            event = body[:topic_end].endswith(b"/event")
            peer.sendall(self._publish(mid) if event else b"\x40\x02" + mid)

    def close(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as peer:
            peer.sendall(b"\0")
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
