"""Figures of the murmur report that no acceptance scorer computes: the CinC 2016 score, sets left out whole."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edge.dsp.pcg.decision import Scores, Verdict, judge_together
from tool_module import loaded


@pytest.fixture(scope="module")
def calibrate() -> ModuleType:
    with loaded("train/murmur_calibrate.py", beside=True) as module:
        yield module


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
        "n": 2, "positive": 1, "answered": 1.0, "auroc": 1.0, "score": 1.0, "limit_elsewhere": 0, "score_elsewhere": 0.5,
    }  # fmt: skip


def test_of_a_set_left_out_recordings_that_were_refused_are_counted_and_have_no_part_in_auroc(
    calibrate: ModuleType,
) -> None:
    found = calibrate.other_sets([
        judged(calibrate, "abnormal", 0.7, "present"), judged(calibrate, "abnormal", None, "unknown"),
        judged(calibrate, "normal", 0.1, "absent"), judged(calibrate, "normal", None, "unknown"),
    ])["training-a"]  # fmt: skip
    assert found == {"n": 4, "positive": 2, "answered": 0.5, "auroc": 1.0, "score": 0.5}


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


def told_together(calibrate: ModuleType, crowd: list[Any]) -> list[str]:
    """Of every recording of people without a murmur, by constants fitted to all."""
    constants, said = calibrate.fit(crowd), []
    for mine in calibrate.people(crowd).values():
        together = judge_together([calibrate.verdict(r, constants) for r in mine], constants)
        said += [v.decision for r, v in zip(mine, together, strict=True) if r.row["label"] == "absent"]
    return said


def test_together_what_stays_as_it_is_counts_among_what_the_threshold_must_leave(
    calibrate: ModuleType, crowd: list[Any]
) -> None:
    """Of the clean recordings one in forty is refused, and a hundred people have only one, which is called absent."""
    clean = [r for r in crowd if r.row["label"] == "absent"]
    gone = {id(r) for r in clean[:: len(clean) // 20]}
    refused = [replace(r, windows=(), refused=("speech",) * 3) if id(r) in gone else r for r in crowd]
    single = [r for n in range(100) for r in of_circor(calibrate, f"alone{n}", "absent", {"MV": -3.0})]
    for more, unknown in ((refused, 20), (crowd + single, 0), (refused + single, 20)):
        said = told_together(calibrate, more)
        assert said.count("unknown") == unknown
        assert said.count("absent") / len(said) == pytest.approx(calibrate.TOGETHER_SPECIFICITY, abs=1.5 / len(said))


def test_together_the_threshold_is_set_on_what_noise_leaves_of_a_recordings_word(
    calibrate: ModuleType, crowd: list[Any]
) -> None:
    noisy = []
    for n, r in enumerate(crowd):
        hidden, feigned = float(n % 5 == 0), float(n % 5 == 1)
        scores = Scores(r.windows[0].murmur + 4.0 * (feigned - hidden), *r.windows[0].row()[1:6], hidden, feigned)
        noisy.append(replace(r, windows=(scores,) * 3))
    said = told_together(calibrate, noisy)
    assert said.count("absent") / len(said) == pytest.approx(calibrate.TOGETHER_SPECIFICITY, abs=2.5 / len(said))


@pytest.mark.parametrize("sites", [{"MV": -3.0}, {}])
def test_together_without_clean_recordings_beside_others_no_threshold_is_set(
    calibrate: ModuleType, crowd: list[Any], sites: dict[str, float]
) -> None:
    heard = [r for r in crowd if r.row["label"] == "present"]
    single = [r for n in range(50) for r in of_circor(calibrate, f"alone{n}", "absent", sites)]
    base = calibrate.neutral()
    with pytest.raises(ValueError, match="no threshold"):
        calibrate.together_line(heard + single, base)


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
