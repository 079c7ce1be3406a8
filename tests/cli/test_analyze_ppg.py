"""``analyze ppg``: what its report says of readings, and a whole file through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge import inference
from edge.cli.analyze.ppg import in_words, report
from edge.inference import Model
from edge.types import ConfigError, Reading
from signals import blocks


@pytest.fixture(scope="module")
def model() -> Model:
    return inference.load("rhythm", variant="onnx-int8")


def pulse_wave(path: Path, seconds: float = 25.0) -> Path:
    t = np.arange(0, seconds, 0.01)
    wave = np.sin(2 * np.pi * 1.1 * t) + 0.4 * np.sin(4 * np.pi * 1.1 * t + 1)
    np.savez(path, ppg=wave + 0.03 * np.random.default_rng(0).normal(size=len(t)), fs=100.0)
    return path


def hr(value: float | None, reason: str = "", **detail: object) -> Reading:
    return Reading("ppg.hr", 10.0, value, "bpm", 0.0 if value is None else 0.9, reason, detail)


def rhythm(value: str | None, reason: str = "", p_af: float = 0.1) -> Reading:
    return Reading("ppg.rhythm", 10.0, value, quality=0.5, reason=reason, detail={"p_af": p_af})


def test_every_finding_has_its_line(model: Model) -> None:
    readings = [
        hr(None, "warming_up"),
        hr(60.0, brady_bpm=50.0, tachy_bpm=70.0),
        hr(62.0, brady_bpm=44.0, tachy_bpm=90.0),
        hr(None, "no_pulse", asystole=1, longest_gap_s=4.5),
        rhythm("af", p_af=0.9),
        rhythm("af", p_af=0.8),
        rhythm("sinus", p_af=0.2),
        rhythm(None, "motion"),
        rhythm(None, "warming_up"),
        Reading("ppg.quality", 10.0, 0.5, quality=0.5),
        Reading("ppg.perfusion", 10.0, 2.25, "%", 0.5),
    ]
    assert in_words(readings, model)[:8] == [
        "Heart rate: 61 bpm (60 to 62; 2 of 4 readings).",
        "Slowest four intervals: 44 bpm; fastest five: 90.",
        "The pulse stopped for up to 4.5 s.",
        "Rhythm: atrial fibrillation likely in 2 of 3 windows of 10 s.",
        "Also: sinus rhythm in 1.",
        "Probability of atrial fibrillation: 0.80 in the middle window, 0.90 at most.",
        "Windows left out: 1 because too much movement (motion).",
        "Quality: 0.50 of 1. Perfusion index: 2.25 %.",
    ]


@pytest.mark.parametrize(
    ("reasons", "why"),
    [
        (["warming_up", "motion", "motion", "gap"], "too much movement (motion)"),
        (["warming_up"], "less than 10 seconds of signal (warming_up)"),
        ([], "less than 10 seconds of signal (too_short)"),
    ],
)
def test_what_cannot_be_told_says_why(model: Model, reasons: list[str], why: str) -> None:
    lines = in_words([hr(None, r) for r in reasons] + [rhythm(None, r) for r in reasons], model)
    assert lines[:3] == [f"Heart rate: cannot tell: {why}.", f"Rhythm: cannot tell: {why}.", "Quality: not known."]


def test_a_file_is_told_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert report(pulse_wave(tmp_path / "a.npz"), plot=tmp_path / "out.png") == 0
    assert capsys.readouterr().out.startswith("Heart rate: 66 bpm (66 to 66; ")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("where", ["none/out.png", "out.bmp2"])
def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path, where: str) -> None:
    pytest.importorskip("matplotlib")
    from edge.cli.analyze.plot_ppg import draw

    with pytest.raises(ConfigError, match=rf"^--plot {tmp_path / where}: .*"):
        draw(tmp_path / where, list(blocks(np.sin(np.arange(1200.0) / 9))), [], title="a")
