"""What a device publishes, against a real mosquitto."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from edge.clock import ManualClock, iso
from edge.sinks._mqtt.conversation import Conversation
from edge.sinks._mqtt.incoming import Incoming
from edge.types import BedStatus, Heartbeat, Reading, SourceStatus, Stats
from mqtt_device import CLOCK, WAIT_S, Device, Scripted, Subscriber, alarm, load, online


def test_says_online_with_version_and_models_and_stopped_at_the_end(outbox, mosquitto, subscriber):
    one = Device(outbox, mosquitto.port).up()
    online = load(subscriber.wait("vitals/dev/status"))
    assert (online["state"], online["version"], online["models"]) == ("online", "9", {"rhythm": "rhythm 1 x"})
    assert (online["v"], online["heartbeat_s"]) == (1, 5.0)
    assert {"t", "mono", "boot", "clock_synced"} <= set(online)
    one.sink.close()
    assert one.links == [(True, "")], "a stop is no lost broker"
    subscriber.wait("vitals/dev/status", lambda p: p["state"] == "stopped")
    late = Subscriber(mosquitto.port, "vitals/dev/status")
    assert load(late.wait("vitals/dev/status"))["state"] == "stopped"
    late.close()


def test_every_topic_has_the_qos_that_is_promised_and_states_alone_are_retained(outbox, mosquitto, subscriber):
    one = Device(outbox, mosquitto.port).up()
    online(mosquitto.port)
    one.sink.send(SourceStatus("node", "bed1", CLOCK.now(), "online", since=CLOCK.now()))
    one.sink.send(BedStatus("bed1", CLOCK.now()))
    one.sink.send(Reading("ppg.hr", CLOCK.now(), 60.0, "bpm", 0.9, bed="bed1", source="node"))
    one.sink.send(Heartbeat(CLOCK.now(), 5.0, {}))
    one.sink.send(Stats(CLOCK.now(), {}))
    one.raise_alarm(alarm())
    subscriber.client.publish("vitals/dev/bed1/cmd/ack", b"{", qos=1)
    root = "vitals/dev"
    states = [f"{root}/{state}" for state in ("status", "source/node/status", "bed1/state", "bed1/alarm/af")]
    states.append("homeassistant/device/dev/config")
    passing = {"bed1/reading/ppg.hr": 0, "heartbeat": 0, "stats": 0, "bed1/event": 1, "bed1/cmd/result": 1}
    promised = {**dict.fromkeys(states, 1), **{f"{root}/{name}": qos for name, qos in passing.items()}}
    assert {topic: subscriber.wait(topic).qos for topic in promised} == promised
    late = Subscriber(mosquitto.port)
    for topic in states:
        assert late.wait(topic).retain
    assert {m.topic for m in late.messages if m.retain and m.topic in promised} == set(states)
    late.close()
    one.sink.close()
    stopped = subscriber.wait("vitals/dev/status", lambda p: p["state"] == "stopped")
    assert stopped.qos == 1


def test_what_happens_is_said_when_it_happens_and_not_when_the_sink_looks_again(
    outbox, mosquitto, subscriber, monkeypatch
):
    monkeypatch.setattr("edge.sinks._mqtt.publisher._IDLE_S", 3600.0)
    looked, go_on = [], Conversation.go_on
    monkeypatch.setattr(Conversation, "go_on", lambda self: looked.append(1) or go_on(self))
    one = Device(outbox, mosquitto.port).up()
    for seq in (1, 2, 3):
        assert one.sink.flush(WAIT_S)
        one.raise_alarm(alarm(seq))
        for topic in ("event", "alarm/af"):
            subscriber.wait(f"vitals/dev/bed1/{topic}", lambda told, seq=seq: told["seq"] == seq)
    assert one.sink.flush(WAIT_S)
    assert len(looked) < 100, "nor does it look all the time"
    one.sink.close()
    subscriber.wait("vitals/dev/status", lambda status: status["state"] == "stopped")


def test_nothing_is_on_its_way_to_a_device_that_stops(outbox, mosquitto, monkeypatch):
    heard, message = [], Incoming.message
    monkeypatch.setattr(
        Incoming, "message", lambda self, one: (heard.append((one.topic, load(one))), message(self, one))
    )
    one = Device(outbox, mosquitto.port, layout={"bed1": {"sources": {"node": "serial_port", "cam": "camera"}}}).up()
    one.sink.close()
    assert "online" in [said["state"] for topic, said in heard if topic == "vitals/dev/status"]
    ends = ("disabled", "stopped")
    assert [(topic, said) for topic, said in heard if said.get("state") in ends] == []


def test_an_orderly_stop_says_of_every_source_that_it_is_not_watched_and_then_stopped(outbox, mosquitto, subscriber):
    one = Device(outbox, mosquitto.port).up()
    names = [f"node{number}" for number in range(60)]  # more than may be on their way at once
    for name in names:
        one.sink.send(SourceStatus(name, "bed1", CLOCK.now(), "online", since=CLOCK.now() - 9.0))
    one.sink.send(SourceStatus("film", "bed2", CLOCK.now(), "disabled", "ended", since=CLOCK.now() - 9.0))
    one.sink.send(
        SourceStatus("gone", "bed2", CLOCK.now(), "offline", "unplugged", since=CLOCK.now() - 9.0, blind_s=3.0)
    )
    assert one.sink.flush(WAIT_S)
    for name in (*names, "film", "gone"):
        subscriber.wait(f"vitals/dev/source/{name}/status")
    said, before = len(subscriber.messages), CLOCK.wall()
    one.sink.close()
    subscriber.wait("vitals/dev/status", lambda p: p["state"] == "stopped")
    last = [m for m in subscriber.messages[said:] if m.topic.startswith("vitals/dev/s")]
    assert last.pop().topic == "vitals/dev/status"
    assert {m.topic.split("/")[3] for m in last} == {*names, "gone"}
    for message in last:
        told = load(message)
        assert (told["state"], told["reason"], told["blind_s"]) == ("disabled", "the program was stopped", 0.0)
        assert told["t"] == told["since"]
        assert datetime.fromisoformat(told["since"]).timestamp() >= before - 0.001
    late = Subscriber(mosquitto.port, "vitals/dev/source/#")
    kept = {name: load(late.wait(f"vitals/dev/source/{name}/status")) for name in ("node1", "film", "gone")}
    late.close()
    assert [one["reason"] for one in kept.values()] == ["the program was stopped", "ended", "the program was stopped"]
    assert kept["film"]["bed"] == kept["gone"]["bed"] == "bed2"


def test_a_stop_before_a_source_was_heard_takes_back_what_an_earlier_run_said(outbox, mosquitto, subscriber):
    topic = "vitals/dev/source/node/status"
    subscriber.client.publish(topic, b'{"state": "online"}', qos=1, retain=True)
    subscriber.wait(topic)
    Device(outbox, mosquitto.port, layout={"bed1": {"sources": {"node": "serial_port"}}}).up().sink.close()
    told = load(subscriber.wait(topic, lambda p: p["state"] != "online"))
    assert (told["state"], told["reason"], told["bed"]) == ("disabled", "the program was stopped", "bed1")


def test_an_orderly_stop_is_told_although_nobody_listens_to_the_events_that_wait(outbox, mosquitto):
    assert outbox.append([alarm(1)])
    curious = Subscriber(mosquitto.port, "vitals/dev/source/#")
    one = Device(outbox, mosquitto.port).up()
    one.sink.send(SourceStatus("node", "bed1", CLOCK.now(), "online", since=CLOCK.now()))
    curious.wait("vitals/dev/source/node/status")
    assert not one.sink.flush(0.5), "the event waits for a listener, and holds everything back now and then:"
    one.sink._flight._held_until = CLOCK.now() + 1.0
    one.sink.close()
    curious.wait("vitals/dev/source/node/status", lambda p: p["state"] == "disabled")
    curious.close()


def test_a_stop_without_an_answer_from_the_broker_is_bounded(outbox):
    broker = Scripted(silent=1)
    one = Device(outbox, broker.port).up()
    one.sink.send(SourceStatus("node", "bed1", CLOCK.now(), "online", since=CLOCK.now()))
    before = CLOCK.now()
    one.sink.close()
    assert CLOCK.now() - before < 5.0
    assert not one.sink._thread.is_alive()
    broker.close()


def test_a_broker_that_takes_alarms_and_answers_nothing_counts_as_lost(outbox, monkeypatch):
    monkeypatch.setattr("edge.sinks._mqtt.flight.UNANSWERED_S", 0.2)
    broker = Scripted(silent=1)
    one = Device(outbox, broker.port).up()
    one.raise_alarm(alarm())
    one.wait(lambda d: d.links[-1] == (False, "connected, but no message was answered for 0.2 s"))
    assert len(outbox) == 1
    one.sink.close()
    broker.close()


def test_a_broker_that_answers_nothing_is_left_and_counts_as_lost_until_it_answers(outbox, monkeypatch):
    for name, seconds in {"flight.UNANSWERED_S": 0.1, "flight.LEFT_S": 0.2, "flight.SHORT_LIFE_S": 0.0}.items():
        monkeypatch.setattr(f"edge.sinks._mqtt.{name}", seconds)
    monkeypatch.setattr("edge.sinks._mqtt.redial.SHORT_LIFE_S", 0.0)
    broker = Scripted(silent=2)
    one = Device(outbox, broker.port).up()
    one.raise_alarm(alarm())
    one.wait(lambda d: len(d.links) > 2)
    assert one.links == [(True, ""), (False, "connected, but no message was answered for 0.1 s"), (True, "")]
    assert broker.connects == 3
    assert one.sink.flush(WAIT_S)
    assert len(outbox) == 0
    one.sink.close()
    broker.close()


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
    subscriber.wait("vitals/dev/bed1/event", lambda p: p["seq"] == 2)  # the device may have the broker's word before us
    assert [e["presence"] for e in subscriber.on("vitals/dev/bed1/event")] == ["on", "off"]


def test_after_a_clock_step_what_stands_has_its_times_by_the_new_clock(outbox, mosquitto, subscriber, monkeypatch):
    clock = ManualClock(50.0)
    monkeypatch.setattr("mqtt_device.CLOCK", clock)
    one = Device(outbox, mosquitto.port).up()
    one.raise_alarm(alarm())
    before = load(subscriber.wait("vitals/dev/bed1/alarm/af"))
    clock.step_wall(7200.0)
    one.raise_alarm(alarm(1, condition="clock_step", bed="_device", occurrence="o2"))
    after = load(subscriber.wait("vitals/dev/bed1/alarm/af", lambda told: told["t"] != before["t"]))
    subscriber.wait("vitals/dev/status", lambda told: told["state"] == "online" and told["t"] == iso(clock.wall()))
    one.sink.close()
    for key in ("t", "since"):
        old, new = (datetime.fromisoformat(told[key]) for told in (before, after))
        assert (new - old).total_seconds() == 7200.0
    assert {**after, "t": before["t"], "since": before["since"]} == before


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


def test_a_heartbeat_is_live_or_nothing_and_carries_the_outbox(device, subscriber, mosquitto):
    beds = {"bed1": {"seq": 7, "standing": 1, "drills": 0, "unconfirmed": 0}}
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


def test_discovery_is_said_again_when_home_assistant_starts(device, subscriber):
    subscriber.wait("homeassistant/device/dev/config")
    subscriber.messages.clear()
    subscriber.client.publish("homeassistant/status", b"online")
    subscriber.wait("homeassistant/device/dev/config")
