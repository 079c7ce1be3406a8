"""The figures of recording come out, and recorder and evidence stay under their share of a core."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench():
    spec = importlib.util.spec_from_file_location("bench_recording", ROOT / "tools" / "bench_recording.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_recording_costs_little_and_simulate_keeps_up(bench, monkeypatch, capsys):
    monkeypatch.setattr(bench, "PARTS", ((72.0, "sinus", 60), (150.0, "sinus", 60)))
    monkeypatch.setattr(bench.logging, "disable", lambda level: None)
    assert bench.main(["--minutes", "4", "--hours", "0.2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recorder_core_share"] + told["evidence_core_share_at_12_alarms_an_hour"] < 0.03
    assert 1e8 < told["bytes_a_day_without_camera"] < told["bytes_a_day"] < 1.2e9
    assert 1e4 < told["evidence_bytes_an_alarm"] < 4e6
    assert told["simulate_processor_s"] < 60 * 0.2 / 24 * 4  # short spans pay for the start
    said = told["simulate_said"]
    assert said[1].startswith("A: 6 alarms")
    assert said[-2:] == ["missed by B: 6", "added by B: 0"]
