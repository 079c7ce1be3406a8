"""The murmur analyzer on real recordings of heart sound: under noise, and in whole numbers."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edge import inference
from edge.analyzers import murmur
from edge.dsp.pcg import frontend
from edge.dsp.pcg.decision import Calibration
from edge.inference import Model
from murmur_readings import readings_of


@pytest.fixture(scope="module")
def model() -> Model:
    return inference.load("murmur")


@pytest.mark.slow
def test_noise_makes_a_murmur_unsure_before_it_makes_it_absent(model: Model, data_dir: Path) -> None:
    """White noise 5 dB under real heart sounds with a murmur: without a look at the noise every fourth was absent."""
    import soundfile

    with (data_dir / "pcg" / "labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["label_recording"] == "present"][::6]
    rng, calibration, said = np.random.default_rng(1), Calibration.from_card(model.card), Counter[str]()
    for row in rows:
        x, rate = soundfile.read(data_dir / "pcg" / row["path"])
        heard = frontend.to_internal(x, rate)
        noise = rng.normal(size=len(x))
        noise *= heard.std() / frontend.to_internal(noise, rate).std() * 10 ** (-5 / 20)
        readings = readings_of(x + noise, model, rate=rate, chunk=len(x))
        said[murmur.recording_verdict(readings, calibration).decision] += 1
    assert said["absent"] <= 0.02 * len(rows)
    assert said["present"] >= 0.6 * len(rows)


@pytest.mark.slow
def test_int8_ranks_recordings_as_fp32_does(data_dir: Path) -> None:
    """Within half a point of AUROC in both runtimes, on every 12th recording (trained people: int8 only)."""
    import soundfile

    with (data_dir / "pcg" / "labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["label_recording"] in ("present", "absent")][::12]
    found: dict[str, list[float]] = {}
    for variant in ("onnx-fp32", "onnx-int8", "litert-fp32", "litert-int8"):
        loaded = inference.load("murmur", variant=variant)
        calibration = Calibration.from_card(loaded.card)
        for row in rows:
            x, rate = soundfile.read(data_dir / "pcg" / row["path"])
            verdict = murmur.recording_verdict(readings_of(x, loaded, rate=rate, chunk=len(x)), calibration)
            found.setdefault(variant, []).append(0.5 if verdict.p is None else verdict.p)
    y = np.array([r["label_recording"] == "present" for r in rows])
    area = {v: np.mean(np.array(p)[y][:, None] > np.array(p)[~y][None]) for v, p in found.items()}
    for runtime in ("onnx", "litert"):
        assert area[f"{runtime}-int8"] > area[f"{runtime}-fp32"] - 0.005
