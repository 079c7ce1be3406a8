"""The reference subscriber: what it shows of devices, and what it says of brokers where nothing is to be heard."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from paho.mqtt import publish

from contract_payloads import ROOT, STATUS, event, reading
from edge.cli import main, watch
from edge.cli._mqtt_client import Client, first_device
from edge.types import ConfigError, SinkError
from whole_program import running


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
    own = str(tmp_path / "ca.pem")
    assert main(["watch", "--broker", url, "--cert-file", own, "--key-file", own, "--seconds", "1"]) == 2
    assert capsys.readouterr().err.startswith(f"edge-vitals: --cert-file, --key-file {own}, {own}: ")
    assert main(["watch", "--broker", url, "--cert-file", own, "--seconds", "1"]) == 2
    assert capsys.readouterr().err.startswith(f"edge-vitals: --cert-file {own}: ")
    assert main(["watch", "--broker", url, "--key-file", own, "--seconds", "1"]) == 2
    assert capsys.readouterr().err == "edge-vitals: --key-file: the key of --cert-file, which is missing\n"


def test_a_station_outlives_a_certificate_that_cannot_be_read_for_a_while(monkeypatch, capsys):
    unreadable = ConfigError("--ca-file ca.pem: cannot be read")
    clients = iter([SimpleNamespace(close=lambda: None), unreadable, SimpleNamespace(close=lambda: None), unreadable])
    shown = iter([SinkError("the broker closed the connection"), 0])

    def next_of(several):
        one = next(several)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(watch, "client_of", lambda _: next_of(clients))
    monkeypatch.setattr(watch, "_show", lambda *_: next_of(shown))
    monkeypatch.setattr(watch.time, "sleep", lambda _: None)
    assert main(["watch", "--as", "station"]) == 0
    said = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "NOT WATCHING: the broker closed the connection; trying again",
        "NOT WATCHING: --ca-file ca.pem: cannot be read; trying again",
        "watching again",
    ]
    assert main(["watch", "--as", "station"]) == 2, "before it ever watched it is a mistake"
