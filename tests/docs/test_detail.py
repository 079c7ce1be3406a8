"""What ``detail`` may hold and what each reason means is told where subscribers look for it: docs/mqtt.md."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from edge import inference
from edge.analyzers import camera_pulse, murmur, pulse, rhythm
from edge.dsp import synthesis
from edge.dsp.face.columns import AREAS, COLUMNS, SKIN
from edge.fusion import Fusion
from edge.lane import Lane
from edge.types import REASONS, Block

ROOT = Path(__file__).resolve().parents[2]
BY_THE_BOARD = {"site", "patient"}
SECONDS = 30


def told() -> dict[str, set[str]]:
    """By metric, the names that the table explains."""
    text = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
    rows = text.partition("| metric | name in `detail` | what |\n|---|---|---|\n")[2].partition("\n\n")[0].splitlines()
    found: dict[str, set[str]] = defaultdict(set)
    metric = ""
    for row in rows:
        _, named, names, *_ = row.split("|")
        metric = named.strip().strip("`") or metric
        found[metric] |= set(re.findall(r"`([^`]+)`", names))
    return found


def lane(primary, **analyzers):
    return Lane(bed="bed1", source="node", primary=primary, analyzers=analyzers)


def beats(kind="sinus"):
    return synthesis.beats([synthesis.Episode(0.0, kind, 72.0)], SECONDS + 2.0, seed=1)


def fed(one, *streams):
    """Readings of blocks of a second: (stream, rate, samples, labels), all of the same length in time."""
    found = []
    for second in range(SECONDS):
        for name, rate, data, labels in streams:
            rows = data[round(second * rate) : round((second + 1) * rate)]
            found += one.feed(Block(f"node/{name}", round(second * rate), float(second), rate, rows, 0, labels))
    assert one.take_faults() == []
    return found


def of_a_finger(moves):
    t = np.arange(SECONDS * 100) / 100.0
    wave = synthesis.ppg(beats(), t, seed=1)[:, None]
    shake = 0.4 * np.sin(2 * np.pi * 2.2 * t)[:, None] * moves
    acc = np.array([0.0, 0.0, 1.0]) + shake + np.random.default_rng(1).normal(0.0, 0.004, (len(t), 3))
    models = {"models": inference.load}
    one = lane("ppg", pulse=pulse.build(**models), rhythm=rhythm.build(**models))
    return fed(one, ("acc", 100.0, acc, ("x", "y", "z")), ("ppg", 100.0, wave + 0.2 * shake, ("ir",)))


def of_a_chest():
    t = np.arange(SECONDS * 4000) / 4000.0
    return fed(
        lane("pcg", murmur=murmur.build(models=inference.load)),
        ("pcg", 4000.0, synthesis.pcg(beats(), t)[:, None], ("pcg",)),
    )


def of_a_face():
    rng, t = np.random.default_rng(0), np.arange(SECONDS * 30) / 30.0
    wave = np.sin(2 * np.pi * 1.2 * t) + 0.3 * np.sin(4 * np.pi * 1.2 * t + 1)
    table = np.zeros((len(t), len(COLUMNS)))
    for area in AREAS:
        blood = np.array([0.0033, 0.0077, 0.0053]) * (area in SKIN)
        rgb = np.array([190.0, 140.0, 112.0]) * (1 - wave[:, None] * blood) + rng.normal(0, 0.02, (len(t), 3))
        for c, colour in enumerate("rgb"):
            table[:, COLUMNS.index(f"{area}_{colour}")] = rgb[:, c]
    for name, value in (("present", 1.0), ("brightness", 120.0), ("change", 1.5), ("faces", 1.0)):
        table[:, COLUMNS.index(name)] = value
    return fed(lane("roi", camera_pulse=camera_pulse.build(models=inference.load)), ("roi", 30.0, table, COLUMNS))


@pytest.fixture(scope="module")
def readings():
    lanes = [*of_a_finger(0.0), *of_a_finger(1.0), *of_a_chest(), *of_a_face()]
    rates = sorted((r for r in lanes if r.metric.endswith(".hr")), key=lambda r: r.t)
    fusion = Fusion()
    return [*lanes, *(fused for r in rates for fused in fusion.update(r))]


def test_every_name_in_the_detail_of_a_reading_is_explained(readings):
    table, found = told(), defaultdict(set)
    for reading in readings:
        found[reading.metric] |= {"NAME/METRIC" if "/" in name else name for name in reading.detail}
    assert {metric for metric, names in found.items() if names} >= set(table) - {"pcg.hr"}
    assert {metric: names - table[metric] for metric, names in found.items() if names - table[metric]} == {}


def test_what_is_explained_is_there_but_for_what_is_rare(readings):
    seen = defaultdict(set)
    for reading in readings:
        seen[reading.metric] |= {"NAME/METRIC" if "/" in name else name for name in reading.detail}
    rare = {
        "pcg.murmur": BY_THE_BOARD,
        "pcg.hr": {"candidate_bpm"},
        "camera.hr": {"doubt"},
        "fused.spread": {"suppressed"},
    }
    missing = {metric: names - seen[metric] - rare.get(metric, set()) for metric, names in told().items()}
    assert {metric: names for metric, names in missing.items() if names} == {}


def test_what_every_reason_means_is_told():
    section = (
        (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8").partition("\n## Reasons\n")[2].partition("\n## ")[0]
    )
    told_of = set(re.findall(r"^\| `(\w+)` \|.*[a-z]{3}", section, re.MULTILINE))
    assert told_of | {"standby", "model_fault"} == set(REASONS)
    assert {"standby", "model_fault"} <= set(re.findall(r"`(\w+)`, ", section))
