"""``edge-vitals simulate`` over recorded readings."""

import argparse
import json

import pytest

from edge.cli import simulate
from edge.recording import RecordingWriter
from edge.types import ConfigError, Reading, SourceError, SourceStatus

PLAIN = '[alarms.brady]\nlimit = 45\nsevere_limit = 30\non_delay_s = 5\nmetrics = ["ppg.hr"]\n'


def call(*arguments):
    parser = argparse.ArgumentParser()
    simulate.add(parser.add_subparsers())
    args = parser.parse_args(["simulate", *map(str, arguments)])
    return int(args.func(args))


def record(path, rates, start=1000.0, config=PLAIN):
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"config": config})
        writer.add(SourceStatus("node", "bed1", start, "online"))
        for i, rate in enumerate(rates):
            writer.add(Reading("ppg.hr", start + i, rate, "bpm", 0.9, bed="bed1", source="node"))
    return path


@pytest.fixture
def files(tmp_path):
    night = record(tmp_path / "night.evrec", [70.0] * 60 + [42.0] * 60 + [70.0] * 60)
    day = record(tmp_path / "day.evrec", [70.0] * 60 + [35.0] * 60 + [70.0] * 60, start=5.0)
    lower = tmp_path / "lower.toml"
    lower.write_text(PLAIN.replace("45", "40"))
    return night, day, lower


def test_a_proposal_against_what_was(files, capsys):
    night, _, lower = files
    assert call(night, "--config", lower) == 0
    out = capsys.readouterr().out
    assert "A: 1 alarms" in out
    assert "B: 0 alarms" in out
    assert "missed by B: 1" in out
    assert "bed1/brady medium: Heart rate 42 below 45 bpm" in out


def test_two_proposals_over_several_recordings(files, tmp_path, capsys):
    night, day, lower = files
    now = tmp_path / "now.toml"
    now.write_text(PLAIN)
    assert call(night, day, "--config", lower, "--config", now, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["a"]["alarms"], told["b"]["alarms"], len(told["added"]), told["missed"]) == (1, 2, 1, [])
    assert told["watched_s"] == 358.0


def test_what_cannot_be_simulated_is_said(files, tmp_path):
    night, _, lower = files
    with pytest.raises(ConfigError, match="needs --config once"):
        call(night)
    with pytest.raises(SourceError, match="holds no readings to judge"):
        call(record(tmp_path / "none.evrec", []), "--config", lower)
