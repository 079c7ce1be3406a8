"""What Prometheus fetches is what happened; what is not known is absent; the dashboard uses names there are."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from edge.alarms.rules import AlarmRules, rules_from
from edge.clock import ManualClock
from edge.kinds import check, construct
from edge.sinks import _listener
from edge.sinks.metrics import METRICS, build
from edge.types import PRESENCES, Alarm, ConfigError, Reading, SourceStatus, Stats

HOPS = {"ppg.hr": 1.0, "ppg.rhythm": 2.0}
TOOLS = Path(__file__).resolve().parents[2] / "tools" / "grafana"


@pytest.fixture
def clock():
    return ManualClock(1.0)


@pytest.fixture
def sink(clock):
    made = build(device_name="ward", clock=clock, hops=HOPS, version="1.2", port=0)
    yield made
    made.close()


def fetch(sink):
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=5.0) as answer:
        lines = answer.read().decode().splitlines()
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")}


def reading(value, reason=""):
    return Reading("ppg.hr", 1.0, value, "bpm", 0.75, reason, bed="bed1", source="node")


def alarm(presence, priority="medium"):
    return Alarm("bed1/af", "o", "physiological", priority, presence, 1.0, "AF", "af", "bed1")


KEY = '{bed="bed1",metric="ppg.hr",source="node"}'


def test_a_reading_that_is_not_known_is_absent(sink):
    sink.send(reading(61.5))
    assert fetch(sink)[f"edge_vitals_reading{KEY}"] == 61.5
    sink.send(reading(None, "motion"))
    found = fetch(sink)
    assert f"edge_vitals_reading{KEY}" not in found
    assert found[f"edge_vitals_readings_total{KEY}"] == 2
    assert found['edge_vitals_readings_unknown_total{bed="bed1",metric="ppg.hr",reason="motion",source="node"}'] == 1


def test_a_reading_is_gone_three_hops_after_its_time(sink, clock):
    sink.send(reading(61.5))
    sink.send(replace(reading(0.9), metric="ppg.rhythm"))
    clock.advance(2.9)
    assert fetch(sink)[f"edge_vitals_reading{KEY}"] == 61.5
    clock.advance(0.1)
    found = fetch(sink)
    assert f"edge_vitals_reading{KEY}" not in found
    assert f"edge_vitals_reading_quality{KEY}" not in found
    assert found[f"edge_vitals_readings_total{KEY}"] == 1
    assert found[f"edge_vitals_reading{KEY.replace('ppg.hr', 'ppg.rhythm')}"] == 0.9
    sink.send(replace(reading(62.0), t=clock.now()))
    assert fetch(sink)[f"edge_vitals_reading{KEY}"] == 62.0
    sink.send(reading(61.5))
    assert f"edge_vitals_reading{KEY}" not in fetch(sink), "late by more than that when it came"


@pytest.mark.parametrize(("state", "there"), [("offline", False), ("disabled", False), ("degraded", True)])
def test_a_reading_is_gone_with_its_source(sink, state, there):
    other = KEY.replace("node", "cam")
    sink.send(reading(61.5))
    sink.send(replace(reading(60.0), source="cam"))
    sink.send(SourceStatus("node", "bed1", 2.0, state))
    found = fetch(sink)
    assert (f"edge_vitals_reading{KEY}" in found) is there
    assert found[f"edge_vitals_reading{other}"] == 60.0


def test_an_alarm_stands_until_it_is_off(sink):
    def standing():
        return [k for k in fetch(sink) if k.startswith("edge_vitals_alarm{")]

    sink.send(alarm("on"))
    sink.send(alarm("on", "high"))
    assert standing() == ['edge_vitals_alarm{bed="bed1",condition="af",priority="high",source=""}']
    sink.send(alarm("off"))
    assert standing() == []
    assert fetch(sink)['edge_vitals_alarm_transitions_total{bed="bed1",condition="af",presence="on"}'] == 2


def test_the_first_alarm_counts_since_every_one_that_may_be_raised_begins_at_zero(clock):
    """``increase()`` does not see the first value of a counter that was not there."""
    rules = {"bed1": AlarmRules(), "bed2": rules_from({"af": {"enabled": False}})}
    one = build(device_name="ward", clock=clock, hops=HOPS, port=0, bed_rules=rules)
    before = {key: value for key, value in fetch(one).items() if key.startswith("edge_vitals_alarm_transitions_total")}
    assert set(before.values()) == {0.0}
    told = {tuple(re.findall(r'"(\w+)"', key)) for key in before}
    assert {("bed1", "af", presence) for presence in PRESENCES} | {("_device", "outbox_full", "on")} <= told
    assert ("bed2", "brady", "on") in told
    assert not {("bed2", "af", "on"), ("bed1", "outbox_full", "on"), ("_device", "brady", "on")} & told
    one.send(alarm("on"))
    after = {key: value for key, value in fetch(one).items() if key.startswith("edge_vitals_alarm_transitions_total")}
    assert after == {**before, 'edge_vitals_alarm_transitions_total{bed="bed1",condition="af",presence="on"}': 1.0}
    one.close()


def test_a_drill_counts_nowhere(sink):
    sink.send(replace(alarm("on"), drill=True))
    assert not [key for key in fetch(sink) if key.startswith("edge_vitals_alarm")]


FIGURES = {
    "latency_ms": {"p50": 12.0, "p95": 80.0},
    "main_queue": 3,
    "inbox_blocks": {"node": 2},
    "dropped_blocks": {"node": 7},
    "reopened": {"node": 1},
    "resident_mb": 100.0,
    "cpu_s": 4.0,
    "temperature_c": 61.5,
    "degraded": ["camera_rate"],
}


def test_the_programs_own_figures(sink):
    sink.send(SourceStatus("node", "bed1", 2.0, "online", since=2.0, blind_s=4.5))
    sink.send(Stats(10.0, FIGURES))
    sink.send(Stats(20.0, {**FIGURES, "dropped_blocks": {"node": 9}, "latency_ms": None}))
    found = fetch(sink)
    assert found['edge_vitals_dropped_blocks_total{source="node"}'] == 9
    assert found['edge_vitals_source_blind_seconds_total{bed="bed1",source="node"}'] == 4.5
    assert found["edge_vitals_temperature_celsius"] == 61.5
    assert found["edge_vitals_degraded_steps"] == 1
    assert found["edge_vitals_resident_bytes"] == 1e8
    assert 'edge_vitals_latency_seconds{percentile="95"}' not in found
    sink.send(Stats(25.0, FIGURES))
    assert fetch(sink)['edge_vitals_latency_seconds{percentile="95"}'] == FIGURES["latency_ms"]["p95"] / 1000.0
    sink.send(Stats(30.0, {}))
    assert "edge_vitals_temperature_celsius" not in fetch(sink)


def test_a_source_that_is_away_is_counted_while_it_is_and_once(sink):
    def blind():
        return fetch(sink)['edge_vitals_source_blind_seconds_total{bed="bed1",source="node"}']

    away = SourceStatus("node", "bed1", 13.0, "offline", since=10.0)
    counted = []
    for event in (
        SourceStatus("node", "bed1", 2.0, "online", since=2.0),
        away,
        Stats(20.0, FIGURES),
        replace(away, t=25.0),
        Stats(30.0, FIGURES),
        SourceStatus("node", "bed1", 34.5, "online", since=34.5, blind_s=24.5),
        Stats(40.0, FIGURES),
        SourceStatus("node", "bed1", 50.0, "offline", since=48.0),
        SourceStatus("node", "bed1", 60.0, "disabled", since=60.0),
        Stats(70.0, FIGURES),
    ):
        sink.send(event)
        counted.append(blind())
    assert counted == [0.0, 3.0, 10.0, 15.0, 20.0, 24.5, 24.5, 26.5, 26.5, 26.5]


def test_every_metric_that_is_declared_is_there(sink):
    for event in (reading(60.0), reading(None, "gap"), reading(60.0), alarm("on"), Stats(1.0, FIGURES)):
        sink.send(event)
    sink.send(SourceStatus("node", "bed1", 2.0, "online"))
    assert {re.match(r"\w+", key)[0] for key in fetch(sink)} >= set(METRICS)


def test_names_and_labels_are_as_prometheus_lints_them():
    """A counter ends in ``_total``, and "quantile" and "le" belong to summaries and histograms."""
    for name, (kind, _, labels) in METRICS.items():
        assert name.endswith("_total") is (kind == "counter")
        assert not {"quantile", "le"} & set(labels)


def test_the_dashboard_is_current_and_uses_only_metrics_there_are():
    command = [sys.executable, str(TOOLS / "make.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0
    board = json.loads((TOOLS / "edge-vitals.json").read_text(encoding="utf-8"))
    used = set()
    for panel in board["panels"]:
        for target in panel["targets"]:
            names = re.findall(r"edge_vitals_\w+", target["expr"])
            assert names
            used |= set(names)
            labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            declared = set().union(*(METRICS[name][2] for name in names))
            assert labels <= declared
    assert used == set(METRICS)


def test_a_port_in_use_and_a_missing_package_are_said_in_one_line(sink, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="set another port"):
            build(device_name="d", clock=ManualClock(), hops=HOPS, port=taken.getsockname()[1])
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"edge-vitals\[metrics\]"):
        construct("sinks", "metrics", {"port": 0}, {"device_name": "d", "clock": ManualClock(), "hops": HOPS})


def test_what_stood_before_a_restart_stands_from_the_start_and_is_no_transition(clock):
    drill = replace(alarm("on"), id="bed1/drill", condition="drill", drill=True)
    one = build(device_name="ward", clock=clock, hops=HOPS, port=0, standing=[alarm("ack", "high"), drill])
    told = [key for key in fetch(one) if key.startswith("edge_vitals_alarm")]
    assert told == ['edge_vitals_alarm{bed="bed1",condition="af",priority="high",source=""}']
    one.send(alarm("off"))
    assert not any(key.startswith("edge_vitals_alarm{") for key in fetch(one))
    one.close()


def test_a_missing_package_is_found_by_a_check_which_opens_no_port(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert build(device_name="d", clock=ManualClock(), hops=HOPS, port=port, checking=True) is None
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"edge-vitals\[metrics\]"):
        check("metrics", {"port": 0}, {}, where=("c.toml", "sinks.metrics"))


def test_silent_connections_take_few_files_and_are_let_go(sink, monkeypatch, caplog):
    monkeypatch.setattr(_listener, "REQUEST_S", 0.2)
    address = ("127.0.0.1", sink.port)
    with contextlib.ExitStack() as stack:
        before = len(os.listdir("/proc/self/fd"))
        mine = [stack.enter_context(socket.create_connection(address, timeout=5.0)) for _ in range(100)]
        for sock in mine[::2]:
            with contextlib.suppress(OSError):  # turned away already
                sock.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        assert len(os.listdir("/proc/self/fd")) - before - len(mine) <= 16 + 1  # one may be being turned away
        for sock in mine:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(65536) == b""
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told[0] == "sinks.metrics: 16 connections are open; more are turned away"
    sink.send(reading(61.5))
    assert fetch(sink)[f"edge_vitals_reading{KEY}"] == 61.5
