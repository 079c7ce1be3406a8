"""The alarm figures of contact PPG hold through the whole chain: ``tools/evaluate.py alarms`` and ``edge-vitals replay``
say the same of every record of CinC 2015."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from edge.alarms.conditions import RATE_CONDITIONS
from edge.alarms.judge import judge
from edge.alarms.rules import rules_from
from edge.cli import main
from edge.types import Reading
from tool_module import loaded

EVERY = 12
"""Of the records with a slow, fast or missing pulse, one in so many."""
LIMITS = {"brady": {"limit": 40.0}, "tachy": {"limit": 140.0}}
"""Those of CinC 2015."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample(data_dir, tmp_path_factory):
    """A file of some records, and their names."""
    with np.load(data_dir / "ppg" / "cinc2015.npz", allow_pickle=False) as d:
        asked = np.flatnonzero(np.isin(d["alarm"], ("Bradycardia", "Tachycardia", "Asystole")))[::EVERY]
        names, waves, rate_hz = d["record"][asked], d["pleth"][asked], d["fs"]
    path = tmp_path_factory.mktemp("cinc") / "some.npz"
    np.savez(path, record=names, pleth=waves, fs=rate_hz)
    return path, [str(name) for name in names]


@pytest.fixture(scope="module")
def evaluated(sample, tmp_path_factory):
    """Rows of ``tools/evaluate.py alarms`` by record."""
    out = tmp_path_factory.mktemp("out") / "alarms.csv"
    with loaded("evaluate.py") as tool:
        assert tool.main(["alarms", "--data", str(sample[0]), "--out", str(out)]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        return {row["record"]: row for row in csv.DictReader(file)}


def replayed(path, record, capsys):
    """The last ``ppg.hr`` of ``edge-vitals replay`` of one record, whole."""
    assert main(["replay", f"{path}#{record}", "--jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    last = [line for line in lines if line["type"] == "reading" and line["metric"] == "ppg.hr"][-1]
    return Reading(**{k: v for k, v in last.items() if k != "type"})


def test_evaluation_and_replay_agree_record_by_record(sample, evaluated, capsys):
    path, names = sample
    rules = rules_from(LIMITS)
    spoken = 0
    for name in names:
        last, row = replayed(path, name, capsys), evaluated[name]
        said = {key: last.detail.get(key) for key in RATE_CONDITIONS}
        assert {key: "" if value is None else str(value) for key, value in said.items()} == {
            key: row[key] for key in RATE_CONDITIONS
        }, name
        assert (row["reason"], row["hr_last10s"]) == (
            last.reason,
            "" if last.value is None else f"{last.value:.2f}",
        ), name
        verdicts = {key: judge(rules[key], last).verdict for key in RATE_CONDITIONS}
        assert verdicts["asystole"] in {None: ("unknown",), 0: ("no", "unknown"), 1: ("yes",)}[said["asystole"]], name
        for key in ("brady", "tachy"):  # a finding confirms from a margin on, an alarm goes off at its limit only
            assert said[key] != 0 or verdicts[key] != "yes", (name, key)
        spoken += sum(value is not None for value in said.values())
    assert spoken > len(names) / 2
