"""Instructions per stage: how counts are judged, and the counts themselves beside those stored."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tool_module import loaded

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def budget():
    with loaded("instructions/main.py") as module:
        yield module


@pytest.fixture
def stored():
    return {
        "machine": {
            "machine": "x86_64",
            "python": "3.11",
            "features": ["AVX2", "FMA3"],
            "versions": {"numpy": "2.4.6"},
        },
        "stages": [
            {"name": "pulse, one hop", "calls": 2, "calls_per_s": 1.0, "instructions": 1_000_000},
            {"name": "model", "calls": 3, "calls_per_s": 0.0, "instructions": 500_000},
        ],
    }


def counted(stored, factor):
    found = copy.deepcopy(stored)
    found["stages"][0]["instructions"] = round(1_000_000 * factor)
    return found


@pytest.mark.parametrize(("factor", "risen"), [(0.5, 0), (1.0, 0), (1.099, 0), (1.101, 1), (2.0, 1)])
def test_a_rise_of_more_than_a_tenth_in_one_stage_is_found(budget, stored, factor, risen):
    verdict = budget.judge(stored, counted(stored, factor))
    assert verdict.other == ""
    assert len(verdict.risen) == risen
    assert ("store it" in "".join(verdict.notes)) == (factor == 0.5)


def test_of_two_counts_the_lesser_holds_stage_by_stage(budget, stored):
    found = budget.least(counted(stored, 1.3), counted(stored, 1.01))
    assert [stage["instructions"] for stage in found["stages"]] == [1_010_000, 500_000]
    assert budget.judge(stored, found).risen == ()


@pytest.mark.parametrize(("key", "value"), [("features", ["AVX2"]), ("python", "3.12"), ("machine", "aarch64")])
def test_another_class_of_machine_is_not_compared_and_that_is_said(budget, stored, key, value):
    found = counted(stored, 5.0)
    found["machine"][key] = value
    verdict = budget.judge(stored, found)
    assert verdict.other.startswith("not compared: another ")
    assert verdict.risen == ()


def test_stages_and_versions_that_changed_are_said(budget, stored):
    found = copy.deepcopy(stored)
    found["stages"][1]["name"] = "another model"
    found["machine"]["versions"]["numpy"] = "3.0"
    notes = budget.judge(stored, found).notes
    assert notes == (
        "another model: not stored",
        "model: stored, not counted here",
        "numpy 2.4.6 stored, 3.0 here",
    )


def test_the_share_of_a_core_follows_from_the_assumptions(budget):
    board = budget.Board("x", 1e9, (0.5, 2.0))
    least, most = budget.share(board, 1e8)
    assert least == pytest.approx(0.05 * budget.ARM_PER_X86[0])
    assert most == pytest.approx(0.2 * budget.ARM_PER_X86[1])
    assert "ESTIMATE" in budget.assumptions()


def test_the_table_has_a_line_for_each_stage_and_one_for_a_bed(budget, stored):
    lines = budget.table(stored["stages"], {"model": 400_000})
    assert len(lines) == 1 + len(stored["stages"]) + 1
    assert "+25.0%" in lines[2]
    assert "1,000,000" in lines[3]  # a model by itself costs a bed nothing: its analyzer's hop holds it


def test_what_is_stored_names_every_stage_and_variant(budget):
    names = [stage["name"] for stage in json.loads(budget.STORED.read_text(encoding="utf-8"))["stages"]]
    for analyzer in ("pulse", "rhythm", "murmur", "camera_pulse"):
        assert f"{analyzer}, one hop" in names
    for card in (TOOLS.parent / "models").glob("*/card.toml"):
        assert sum(name.startswith(f"model {card.parent.name} ") for name in names) == 4


@pytest.mark.slow
def test_no_stage_costs_a_tenth_more_instructions_than_stored():
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed; tools/test --slow installs it")
    command = [sys.executable, str(TOOLS / "instructions" / "main.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "not compared" in done.stdout:
        pytest.skip(next(line for line in done.stdout.splitlines() if "not compared" in line))
