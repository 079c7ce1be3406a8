"""Figures of the murmur report that no acceptance scorer computes: the CinC 2016 score, sets left out whole."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edge.dsp.pcg.decision import Verdict

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
