"""Nothing is lost and nothing stale is said: brokers that go, refuse or restart, and a process that is killed."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from edge.sinks.outbox import Outbox
from edge.types import Reading
from mqtt_device import CLOCK, WAIT_S, Device, Scripted, Subscriber, alarm, load


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


def test_who_listens_to_one_bed_alone_hears_its_alarms_at_once_after_the_broker_was_away(outbox, new_mosquitto):
    broker = new_mosquitto().start()
    one = Device(outbox, broker.port).up()
    broker.stop()
    one.wait(lambda d: not d.links[-1][0])
    one.raise_alarm(alarm(condition="broker_lost", occurrence="d1", bed="_device"))
    broker.start()
    subscriber = Subscriber(broker.port, "vitals/dev/bed1/event")
    one.up()
    for seq in (1, 2):
        one.raise_alarm(alarm(seq, occurrence=f"o{seq}"))
        assert not load(subscriber.wait("vitals/dev/bed1/event", lambda p, seq=seq: p["seq"] == seq))["historical"]
    subscriber.close()
    one.sink.close()


def test_a_broker_that_comes_back_with_nothing_is_told_all_that_stands(outbox, new_mosquitto):
    broker = new_mosquitto().start()
    one = Device(outbox, broker.port).up()
    one.raise_alarm(alarm())
    assert one.sink.flush(WAIT_S)
    broker.stop(kill=True)
    one.wait(lambda d: not d.links[-1][0])
    broker.start()
    one.up()
    assert one.sink.flush(WAIT_S)
    late = Subscriber(broker.port, "vitals/dev/bed1/alarm/af")
    assert load(late.wait("vitals/dev/bed1/alarm/af"))["occurrence"] == "o1"
    late.close()
    one.sink.close()


def test_a_broker_that_refuses_an_alarm_and_hangs_up_is_quoted(outbox):
    broker = Scripted(publish=lambda mid: b"\x40\x04" + mid + b"\x87\0" + b"\xe0\0")
    one = Device(outbox, broker.port).up()
    one.raise_alarm(alarm())
    one.wait(lambda d: d.links[1:2] == [(False, "alarms refused: not authorized")])
    assert len(outbox) == 1
    one.sink.close()
    broker.close()


def test_of_a_device_that_is_cut_off_the_broker_says_that_it_is_offline(device, mosquitto, subscriber):
    device.sink._connection.client.socket().shutdown(socket.SHUT_RDWR)
    will = subscriber.wait("vitals/dev/status", lambda status: status["state"] == "offline")
    said = load(will)
    assert (will.qos, said["boot"], "connected_at" in said, "t" in said) == (1, "boot1", True, False)
    device.up()
    subscriber.wait("vitals/dev/status", lambda _: subscriber.on("vitals/dev/status")[-1]["state"] == "online")


def test_a_connection_that_just_ends_is_not_called_an_error_that_nobody_specified(outbox, new_mosquitto):
    broker = new_mosquitto().start()
    one = Device(outbox, broker.port).up()
    broker.stop(kill=True)
    one.wait(lambda d: not d.links[-1][0])
    assert one.links[1] == (False, "connection lost: no reason given")
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


def test_a_reading_that_waited_too_long_inside_is_not_said(device, subscriber):
    topic = "vitals/dev/bed1/reading/ppg.hr"
    device.sink.send(Reading("ppg.hr", CLOCK.now() - 22.0, 61.0, "bpm", 0.9, bed="bed1", source="node"))
    device.sink.send(Reading("ppg.hr", CLOCK.now(), 62.0, "bpm", 0.9, bed="bed1", source="node"))
    subscriber.wait(topic, lambda p: p["value"] == 62.0)
    assert [p["value"] for p in subscriber.on(topic)] == [62.0]


def test_without_a_broker_readings_are_dropped_and_alarms_wait(outbox):
    one = Device(outbox, 1)
    one.wait(lambda d: d.links)
    assert one.links[0][0] is False
    assert "not reachable" in one.links[0][1]
    for _ in range(1000):
        one.sink.send(Reading("ppg.hr", CLOCK.now(), 60.0, "bpm", 1.0, bed="bed1"))
    one.raise_alarm(alarm(1))
    assert one.sink.flush(600.0) is False, "at once"
    assert len(one.sink._live) == 0
    assert len(outbox) == 1
    one.sink.close()


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


def test_an_alarm_that_the_broker_refuses_stays_in_the_outbox_and_goes_when_it_is_taken(outbox):
    answers, published = [b"\x97\0", b"\x97\0"], []

    def answer(mid):
        published.append(mid)
        return b"\x40\x04" + mid + answers.pop() if answers else b"\x40\x02" + mid

    broker = Scripted(publish=answer)
    one = Device(outbox, broker.port).up()
    one.raise_alarm(alarm(1))
    one.wait(lambda d: d.links[-1] == (False, "alarms refused: quota exceeded"))
    assert len(outbox) == 1
    one.raise_alarm(alarm(2, "off"))
    one.up()
    assert one.sink.flush(WAIT_S)
    assert len(outbox) == 0
    assert len(published) >= 4  # both came again
    one.sink.close()
    broker.close()


def test_an_alarm_soon_after_a_return_waits_for_the_subscribers_of_before(outbox, new_mosquitto):
    broker = new_mosquitto().start()
    one = Device(outbox, broker.port).up()
    broker.stop(kill=True)
    one.wait(lambda d: not d.links[-1][0])
    broker.start()
    one.up()
    one.raise_alarm(alarm())
    assert one.sink.flush(0.6) is False
    late = Subscriber(broker.port)
    late.wait("vitals/dev/bed1/event")
    late.close()
    one.sink.close()


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
