"""``analyze ppg``: what its report says of readings, and a whole file through it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import inference
from edge.analyzers import pulse
from edge.analyzers import rhythm as rhythm_analyzer
from edge.assembly import ModelShelf
from edge.cli import main
from edge.cli._events import jsonl as as_json
from edge.cli.analyze.ppg import in_words, report
from edge.dsp import synthesis
from edge.inference import Model
from edge.lane import Lane
from edge.types import Analyzer, ConfigError, Reading, SourceError
from signals import blocks


@pytest.fixture(scope="module")
def model() -> Model:
    return inference.load("rhythm", variant="onnx-int8")


def pulse_wave(path: Path, seconds: float = 25.0) -> Path:
    heart = synthesis.beats([synthesis.Episode(0.0, "sinus", 66.0)], seconds + 4.0, seed=0)
    np.savez(path, ppg=synthesis.ppg(heart, 2.0 + np.arange(0, seconds, 0.01), seed=0), fs=100.0)
    return path


def hr(value: float | None, reason: str = "", **detail: object) -> Reading:
    return Reading("ppg.hr", 10.0, value, "bpm", 0.0 if value is None else 0.9, reason, detail)


def rhythm(value: str | None, reason: str = "", p_af: float = 0.1) -> Reading:
    return Reading("ppg.rhythm", 10.0, value, quality=0.5, reason=reason, detail={"p_AF": p_af})


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


def test_a_heart_so_slow_that_no_five_intervals_fit_has_its_line_too(model: Model) -> None:
    assert in_words([hr(30.0, brady_bpm=29.0)], model)[1] == "Slowest four intervals: 29 bpm."


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


def test_who_waits_sees_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    report(pulse_wave(tmp_path / "a.npz", 65.0))
    told = ["  reading ...", "", "  1:00.0 of 1:05.0 ...", ""]
    assert capsys.readouterr().err == "".join(f"{text:<32}\r" for text in told)
    (tmp_path / "b.csv").write_text("time,ppg\n0,1\n0,2\n")
    with pytest.raises(SourceError):
        report(tmp_path / "b.csv")
    assert capsys.readouterr().err.endswith("\r" + " " * 32 + "\r")


def test_a_file_is_told_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    report(pulse_wave(tmp_path / "a.npz"), plot=tmp_path / "out.png")
    assert capsys.readouterr().out.startswith("Heart rate: 66 bpm (66 to 67; ")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("where", ["none/out.png", "out.bmp2"])
def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path, where: str) -> None:
    pytest.importorskip("matplotlib")
    from edge.cli.analyze.plot_ppg import draw

    with pytest.raises(ConfigError, match=rf"^--plot {tmp_path / where}: .*"):
        draw(tmp_path / where, list(blocks(np.sin(np.arange(1200.0) / 9))), [], [], title="a")


def readings_of(capsys: pytest.CaptureFixture[str], *command: str) -> list[dict[str, Any]]:
    """Readings of the pulse wave that a command prints as JSON lines, whatever bed and source are called there."""
    assert main([*command, "--jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    own = [line for line in lines if str(line.get("metric", "")).startswith("ppg.")]
    return [{k: v for k, v in line.items() if k not in ("bed", "source", "file")} for line in own]


def with_accelerometer(path: Path, moving: float, seconds: float = 30.0) -> Path:
    """A pulse of 75 bpm and an accelerometer that swings 1.6 times a second; moving: how far, in parts of gravity."""
    t = np.arange(0, seconds, 0.01)
    pulse = np.sin(2 * np.pi * 1.25 * t) + 0.4 * np.sin(4 * np.pi * 1.25 * t + 1)
    swing = moving * np.sin(2 * np.pi * 1.6 * t)
    noise = np.random.default_rng(0).normal(0, 0.01, (5, len(t)))
    np.savez(
        path, ppg=np.stack([pulse + swing, pulse - 0.5 * swing]) + noise[:2], acc=np.stack([swing, swing, 1 + swing]) + noise[2:], fs=100.0
    )  # fmt: skip
    return path


@pytest.mark.parametrize("moving", [0.0, 0.12, 0.8])
def test_movement_is_seen_as_in_a_replay_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], moving: float
) -> None:
    path = str(with_accelerometer(tmp_path / "a.npz", moving))
    readings = readings_of(capsys, "analyze", "ppg", path)
    assert readings == readings_of(capsys, "replay", path)
    assert ("motion" in {r["reason"] for r in readings if r["metric"] == "ppg.rhythm"}) == (moving == 0.8)
    report(path)
    lines = capsys.readouterr().out.splitlines()
    told = "Accelerometer: moving at 23 of 23 readings; there the rate is read with movement taken out."
    assert (told if moving else "Accelerometer: at rest.") in lines
    assert ("motion " in lines[-1]) == bool(moving)


@pytest.mark.parametrize("chunk", [1, 7, 100, 3000])
@pytest.mark.parametrize("moving", [0.0, 0.8])
def test_a_file_is_read_as_the_same_samples_live_whatever_comes_in_a_block(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], moving: float, chunk: int
) -> None:
    path = with_accelerometer(tmp_path / "a.npz", moving)
    models = ModelShelf()
    analyzers: dict[str, Analyzer] = {
        "pulse": pulse.build(models=models),
        "rhythm": rhythm_analyzer.build(models=models),
    }
    lane = Lane(bed="bed1", source="node", primary="ppg", analyzers=analyzers)
    with np.load(path) as d:
        parts = [blocks(np.asarray(d[kind].T), stream=f"node/{kind}", chunk=chunk) for kind in ("acc", "ppg")]
    live = [r for pair in zip(*parts, strict=True) for block in pair for r in lane.feed(block)] + lane.finish()
    said = [json.loads(as_json(r)) for r in live]
    own = [{k: v for k, v in line.items() if k not in ("bed", "source")} for line in said]
    assert any(line["value"] is not None for line in own)
    assert own == readings_of(capsys, "analyze", "ppg", str(path))


@pytest.mark.parametrize("name", ["DATA_10_TYPE02", "DATA_01_TYPE01"])
def test_a_real_run_is_read_as_in_a_replay(data_dir: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = data_dir / "pulse" / "spc2015" / f"{name}.npz"
    readings = readings_of(capsys, "analyze", "ppg", str(path))
    assert readings == readings_of(capsys, "replay", str(path))
    rates = {r["t"]: r["value"] for r in readings if r["metric"] == "ppg.hr" and r["value"] is not None}
    truth = {8.0 + 2.0 * k: float(bpm) for k, bpm in enumerate(np.load(path)["bpm"])}
    errors = [abs(rates[t] - truth[t]) for t in rates.keys() & truth.keys()]
    assert len(errors) > 0.93 * len(truth)  # where no pulse is left beside the movement, none is said
    assert np.mean(errors) < 3.0


def test_what_a_channel_lacks_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wave = np.load(pulse_wave(tmp_path / "a.npz"))["ppg"]
    np.savez(tmp_path / "stop.npz", ppg=np.stack([wave, np.where(np.arange(2500) < 1500, wave, np.nan)]), fs=100.0)
    np.savez(tmp_path / "first.npz", ppg=np.stack([np.full(2500, np.nan), wave]), fs=100.0)
    whole = readings_of(capsys, "analyze", "ppg", str(tmp_path / "a.npz"))
    assert readings_of(capsys, "analyze", "ppg", str(tmp_path / "stop.npz")) == whole
    assert readings_of(capsys, "analyze", "ppg", str(tmp_path / "first.npz"), "--channel", "1") == whole
    report(tmp_path / "stop.npz")
    assert "Note: ppg: channel 1 ends at 15 s of 25 s." in capsys.readouterr().out.splitlines()
    report(tmp_path / "first.npz")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Heart rate: cannot tell: the line is flat, or holds no numbers (no_signal)."
    assert "Note: ppg: channel 0 is empty: no row of it holds a number." in lines
    assert "Note: beats are read from the first channel: --channel takes another." in lines


@pytest.mark.parametrize(("rate", "named"), [(15.0, True), (24.0, True), (25.0, False), (24.97, False), (500.0, False)])
def test_a_rate_too_low_is_said_to_be_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: float, named: bool
) -> None:
    t = np.arange(0, 20, 1 / rate)
    truth = synthesis.beats([synthesis.Episode(0.0, "sinus", 70.0)], 22, seed=4)
    np.savez(tmp_path / "a.npz", ppg=synthesis.ppg(truth, t, seed=4), fs=rate)
    report(tmp_path / "a.npz")
    lines = capsys.readouterr().out.splitlines()
    note = f"Note: ppg is sampled at {rate:g} Hz: heart rate and rhythm need 25 to 500 Hz."
    assert (note in lines) == named
    assert (lines[0] == "Heart rate: cannot tell: sampled at less than the 25 Hz that it takes (low_quality).") == (
        rate == 15.0
    )
