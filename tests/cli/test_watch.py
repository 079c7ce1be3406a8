"""The reference subscriber: our own device keeps the contract, a broken one fails in each respect."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from paho.mqtt import publish

from edge.cli import main
from edge.cli._mqtt_client import Client, first_device
from edge.cli.watch.grader import Grader
from whole_program import running

ROOT = "vitals/dev"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
H_AGO = (NOW - timedelta(hours=1)).isoformat()


def stamp(**more):
    return {"v": 1, "t": NOW.isoformat(), "mono": 5.0, "boot": "b", "clock_synced": True, **more}


def reading(seq=1, **more):
    base = {"value": 61.0, "unit": "bpm", "quality": 0.9, "source": "node", "model": "", "seq": seq, "reason": ""}
    return stamp(**{**base, **more})


def event(seq=1, **more):
    base = {
        "id": "bed1/af", "occurrence": "o1", "kind": "physiological", "priority": "medium", "presence": "on",
        "since": NOW.isoformat(), "text": "AF", "seq": seq, "published": NOW.isoformat(), "delay_s": 0.1,
        "historical": False,
    }  # fmt: skip
    return stamp(**{**base, **more})


STATUS = stamp(state="online", version="1", models={})
DISCOVERY = {
    "device": {"identifiers": ["dev"]},
    "origin": {"name": "me"},
    "availability": [{"topic": f"{ROOT}/status"}],
    "components": {
        "a": {"platform": "sensor", "unique_id": "a", "state_topic": "a", "expire_after": 5},
        "b": {"platform": "event", "unique_id": "b", "state_topic": f"{ROOT}/bed1/event", "event_types": ["on"]},
        "c": {"platform": "button", "unique_id": "c", "command_topic": f"{ROOT}/bed1/cmd/ack"},
        "d": {"platform": "button", "unique_id": "d", "command_topic": f"{ROOT}/bed1/cmd/pause"},
    },
}
GOOD = [
    ("status", STATUS, True, 1),
    ("bed1/reading/ppg.hr", reading(1), False, 0),
    (
        "bed1/reading/ppg.hr",
        reading(2, value=None, reason="motion", t=(NOW + timedelta(seconds=1)).isoformat()),
        False,
        0,
    ),
    ("bed1/event", event(1), False, 1),
    ("bed1/event", event(1), False, 1),
    ("bed1/alarm/af", event(1), True, 1),
    ("bed1/event", event(2, presence="off"), False, 1),
    ("bed1/cmd/result", stamp(command_id="c", ok=False), False, 1),
]


def grade(messages, discovery=DISCOVERY, replied=True):
    return {v.check for v in verdicts(messages, discovery, replied) if v.state == "FAIL"}


def verdicts(messages, discovery=DISCOVERY, replied=True):
    grader = Grader(ROOT, "ha")
    grader.feed("ha", json.dumps(discovery).encode(), retain=True, qos=1, arrival=NOW.timestamp())
    for topic, fields, retain, qos in messages:
        payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        grader.feed(f"{ROOT}/{topic}", payload, retain=retain, qos=qos, arrival=NOW.timestamp() + 1.0)
    return grader.verdicts(asked="c", replied=replied)


def test_a_device_that_keeps_the_contract_passes():
    assert grade(GOOD) == set()


def changed(index, **fields):
    topic, old, retain, qos = GOOD[index]
    return [*GOOD[:index], (topic, {**old, **fields}, retain, qos), *GOOD[index + 1 :]]


def without(index, key):
    topic, old, retain, qos = GOOD[index]
    return [*GOOD[:index], (topic, {k: v for k, v in old.items() if k != key}, retain, qos), *GOOD[index + 1 :]]


@pytest.mark.parametrize(
    ("messages", "check"),
    [
        (GOOD[1:], "status"),
        (without(0, "models"), "status"),
        (changed(0, state="offline"), "status"),
        (without(1, "boot"), "payload"),
        ([*GOOD, ("bed1/reading/ppg.hr", b"{", False, 0)], "payload"),
        ([GOOD[0], *GOOD[3:]], "reading"),
        (without(1, "quality"), "reading"),
        ([*GOOD[:1], ("bed1/reading/ppg.hr", reading(1), True, 0), *GOOD[2:]], "reading"),
        (changed(2, reason="because"), "reading value"),
        (changed(1, t=(NOW - timedelta(minutes=2)).isoformat()), "reading age"),
        (changed(1, t="yesterday"), "reading age"),
        (changed(1, t=(NOW + timedelta(minutes=2)).isoformat()), "reading age"),
        (changed(2, t=NOW.isoformat()), "reading age"),
        ([*GOOD[:2], (GOOD[2][0], GOOD[2][1], False, 1), *GOOD[3:]], "reading"),
        ([*GOOD, ("stats", stamp(), False, 1)], "stats"),
        (changed(7, t=(NOW + timedelta(minutes=2)).isoformat()), "clock skew"),
        ([*GOOD, ("status", stamp(state="offline", version="1", models={}), False, 1)], "will"),
        (changed(2, seq=5), "reading seq"),
        (changed(5, presence="off"), "alarm"),
        (without(5, "occurrence"), "alarm"),
        (without(3, "delay_s"), "event"),
        ([*GOOD[:3], ("bed1/event", event(1), False, 0), *GOOD[4:]], "event"),
        (changed(6, seq=4), "event seq"),
        (GOOD[:-1], "command answered"),
        (changed(7, ok=True), "command answered"),
    ],
)
def test_a_broken_device_fails_in_that_respect(messages, check):
    assert check in grade(messages)


@pytest.mark.parametrize(
    ("topic", "fields", "check"),
    [
        ("", {"v": 2}, "payload"),
        ("", {"mono": "5"}, "payload"),
        ("", {"boot": None}, "payload"),
        ("", {"clock_synced": "yes"}, "payload"),
        ("", {"t": "2026-01-02T03:04:05"}, "payload"),
        ("status", {"models": []}, "status"),
        ("reading", {"seq": "1"}, "reading"),
        ("reading", {"quality": 7}, "reading"),
        ("reading", {"value": [61.0]}, "reading"),
        ("reading", {"value": True}, "reading"),
        ("reading", {"value": 61.0, "reason": "because"}, "reading value"),
        ("reading", {"value": None, "reason": ["motion"]}, "reading value"),
        ("event", {"seq": "1"}, "event"),
        ("event", {"priority": "urgent"}, "event"),
        ("event", {"kind": None}, "event"),
        ("event", {"occurrence": ""}, "event"),
        ("event", {"since": "yesterday"}, "event"),
        ("event", {"published": 5}, "event"),
        ("event", {"delay_s": -1.0}, "event"),
        ("event", {"historical": "no"}, "event"),
        ("event", {"id": "bed2/af"}, "event"),
        ("event", {"t": H_AGO}, "event"),
        ("alarm", {"priority": "urgent"}, "alarm"),
        ("alarm", {"id": "bed1/brady"}, "alarm"),
    ],
)
def test_a_field_that_holds_what_it_must_not_fails(topic, fields, check):
    sent = [(t, {**old, **fields} if topic in t else old, *how) for t, old, *how in GOOD]
    assert check in grade(sent)


def test_infinity_is_no_number_however_it_is_written():
    grader = Grader(ROOT, "ha")
    payload = json.dumps(reading(value=5)).replace(": 5,", ": 1e999,", 1).encode()
    assert b"1e999" in payload
    grader.feed(f"{ROOT}/bed1/reading/ppg.hr", payload, retain=False, qos=0, arrival=NOW.timestamp())
    assert any(v.check == "reading" and v.state == "FAIL" for v in grader.verdicts())


def test_an_event_that_says_it_is_late_may_be():
    sent = [(t, {**m, "t": H_AGO, "historical": True} if t == "bed1/event" else m, *how) for t, m, *how in GOOD]
    assert grade(sent) == set()


@pytest.mark.parametrize(("ahead_s", "state"), [(0, "ok"), (120, "skip")])
def test_a_clock_that_nobody_keeps_may_be_wrong_and_may_be_right(ahead_s, state):
    published = (NOW + timedelta(seconds=ahead_s)).isoformat()
    sent = [(topic, {**fields, "clock_synced": False}, *how) for topic, fields, *how in GOOD]
    sent = [
        (t, {**f, "published": published, "t": published} if "result" in t or "event" in t else f, *h)
        for t, f, *h in sent
    ]
    assert [v.state for v in verdicts(sent) if v.check == "clock skew"] == [state]


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"seq": 900, "epoch": "e2", "boot": "b2"}, []),
        ({"seq": 900, "epoch": "e2"}, ["event seq"]),
        ({"seq": 900, "boot": "b2"}, ["event seq"]),
    ],
)
def test_numbers_may_begin_anew_with_another_run_and_a_new_epoch_only(fields, failed):
    assert grade([*GOOD, ("bed1/event", {**event(1), "occurrence": "o9", **fields}, False, 1)]) == set(failed)


def component(key, **fields):
    changed = {**DISCOVERY["components"][key], **fields}
    kept = {name: value for name, value in changed.items() if value is not None}
    return {**DISCOVERY, "components": {**DISCOVERY["components"], key: kept}}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [],
        {**DISCOVERY, "components": {"a": {}}},
        {**DISCOVERY, "components": {"a": 5}},
        {**DISCOVERY, "availability": {}},
        {**DISCOVERY, "availability": [{"topic": "other/status"}]},
        {**DISCOVERY, "device": {"name": "x"}},
        {**DISCOVERY, "origin": {}},
        component("a", expire_after=None),
        component("a", unique_id="b"),
        component("a", state_topic=None),
        component("b", event_types=None),
        component("b", platform="alarm"),
        component("b", state_topic="elsewhere"),
        component("c", command_topic="elsewhere"),
        component("d", command_topic="elsewhere"),
    ],
)
def test_broken_discovery_fails(broken):
    assert "discovery" in grade(GOOD, discovery=broken)


def test_no_answer_on_the_response_topic_fails():
    assert "command answered" in grade(GOOD, replied=False)


@pytest.fixture
def device(tmp_path, mosquitto):
    """Our own program with a synthetic heart, publishing to a real broker."""
    text = f"""
    [device]
    name = "own"
    state_dir = "{tmp_path}/state"
    [mqtt]
    host = "127.0.0.1"
    port = {mosquitto.port}
    [sources.syn]
    kind = "synthetic"
    analyzers = ["pulse"]
    """
    with running(text):
        yield mosquitto.port


def test_our_own_device_is_graded_and_passes(device, capsys):
    code = main(["watch", "--broker", f"mqtt://127.0.0.1:{device}", "--grade", "4"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "own: keeps the contract" in said
    assert "ok   command answered" in said


def test_watching_shows_readings_and_states(device, capsys):
    assert main(["watch", "--broker", f"127.0.0.1:{device}", "--seconds", "3"]) == 0
    said = capsys.readouterr().out
    assert "own online" in said
    assert "ppg.hr" in said


@pytest.mark.parametrize("role", [[], ["--as", "station"]])
def test_watching_begins_with_what_stands(mosquitto, capsys, role):
    stands = json.dumps(event(3, presence="latched", id="bed1/brady", text="Slow")).encode()
    publish.single(f"{ROOT}/bed1/alarm/brady", stands, 1, True, "127.0.0.1", mosquitto.port)
    assert main(["watch", "--broker", f"127.0.0.1:{mosquitto.port}", "--seconds", "1", *role]) == 0
    said = [line[10:] for line in capsys.readouterr().out.splitlines()]
    assert said == ["dev STANDING ALARM latched  medium  bed1/brady: Slow, since 2026-01-02T03:04:05+00:00"]


def shown(mosquitto, messages=(), *, kept=()):
    """What a listener says, without the time of day, of messages that the broker kept and of those that come later."""
    port = mosquitto.port
    mark = json.dumps({"state": "online"}).encode()
    publish.multiple([("vitals/begin/status", mark, 1, True), *(_at_broker(*one, True) for one in kept)], port=port)
    command = [sys.executable, "-u", "-m", "edge", "watch", "--broker", f"127.0.0.1:{port}"]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        try:
            while not said or "begin online" not in said[-1]:
                said.append(listener.stdout.readline()[10:].rstrip("\n"))
            publish.multiple(
                [*(_at_broker(*one, False) for one in messages), ("vitals/end/status", mark, 1)], port=port
            )
            while "end online" not in said[-1]:
                said.append(listener.stdout.readline()[10:].rstrip("\n"))
        finally:
            listener.kill()
    return [line for line in said if line not in ("begin online", "end online")]


def _at_broker(topic, fields, retain):
    payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return f"vitals/{topic}", payload, 1, retain


def test_nothing_a_device_sends_ends_the_watching_or_the_line(mosquitto):
    said = shown(
        mosquitto,
        [
            ("dev/bed1/reading/ppg.hr", b"[" * 100_000),
            ("dev/bed1/cmd/result", {"command_id": []}),
            ("dev/bed1/event", event(1, delivery={"asked": 3})),
            ("dev/heartbeat", b'{"interval_s": 1e999}'),
            ("dev/bed1/reading/ppg.rr", b'{"value": NaN, "unit": "bpm"}'),
            ("dev/bed1/event", event(2, text="gone\x1b[2J\r\n08:00:00  dev ALARM off")),
        ],
    )
    assert said == [
        "dev/bed1/reading/ppg.hr: not what the contract says",
        "dev/bed1/event: not what the contract says",
        "dev/bed1/reading/ppg.rr: not what the contract says",
        "dev ALARM on       medium  bed1/af: gone?[2J??08:00:00  dev ALARM off",
    ]


def test_an_alarm_that_sounds_again_is_shown_again_and_one_that_comes_twice_is_not(mosquitto):
    said = shown(mosquitto, [("dev/bed1/event", event(seq)) for seq in (1, 1, 2, 2)])
    assert said == ["dev ALARM on       medium  bed1/af: AF"] * 2


def test_two_sources_of_one_metric_are_told_apart(mosquitto):
    beats = [("ear", 72.0), ("toe", 95.0), ("ear", 72.0)]
    said = shown(mosquitto, [("dev/bed1/reading/ppg.hr", reading(source=s, value=v)) for s, v in beats])
    assert said == ["dev/bed1/ear ppg.hr         72 bpm", "dev/bed1/toe ppg.hr         95 bpm"]


def test_readings_of_readings_push_nothing_off_the_screen(mosquitto):
    metrics = ("ppg.hr", "ppg.quality", "fused.spread")
    said = shown(mosquitto, [(f"dev/bed1/reading/{metric}", reading()) for metric in metrics])
    assert said == ["dev/bed1/node ppg.hr         61 bpm"]


def test_what_a_device_that_is_gone_left_is_told_as_old(mosquitto):
    kept = [
        ("dev/source/node/status", {"state": "online"}),
        ("dev/bed1/alarm/af", event(1)),
        ("dev/status", {"state": "offline"}),
    ]
    old = "[before dev was offline]"
    assert sorted(shown(mosquitto, kept=kept)) == [
        f"dev STANDING ALARM on       medium  bed1/af: AF, since 2026-01-02T03:04:05+00:00 {old}",
        "dev offline",
        f"dev/source/node online {old}",
    ]


def test_no_broker_and_no_device_are_one_line(capsys, mosquitto):
    assert main(["watch", "--broker", "mqtt://127.0.0.1:1", "--seconds", "1"]) == 1
    told = "127.0.0.1:1: not reachable: Connection refused; is a broker running there? --broker mqtt://HOST[:PORT] names it"
    assert told in capsys.readouterr().err
    assert main(["watch", "--broker", "http://x"]) == 2
    assert main(["watch", "--broker", f"mqtt://127.0.0.1:{mosquitto.port}", "--grade", "1"]) == 1
    assert "no device below vitals/" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["watch", "--seconds", "9"], ["watch", "--grade", "9"], ["watch", "--device", "own", "--grade", "9"], ["drill"]],
)
def test_a_broker_that_lets_nobody_hear_is_not_said_to_have_no_device(no_subscribers, capsys, command):
    assert main([*command, "--broker", f"mqtt://127.0.0.1:{no_subscribers.port}"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"edge-vitals: the broker does not let us hear vitals/.* \(not authorized\)\n", said.err)


def test_what_a_broker_does_not_let_us_hear_of_several_topics_is_said_once(mosquitto, monkeypatch, capsys):
    client = Client(f"mqtt://127.0.0.1:{mosquitto.port}", None)
    try:
        refused = iter([[("homeassistant/x", "not authorized")]])
        monkeypatch.setattr(client._connection, "deaf_to", lambda: next(refused, []))
        client.subscribe("vitals/dev/#", "homeassistant/x")
        assert [client.take(0.0), client.take(0.0)] == [[], []]
    finally:
        client.close()
    assert capsys.readouterr().err == "edge-vitals: the broker does not let us hear homeassistant/x (not authorized)\n"


def test_a_device_that_is_not_there_is_said_with_those_that_are(device, capsys):
    url = f"mqtt://127.0.0.1:{device}"
    assert main(["watch", "--broker", url, "--device", "owl", "--seconds", "6"]) == 0
    assert [line[10:] for line in capsys.readouterr().out.splitlines()] == [
        "nothing from owl below vitals/ so far; devices there: own"
    ]
    assert main(["watch", "--broker", url, "--device", "owl", "--grade", "0.5"]) == 3
    assert "owl: nothing was heard of it below vitals/; devices there: own" in capsys.readouterr().out


def test_the_first_device_is_found_below_a_prefix_of_several_levels(mosquitto):
    publish.single("a/b/owl/status", json.dumps(STATUS), qos=1, retain=True, port=mosquitto.port)
    client = Client(f"127.0.0.1:{mosquitto.port}", None)
    try:
        assert first_device(client, "a/b") == "owl"
    finally:
        client.close()


def test_the_wrong_prefix_is_said(device, capsys):
    assert main(["watch", "--broker", f"127.0.0.1:{device}", "--prefix", "vital", "--seconds", "6"]) == 0
    assert "nothing from any device below vital/ so far; no device is known there" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_tls_errors_name_what_to_look_at(mosquitto, capsys, tmp_path):
    url = f"mqtts://127.0.0.1:{mosquitto.port}"
    assert main(["watch", "--broker", url, "--seconds", "1"]) == 1
    assert capsys.readouterr().err.rstrip().endswith("; does that port speak TLS?")
    assert main(["watch", "--broker", url, "--ca-file", "/no/ca.pem", "--seconds", "1"]) == 2
    assert capsys.readouterr().err == "edge-vitals: --ca-file /no/ca.pem: cannot be read\n"
    (tmp_path / "ca.pem").write_text("no certificate")
    assert main(["watch", "--broker", url, "--ca-file", str(tmp_path / "ca.pem"), "--seconds", "1"]) == 2
    assert capsys.readouterr().err.startswith(f"edge-vitals: --ca-file {tmp_path}/ca.pem: ")
