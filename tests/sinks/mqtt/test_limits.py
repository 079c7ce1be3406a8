"""Brokers that take only short messages: alarms get through all the same, and the connection is kept."""

from __future__ import annotations

import subprocess
import threading

import pytest

from edge.types import Alarm, BedStatus
from mqtt_device import CLOCK, WAIT_S, Device, Scripted, Subscriber, alarm, load, online
from tools.campaign.broker import find

CONFIG = "homeassistant/device/dev/config"
READINGS = [[float(n), 150.0, 0.9, "yes"] for n in range(60)]


def long_alarm():
    return Alarm(
        "bed1/tachy", "o1", "physiological", "high", "on", CLOCK.now(), "Fast", "tachy", "bed1",
        since=CLOCK.now(), seq=1, evidence={"change": "raised", "readings": READINGS},
    )  # fmt: skip


@pytest.fixture
def small(outbox, new_mosquitto):
    """A device at a broker with settings, and a subscriber there."""
    made = []

    def start(settings):
        broker = new_mosquitto(f"allow_anonymous true\n{settings}\n").start()
        subscriber = Subscriber(broker.port)
        made[:] = [Device(outbox, broker.port, metrics={"bed1": ["ppg.hr", "ppg.rhythm"]}).up(), subscriber]
        return made

    yield start
    made[0].sink.close()
    made[1].close()


def test_what_is_longer_than_the_broker_says_it_takes_is_left_out_or_sent_without_its_evidence(small, caplog):
    device, subscriber = small("max_packet_size 1000")
    device.raise_alarm(long_alarm())
    event = load(subscriber.wait("vitals/dev/bed1/event"))
    assert (event["occurrence"], event["seq"], event["evidence"]) == ("o1", 1, {"change": "raised"})
    standing = load(subscriber.wait("vitals/dev/bed1/alarm/tachy"))
    assert (standing["presence"], standing["evidence"]) == ("on", {"change": "raised"})
    assert device.sink.flush(WAIT_S)
    assert [up for up, _ in device.links] == [True]
    assert not subscriber.on(CONFIG)
    assert f"takes 1000 bytes at most, and {CONFIG} has" in caplog.text


def test_a_broker_that_has_room_gets_the_evidence(small):
    device, subscriber = small("max_packet_size 1000000")
    device.raise_alarm(long_alarm())
    assert load(subscriber.wait("vitals/dev/bed1/event"))["evidence"]["readings"] == READINGS
    subscriber.wait(CONFIG)


def test_a_broker_that_hangs_up_on_the_discovery_message_gets_everything_else(small, caplog):
    device, subscriber = small("message_size_limit 1500")  # which it does not tell its clients
    device.raise_alarm(alarm())
    subscriber.wait("vitals/dev/bed1/event")
    device.wait(lambda d: [up for up, _ in d.links] == [True, False, True, False, True])
    device.raise_alarm(alarm(2, "off"))
    subscriber.wait("vitals/dev/bed1/event", lambda event: event["seq"] == 2)
    assert device.links[-1][0]
    assert "hangs up on Home Assistant's discovery message; it is sent again later" in caplog.text


def test_a_broker_that_refuses_the_discovery_message_and_hangs_up_gets_everything_else(
    outbox, new_mosquitto, tmp_path, monkeypatch, caplog
):
    """As mosquitto 2.0.11 does with rules in a file and max_queued_messages 0, after it has answered."""
    program = find()
    if program and b"version 2.0." not in subprocess.run([program, "-h"], capture_output=True, check=False).stdout:
        pytest.skip("this mosquitto refuses the message and keeps the connection")
    monkeypatch.setattr("edge.sinks._mqtt.redial._BACKOFF_S", (0.01,))
    (tmp_path / "acl").write_text("topic readwrite vitals/#\n")
    broker = new_mosquitto(f"allow_anonymous true\nacl_file {tmp_path}/acl\nmax_queued_messages 0\n").start()
    one = Device(outbox, broker.port)
    one.wait(lambda d: [up for up, _ in d.links] == [True, False, True, False, True])
    subscriber = Subscriber(broker.port)
    one.raise_alarm(alarm(1))
    subscriber.wait("vitals/dev/bed1/event")
    subscriber.close()
    assert len(one.links) == 5
    assert "hangs up on Home Assistant's discovery message; it is sent again later" in caplog.text
    broker.stop()
    broker.configure("allow_anonymous true\n")
    broker.start()
    one.wait(lambda d: len(d.links) > 5 and d.links[-1][0])
    online(broker.port)
    subscriber = Subscriber(broker.port)
    subscriber.client.publish("homeassistant/status", "online", 1)
    subscriber.wait(CONFIG)
    subscriber.close()
    one.sink.close()


@pytest.mark.parametrize("told", ["", "max_packet_size 2000000"])  # what mosquitto says by itself since 2.1
def test_a_broker_that_hangs_up_on_long_alarms_gets_them_without_their_evidence(small, monkeypatch, caplog, told):
    monkeypatch.setattr("edge.sinks._mqtt.redial._BACKOFF_S", (0.01,))
    device, subscriber = small(f"message_size_limit 1000\n{told}")  # the former it does not tell its clients
    device.raise_alarm(long_alarm())
    event = load(subscriber.wait("vitals/dev/bed1/event"))
    assert (event["occurrence"], event["seq"], event["evidence"]) == ("o1", 1, {"change": "raised"})
    assert load(subscriber.wait("vitals/dev/bed1/alarm/tachy"))["presence"] == "on"
    assert device.sink.flush(WAIT_S)
    assert "hangs up on alarms of more than" in caplog.text


def test_a_broker_that_says_it_takes_no_alarm_at_all_is_told_of_as_one_that_refuses_and_keeps_the_connection(small):
    device, subscriber = small("max_packet_size 400")
    device.raise_alarm(long_alarm())
    refused = "alarms refused: the broker takes 400 bytes at most, and no alarm is so short"
    device.wait(lambda d: d.links[-1] == (False, refused))
    device.sink.send(BedStatus("bed1", CLOCK.now()))
    subscriber.wait("vitals/dev/bed1/state")
    assert device.links == [(True, ""), (False, refused)]
    assert len(device.outbox) == 1


class OneAtATime(Scripted):
    """Takes one message at a time (its receive maximum) and is in no hurry to answer; taken: the payloads; crowded: those
    that came before the one ahead of them had its answer."""

    def __init__(self):
        self.taken, self.crowded, self._waiting = [], [], set()
        super().__init__()

    def _answer(self, peer, head, body):
        if head == 0x10:
            self.connects += 1
            peer.sendall(b"\x20\x06\0\0\x03\x21\0\x01")
        elif head & 0xF6 == 0x32:
            if self._waiting:
                self.crowded.append(body)
            self.taken.append(body)
            self._waiting.add(body)
            threading.Timer(0.1, self._late, (peer, head, body)).start()
        else:
            super()._answer(peer, head, body)

    def _late(self, peer, head, body):
        self._waiting.discard(body)
        super()._answer(peer, head, body)


def test_the_good_bye_keeps_to_what_the_broker_takes_at_once(outbox):
    """One that gets more hangs up on us and says the Last Will: that we were lost."""
    broker = OneAtATime()
    layout = {"bed1": {"sources": ["node", "cam"]}}
    Device(outbox, broker.port, layout=layout, discovery_prefix="").up().sink.close()
    broker.close()
    assert [b'"disabled"' in one for one in broker.taken[-3:]] == [True, True, False]
    assert b'"stopped"' in broker.taken[-1]
    assert broker.crowded == []
