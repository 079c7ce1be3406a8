"""What is said over one connection after another, with a broker that is only as good as a test wants it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from edge.clock import ManualClock
from edge.mqtt.broker import Options
from edge.mqtt.connection import Message
from edge.sinks._mqtt.announcement import Announcement
from edge.sinks._mqtt.conversation import Conversation
from edge.sinks._mqtt.drain import Drain
from edge.sinks._mqtt.flight import Answer, Flight
from edge.sinks._mqtt.live import Live
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.sinks._mqtt.retained import Retained
from edge.sinks.outbox import Outbox
from mqtt_device import alarm

TOPIC = "vitals/dev/bed1/alarm/af"
DISCOVERY = "homeassistant/device/dev/config"


class Broker:
    """A connection's far end, which answers nothing by itself; said: what came, by message id."""

    largest = None

    def __init__(self, ids):
        self._ids, self.said = ids, {}

    def publish(self, message, *, expiry_s=None):
        mid = next(self._ids)
        self.said[mid] = message
        return mid


class Talk:
    def __init__(self, outbox, clock):
        self.clock = clock
        topics, payloads = Topics("vitals/dev"), Payloads(clock, "boot1")
        self.flight, self.retained, self._ids = Flight(clock), Retained(), itertools.count(1)
        self.live, self.outbox = Live(topics, payloads, clock, {}), outbox
        drain = Drain(outbox, self.flight, clock, boot="boot1", late_per_s=500.0)
        self.announcement = Announcement(DISCOVERY, b"{}")
        self.conversation = Conversation(
            Options("broker", 1883, "dev"), topics, payloads, outbox, self.flight, self.live, self.retained,
            self.announcement, drain, boot="boot1",
        )  # fmt: skip

    def connect(self):
        """As the sink does; what stands is said, and the broker has not answered yet."""
        broker = Broker(self._ids)
        self.flight.begin(window=20, returned=False)
        self.retained.all_again()
        self.conversation.begin(broker)
        self.conversation.go_on()
        return broker

    def answer(self, broker, refused=""):
        for mid in broker.said:
            self.flight.answered(mid, Answer(refused))
        self.conversation.go_on()

    def end(self):
        self.conversation.take_answers()
        self.conversation.end()
        self.flight.end()


@pytest.fixture
def talk(tmp_path):
    clock = ManualClock(100.0, wall=1_800_000_000.0)
    outbox = Outbox(tmp_path / "outbox.sqlite", clock=clock, boot="boot1")
    yield Talk(outbox, clock)
    outbox.close()


def test_that_we_are_there_is_said_first_and_then_alarms_before_what_stands(talk):
    talk.retained.say(TOPIC, alarm())
    talk.live.add_first(Message("vitals/dev/status", b"online", 1, retain=True))
    assert talk.outbox.append([alarm()])
    assert [m.topic for m in talk.connect().said.values()] == ["vitals/dev/status", "vitals/dev/bed1/event", TOPIC]


@pytest.mark.parametrize("answered", [False, True])
def test_an_alarms_end_that_a_broker_may_not_have_taken_is_said_once_more(talk, answered):
    """A broker's rules may keep from us what it has kept of us; then nothing else would ever empty that topic."""
    talk.retained.say(TOPIC, alarm())
    first = talk.connect()
    talk.answer(first)
    talk.retained.say(TOPIC, None)
    talk.conversation.go_on()
    assert [(m.topic, m.payload, m.retain) for m in first.said.values()][1:] == [(TOPIC, b"", True)]
    if answered:
        talk.answer(first)
    talk.end()
    second = talk.connect()
    again = [] if answered else [(TOPIC, b"", True)]
    assert [(m.topic, m.payload, m.retain) for m in second.said.values()] == again


def test_what_the_broker_refused_of_what_stands_is_said_again_after_a_while(talk):
    talk.retained.say(TOPIC, b"on")
    broker = talk.connect()
    talk.answer(broker, "quota exceeded")
    assert not talk.conversation.go_on()
    talk.clock.advance(1.0)
    assert talk.conversation.go_on()
    assert [m.payload for m in broker.said.values()] == [b"on", b"on"]
    assert not talk.conversation.go_on()


def test_an_alarm_that_is_back_by_then_is_said_as_it_is(talk):
    talk.retained.say(TOPIC, b"on")
    talk.answer(talk.connect())
    talk.retained.say(TOPIC, None)
    talk.conversation.go_on()
    talk.end()
    talk.retained.say(TOPIC, b"on again")
    assert [m.payload for m in talk.connect().said.values()] == [b"on again"]


def test_a_bad_link_takes_the_evidence_from_alarms_for_no_longer_than_it_is_bad(talk):
    """Connections that end at once over an alarm look like a broker that takes none so long."""
    long = replace(alarm(), evidence={"change": "raised", "recording": "x" * 900})
    talk.retained.say(TOPIC, long)
    for _ in range(2):
        talk.connect()
        talk.clock.advance(1.0)
        talk.end()
    brief = talk.connect()
    assert [b"recording" in message.payload for message in brief.said.values()] == [False]
    talk.answer(brief)
    talk.clock.advance(60.0)
    talk.end()
    assert [b"recording" in message.payload for message in talk.connect().said.values()] == [True]


def test_a_broker_that_refuses_the_discovery_message_and_hangs_up_gets_it_twice_and_no_more(talk):
    for refused, said in ((True, True), (False, True), (True, True), (True, True), (True, False)):
        talk.announcement.connected()
        broker = talk.connect()
        assert [m.topic for m in broker.said.values()] == ([DISCOVERY] if said else [])
        talk.answer(broker, "not authorized" if refused else "")
        talk.end()
