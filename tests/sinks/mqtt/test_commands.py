"""Commands by MQTT: handed on, answered where they asked, refused with the reason, never taken when retained."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from edge.clock import iso
from edge.types import BedStatus, CommandResult
from mqtt_device import CLOCK, WAIT_S, Device, Subscriber, load, wanting


def send(subscriber, name, payload, **kw):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    subscriber.client.publish(f"vitals/dev/bed1/cmd/{name}", raw, qos=1, **kw)


def now_iso(shift_s=0.0):
    return (datetime.now(UTC) + timedelta(seconds=shift_s)).isoformat()


def test_a_command_is_handed_on_and_answered_where_it_asked(device, subscriber):
    fields = {"command_id": "c1", "by": "nurse", "t": now_iso(), "id": "bed1/af", "seq": 7}
    send(subscriber, "ack", fields, properties=wanting("my/answers"))
    device.wait(lambda d: d.commands)
    (command,) = device.commands
    assert (command.name, command.bed, command.by, command.id) == ("ack", "bed1", "nurse", "bed1/af")
    assert command.seq == 7
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
        *(
            ("ack", {"command_id": "c", "by": "n", "t": t}, "needs 't', ISO 8601 with a time zone")
            for t in ("2026-01-01T12:00:00", "0001-01-01T00:00:00", "just now", "", 1_800_000_000, None)
        ),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(-60)}, "stale"),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(3600)}, "ahead of this monitor's clock"),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(), "id": 5}, "'id'"),
        ("pause", {"command_id": "c", "by": "n", "t": now_iso(), "seconds": "long"}, "'seconds'"),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(), "seq": "1"}, "'seq'"),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(), "seq": -1}, "'seq'"),
        ("explode", {"command_id": "c", "by": "n", "t": now_iso()}, "unknown command"),
        (
            "ack",
            {"command_id": "c", "by": "n", "t": now_iso(), "idd": "bed1/af"},
            "unknown field 'idd'; did you mean 'id'?",
        ),
        ("ack", {"command_id": "c", "by": "n", "t": now_iso(), "alarm": "bed1/af"}, "unknown field 'alarm'; valid: "),
        ("ack", b"{" + b" " * 5000 + b"}", "too long"),
        ("ack", b"[" * 4000, "not JSON"),
        ("pause", b'{"command_id": "c", "by": "n", "seconds": NaN}', "not JSON"),
        ("pause", b'{"command_id": "c", "by": "n", "seconds": 0, "seconds": 600}', "not JSON"),
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


def test_a_command_that_is_too_long_is_answered_to_who_sent_it(device, subscriber):
    send(subscriber, "ack", {"id": "a" * 4096, "command_id": "c", "by": "n", "t": now_iso()})
    answer = load(subscriber.wait("vitals/dev/bed1/cmd/result"))
    assert (answer["ok"], answer["text"]) == (False, "too long: at most 4096 bytes")
    assert (answer["command_id"], answer["by"]) == ("c", "n")
    assert device.commands == []


def test_without_a_clock_that_is_set_no_command_is_known_to_be_fresh(device, subscriber, monkeypatch):
    monkeypatch.setattr(CLOCK, "wall", lambda: 50.0, raising=False)
    send(subscriber, "ack", {"command_id": "c", "by": "n", "t": now_iso()})
    answer = load(subscriber.wait("vitals/dev/bed1/cmd/result"))
    assert (answer["ok"], answer["text"]) == (False, "this monitor's clock is not set: nobody can tell how old that is")


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [
        (-3600.0, "'t' is 3600 s ahead of this monitor's clock: is one of both wrong?"),
        (3600.0, "stale: sent 3600 s ago; at most 30 s"),
    ],
)
def test_a_refusal_by_a_clock_that_nobody_keeps_says_so(device, subscriber, monkeypatch, ahead_s, said):
    sent = 1_800_000_000.0
    monkeypatch.setattr(CLOCK, "wall", lambda: sent + ahead_s, raising=False)
    monkeypatch.setattr(CLOCK, "synced", lambda: False, raising=False)
    send(subscriber, "ack", {"command_id": "c", "by": "n", "t": iso(sent)})
    answer = load(subscriber.wait("vitals/dev/bed1/cmd/result"))
    assert (answer["ok"], answer["clock_synced"]) == (False, False)
    assert answer["text"] == f"{said}; no time server keeps this monitor's clock"


def test_a_number_without_an_end_is_handed_on_as_infinite(device, subscriber):
    fields = b'{"command_id": "c", "by": "n", "t": "%b", "seconds": 1%b}' % (now_iso().encode(), b"0" * 400)
    send(subscriber, "pause", fields)
    device.wait(lambda d: d.commands)
    assert device.commands[0].seconds == float("inf")


def test_a_message_that_trips_the_program_does_not_end_its_connection(device, subscriber, caplog):
    def trip(_command):
        raise RuntimeError("a bug")

    device.sink._incoming.commands._on_command = trip
    send(subscriber, "ack", {"command_id": "c1", "by": "n", "t": now_iso()})
    send(subscriber, "ack", {"command_id": "c2", "by": "", "t": now_iso()})
    assert "'by'" in load(subscriber.wait("vitals/dev/bed1/cmd/result"))["text"]
    assert "could not be taken" in caplog.text


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


def test_a_confirmation_is_a_command_with_a_role(device, subscriber):
    fields = {"command_id": "c9", "by": "program", "t": now_iso(), "role": "station", "occurrence": "o1"}
    send(subscriber, "received", fields)
    device.wait(lambda d: d.commands)
    (command,) = device.commands
    assert (command.name, command.role, command.occurrence) == ("received", "station", "o1")
    send(subscriber, "received", {**fields, "command_id": "c10", "role": 5})
    answer = load(subscriber.wait("vitals/dev/bed1/cmd/result", lambda p: p["command_id"] == "c10"))
    assert "'role' must be a text" in answer["text"]


def test_as_many_commands_as_there_may_be_answers_wait_for_theirs_where_they_asked_for_one(device, caplog):
    inbox = device.sink._incoming.commands

    def asked(numbers, properties):
        for number in numbers:
            payload = json.dumps({"by": "n", "t": now_iso(), "command_id": f"c{number}"}).encode()
            topic = "vitals/dev/bed1/cmd/ack"
            inbox.message(SimpleNamespace(topic=topic, payload=payload, retain=False, properties=properties))

    asked(range(10), None)
    assert inbox._waiting == {}, "the bed's own topic needs no remembering"
    asked(range(1000), wanting("my/answers"))
    assert len(inbox._waiting) == 1000
    assert "wait for their turn" not in caplog.text
    asked(range(1000, 1003), wanting("my/answers"))
    assert [command.command_id for command, _ in inbox._waiting.values()] == [f"c{n}" for n in range(3, 1003)]
    told = "more than 1000 commands wait for their turn; the oldest are answered on the bed's topic only"
    assert caplog.messages.count(told) == 1
    for command in device.commands:
        device.sink.send(CommandResult(command, CLOCK.now(), True))
    assert inbox._waiting == {}
    assert device.sink.flush(WAIT_S)
