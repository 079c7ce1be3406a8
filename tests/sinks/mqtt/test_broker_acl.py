"""The broker's ready access rules, tried against a real mosquitto: a device keeps to itself, a viewer only looks."""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from whole_program import running

FOLDER = Path(__file__).parents[3] / "tools" / "mosquitto"
USERS = ("ward-3", "ward-4", "nurse", "viewer")
REFUSED = 0x87


class Person:
    """A connected client: ``say`` gives the broker's reason code, ``heard`` what arrives."""

    def __init__(self, port, user=None, topic=None):
        self.heard: queue.Queue = queue.Queue()
        self._codes, self._ready, self.refused = queue.Queue(), threading.Event(), None
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        if user:
            self.client.username_pw_set(user, f"secret of {user}")
        self.client.on_connect = self._connected
        self.client.on_publish = lambda _c, _u, _mid, code, _p: self._codes.put(code.value)
        self.client.on_message = lambda _c, _u, m: self.heard.put((m.topic, bytes(m.payload)))
        self.client.on_subscribe = lambda *_: self._ready.set()
        self._topic = topic
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(10.0)

    def _connected(self, client, _user, _flags, code, _properties):
        self.refused = code.is_failure
        if self._topic and not self.refused:
            client.subscribe(self._topic, qos=1)
        else:
            self._ready.set()

    def say(self, topic, payload=b"x"):
        self.client.publish(topic, payload, qos=1)
        return self._codes.get(timeout=10.0)

    def hears(self, topic):
        while True:
            heard, _ = self.heard.get(timeout=10.0)
            if heard == topic:
                return True

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(new_mosquitto, tmp_path):
    maker = shutil.which("mosquitto_passwd") or pytest.skip("no mosquitto_passwd")
    passwords = tmp_path / "passwd"
    passwords.touch(mode=0o600)
    for user in USERS:
        subprocess.run([maker, "-b", str(passwords), user, f"secret of {user}"], check=True, capture_output=True)
    kept = [
        line
        for line in (FOLDER / "edge-vitals.conf").read_text().splitlines()
        if line
        and not line.startswith(("#", "listener", "cafile", "certfile", "keyfile", "persistence", "autosave"))
        and not line.startswith(("max_", "per_listener"))
    ]
    text = "\n".join(kept) + "\n"
    text = text.replace("/etc/mosquitto/passwd", str(passwords)).replace("/etc/mosquitto", str(FOLDER))
    made = new_mosquitto(text).start()
    people = []

    def person(user=None, topic=None):
        people.append(Person(made.port, user, topic))
        return people[-1]

    person.port = made.port
    yield person
    for one in people:
        one.close()


def test_nobody_comes_in_without_a_password(broker):
    assert broker().refused


def test_a_device_writes_its_own_subtree_and_no_other(broker):
    nurse, device = broker("nurse", "vitals/#"), broker("ward-3")
    assert device.say("vitals/ward-4/bed1/event") == REFUSED
    assert device.say("vitals/ward-4/status") == REFUSED
    assert device.say("vitals/ward-33/bed1/event") == REFUSED
    assert device.say("other/topic") == REFUSED
    assert device.say("homeassistant/device/ward-4/config") == REFUSED
    assert device.say("vitals/ward-3/bed1/event") != REFUSED
    assert device.say("homeassistant/device/ward-3/config") != REFUSED
    assert nurse.heard.get(timeout=10.0)[0] == "vitals/ward-3/bed1/event"  # the first thing heard: nothing else passed


def test_a_device_reads_its_own_commands_and_nothing_of_others(broker):
    curious, device, nurse = broker("ward-4", "vitals/#"), broker("ward-3", "vitals/ward-3/+/cmd/+"), broker("nurse")
    assert device.say("vitals/ward-3/bed1/reading/ppg.hr") != REFUSED
    assert nurse.say("vitals/ward-3/bed1/cmd/ack", b"{}") != REFUSED
    assert device.hears("vitals/ward-3/bed1/cmd/ack")
    assert nurse.say("vitals/ward-4/bed1/cmd/ack", b"{}") != REFUSED
    assert curious.heard.get(timeout=10.0)[0] == "vitals/ward-4/bed1/cmd/ack"


def test_a_viewer_only_looks(broker):
    viewer, device = broker("viewer", "vitals/#"), broker("ward-3")
    assert device.say("vitals/ward-3/status") != REFUSED
    assert viewer.hears("vitals/ward-3/status")
    for topic in ("vitals/ward-3/bed1/cmd/ack", "vitals/ward-3/bed1/event", "vitals/ward-3/status"):
        assert viewer.say(topic) == REFUSED


def test_a_nurse_commands_and_forges_nothing(broker):
    nurse = broker("nurse")
    assert nurse.say("vitals/ward-3/bed1/cmd/pause", b"{}") != REFUSED
    for topic in ("vitals/ward-3/bed1/event", "vitals/ward-3/bed1/alarm/af", "vitals/ward-3/status"):
        assert nurse.say(topic) == REFUSED


def test_the_device_itself_needs_no_more_than_that(broker, tmp_path):
    """The real program under these rules: readings arrive, and an answered command comes back."""
    nurse = broker("nurse", "vitals/ward-3/#")
    (tmp_path / "password").write_text("secret of ward-3")
    config = f"""
        [device]
        name = "ward-3"
        state_dir = "{tmp_path}/state"
        [mqtt]
        host = "127.0.0.1"
        port = {broker.port}
        username = "ward-3"
        password_file = "{tmp_path}/password"
        [sources.patient]
        kind = "synthetic"
        analyzers = ["pulse"]
    """
    with running(config):
        assert nurse.hears("vitals/ward-3/bed1/reading/ppg.hr")
        nurse.say("vitals/ward-3/bed1/cmd/pause", b"not json")
        assert nurse.hears("vitals/ward-3/bed1/cmd/result")
