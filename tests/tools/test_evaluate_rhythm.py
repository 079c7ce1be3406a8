"""``tools/evaluate.py rhythm``: windows of one person one after the other, those of nobody each for itself."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge.dsp import synthesis
from tool_module import loaded

SIX = ("SR", "PVC", "PAC", "VT", "SVT", "AF")


@pytest.fixture(scope="module")
def evaluate() -> ModuleType:
    with loaded("evaluate.py") as module:
        yield module


def window(kind: str) -> np.ndarray:
    if kind == "none":
        return np.zeros(1000)
    heart = synthesis.beats([synthesis.Episode(0.0, kind, 80.0)], 12.0, seed=5)
    return 1500.0 * synthesis.ppg(heart, np.arange(1000) / 100.0, seed=5)


def said(evaluate: ModuleType, folder: Path, kinds: list[str], **more: object) -> list[dict[str, str]]:
    np.savez(folder / "w.npz", ppg=np.stack([window(kind) for kind in kinds]), fs=100, **more)
    assert evaluate.main(["rhythm", "--data", str(folder / "w.npz"), "--out", str(folder / "p.csv")]) == 0
    with (folder / "p.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_columns_of_the_contract_in_the_order_of_the_file(evaluate: ModuleType, tmp_path: Path) -> None:
    rows = said(evaluate, tmp_path, ["sinus", "none", "af"], subject=np.array(["b", "a", "b"]))
    assert list(rows[0])[:9] == ["row", *(f"p_{name}" for name in SIX), "quality", "decision"]
    assert [(r["row"], r["decision"], r["reason"]) for r in rows] == [
        ("0", "sinus", ""),
        ("1", "", "no_signal"),
        ("2", "af", ""),
    ]
    assert {rows[1][f"p_{name}"] for name in (*SIX, "AF_alone")} == {""}
    assert sum(float(rows[0][f"p_{name}"]) for name in SIX) == pytest.approx(1.0, abs=1e-5)


def test_windows_of_a_person_are_judged_in_the_light_of_those_before_and_of_nobody_by_themselves(
    evaluate: ModuleType, tmp_path: Path
) -> None:
    kinds = ["sinus"] * 6 + ["af"] + ["af"] * 6 + ["af"]
    alone = said(evaluate, tmp_path, kinds)
    p = [float(r["p_AF"]) for r in alone[6:]]
    assert len(set(p)) == 1, "the same wave again"
    mixed = np.array(["quiet"] * 7 + ["fast"] * 7)
    together = said(evaluate, tmp_path, kinds, subject=mixed)
    assert {r["p_AF_alone"] for r in together[6:]} == {alone[6]["p_AF_alone"]}
    assert float(together[6]["p_AF"]) < p[0] < float(together[13]["p_AF"])
    assert together[7]["p_AF"] == alone[7]["p_AF"], "another person begins"
    order = np.arange(14).reshape(2, 7).T.ravel()
    moved = said(evaluate, tmp_path, [kinds[i] for i in order], subject=mixed[order])
    assert [r["p_AF"] for r in moved] == [together[i]["p_AF"] for i in order], "people do not meet"


def test_subjects_that_do_not_fit_are_one_line(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for subject in ([1, 2], [1.0, np.nan, 2.0], np.array(["2020-01-01", "NaT", "NaT"], "datetime64[D]")):
        np.savez(tmp_path / "w.npz", ppg=np.zeros((3, 1000)), fs=100, subject=subject)
        assert evaluate.main(["rhythm", "--data", str(tmp_path / "w.npz"), "--out", str(tmp_path / "p.csv")]) == 2
        assert "subject must name one person for each of the 3 windows" in capsys.readouterr().err
