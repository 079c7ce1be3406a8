"""The figures of recording come out, and recorder and evidence stay under their share of a core."""

from __future__ import annotations

import json

import pytest

from tool_module import loaded


@pytest.fixture
def bench():
    with loaded("bench_recording.py") as module:
        yield module


@pytest.mark.slow
def test_recording_costs_little_and_simulate_keeps_up(bench, monkeypatch, capsys):
    monkeypatch.setattr(bench, "PARTS", ((72.0, "sinus", 60), (150.0, "sinus", 60)))
    monkeypatch.setattr(bench.logging, "disable", lambda level: None)
    assert bench.main(["--minutes", "4", "--hours", "0.2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recorder_core_share"] + told["evidence_core_share_at_12_alarms_an_hour"] < 0.01
    assert 1e8 < told["bytes_a_day_without_camera"] < told["bytes_a_day"] < 1.2e9
    assert 1e4 < told["evidence_bytes_an_alarm"] < 4e6
    assert told["simulate_processor_s"] < 60 * 0.2 / 24 * 4  # short spans pay for the start
    assert 20 < told["simulate_peak_mb"] < 80
    said = told["simulate_said"]
    assert said[1].startswith("A: 6 alarms")
    assert said[-2:] == ["missed by B: 6", "added by B: 0"]
