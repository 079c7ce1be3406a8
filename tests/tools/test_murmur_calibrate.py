"""Figures of the murmur report that no acceptance scorer computes: the CinC 2016 score, sets left out whole."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edge.dsp.pcg.decision import Scores, Verdict, judge_together

PATH = Path(__file__).resolve().parents[2] / "tools" / "train" / "murmur_calibrate.py"


@pytest.fixture(scope="module")
def calibrate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("murmur_calibrate_tested", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PATH.parent))
        spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def judged(
    calibrate: ModuleType, label: str, p: float | None, decision: str, *, sqi: str = "1", db: str = "training-a"
) -> tuple[Any, Verdict]:
    row = {"dataset": "cinc2016", "db": db, "label": label, "sqi": sqi, "path": "x"}
    return calibrate.Heard(row, 0, ()), Verdict(p, decision, 1.0, 3, None)


def test_cinc_score_is_the_mean_of_both_rates_and_forgives_unknown_on_noise_only(calibrate: ModuleType) -> None:
    def one(*a: Any, **k: Any) -> tuple[Any, Verdict]:
        return judged(calibrate, *a, **k)

    found = [
        one("abnormal", 0.9, "present"),
        one("abnormal", 0.1, "absent"),
        one("abnormal", None, "unknown"),
        one("abnormal", 0.6, "unknown", sqi="0"),
        one("normal", 0.1, "absent"),
        one("normal", None, "unknown", sqi="0"),
        one("normal", 0.2, "present"),
    ]
    assert calibrate.cinc_score(found) == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert calibrate.cinc_score(found, 0.3) == pytest.approx((2 / 4 + 3 / 3) / 2)
    assert calibrate.cinc_score(found, 0.05) == pytest.approx((3 / 4 + 1 / 3) / 2)


def test_a_set_left_out_takes_its_threshold_from_the_others(calibrate: ModuleType) -> None:
    a = [judged(calibrate, "abnormal", 0.7, "present"), judged(calibrate, "normal", 0.5, "present")]
    b = [
        judged(calibrate, "abnormal", 0.4, "present", db="training-b"),
        judged(calibrate, "normal", 0.2, "absent", db="training-b"),
    ]
    found = calibrate.other_sets(a + b)
    assert found["training-a"]["score"] == 0.5
    assert 0.2 < found["training-a"]["limit_elsewhere"] <= 0.4
    assert found["training-a"]["score_elsewhere"] == 0.5
    assert 0.5 < found["training-b"]["limit_elsewhere"] <= 0.7
    assert found["training-b"] | {"limit_elsewhere": 0} == {
        "n": 2, "positive": 1, "auroc": 1.0, "score": 1.0, "limit_elsewhere": 0, "score_elsewhere": 0.5,
    }  # fmt: skip


def of_circor(calibrate: ModuleType, patient: str, label: str, heard: dict[str, float]) -> list[Any]:
    """One person's recordings. heard: by site the mean murmur logit; a site in capitals has a murmur."""
    found = []
    for site, murmur in heard.items():
        here = "absent" if label == "absent" else "present" if site.isupper() else "absent_here"
        row = {"dataset": "circor2022", "patient": patient, "path": f"{patient}_{site}", "label": label}
        scores = Scores(murmur, -3.0, -5.0, 0.5, -1.0, -3.0)
        found.append(calibrate.Heard({**row, "label_recording": here}, 0, (scores,) * 3))
    return found


@pytest.fixture
def crowd(calibrate: ModuleType) -> list[Any]:
    """Sites of a person are alike: 200 people without a murmur, 60 with one that is heard at all sites but one."""
    rng, found = np.random.default_rng(5), []
    for n in range(260):
        label, middle = ("absent", -2.0) if n < 200 else ("present", 1.0)
        person = rng.normal(middle, 1.5)
        sites = {site: person + rng.normal(0.0, 1.5) - (not site.isupper()) for site in ("AV", "MV", "PV", "tv")}
        found += of_circor(calibrate, f"p{n}", label, sites)
    return found


def test_recordings_together_are_told_better_and_the_threshold_leaves_the_share_it_promises(
    calibrate: ModuleType, crowd: list[Any]
) -> None:
    constants = calibrate.fit(crowd)
    own, others, _, threshold = constants.together
    assert own > 0.2
    assert others > 0.2
    alone, together = [], []
    for mine in calibrate.people(crowd).values():
        verdicts = [calibrate.verdict(r, constants) for r in mine]
        alone += zip(mine, verdicts, strict=True)
        together += zip(mine, judge_together(verdicts, constants), strict=True)
    clean = [v.p for r, v in together if r.row["label"] == "absent"]
    assert np.mean(np.array(clean) < threshold) == pytest.approx(calibrate.TOGETHER_SPECIFICITY, abs=1 / len(clean))
    before, after = calibrate.recording_figures(alone), calibrate.recording_figures(together)
    for figure in ("recording_auroc", "recording_auroc_with_absent_here"):
        assert after[figure] > before[figure] + 0.02
    assert after["present_where_silent"] > before["present_where_silent"]


def test_together_what_had_to_be_refused_counts_among_what_the_threshold_must_leave(
    calibrate: ModuleType, crowd: list[Any]
) -> None:
    """Of the clean recordings one in forty is refused, and one person's only recording is called absent."""
    clean = [r for r in crowd if r.row["label"] == "absent"]
    gone = {id(r) for r in clean[:: len(clean) // 20]}
    crowd = [replace(r, windows=(), refused=("speech",) * 3) if id(r) in gone else r for r in crowd]
    crowd += of_circor(calibrate, "alone", "absent", {"MV": -3.0})
    constants = calibrate.fit(crowd)
    said = []
    for mine in calibrate.people(crowd).values():
        together = judge_together([calibrate.verdict(r, constants) for r in mine], constants)
        said += [v.decision for r, v in zip(mine, together, strict=True) if r.row["label"] == "absent"]
    assert said.count("unknown") == 20
    assert said.count("absent") / len(said) == pytest.approx(calibrate.TOGETHER_SPECIFICITY, abs=1.5 / len(said))


def test_figures_name_both_and_those_of_a_part_are_of_it(calibrate: ModuleType, crowd: list[Any]) -> None:
    folds = [replace(r, fold=int(r.row["patient"][1:]) % 2) for r in crowd]
    found = calibrate.cross_judged(folds)
    assert len(found.alone) == len(found.together) == len(crowd)
    assert len(found.people) == 260
    assert len(found.constants) == 2
    part = found.where(lambda r: r.fold == 1)
    assert {r.row["patient"] for r, _ in part.together} == {f"p{n}" for n in range(1, 260, 2)}
    for judged in (found, part):
        told = calibrate.figures(judged)
        assert told["recording_auroc"] == calibrate.recording_figures(judged.alone)["recording_auroc"]
        assert told["together_sensitivity"] == calibrate.recording_figures(judged.together)["sensitivity"]
        assert 0.8 < told["patient_auroc"] < 1
