"""``edge-vitals bench`` measures what there is, stores the fastest variant, and prints figures a program can read."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from edge.assembly import ModelShelf
from edge.cli import bench
from edge.cli.bench import live, stages
from edge.types import ConfigError

MODELS = Path(__file__).parent.parent / "models"


def call(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    bench.add(parser.add_subparsers())
    args = parser.parse_args(["bench", *arguments])
    return int(args.func(args))


@pytest.fixture(autouse=True)
def only_the_tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(MODELS))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(stages, "stages", lambda *_: iter([stages._window_cut()]))


def test_json_names_variants_stages_and_the_choice(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call("--seconds", "0", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert {m["variant"] for m in figures["models"]} == {"onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32"}
    fastest = min((m for m in figures["models"] if m["ok"]), key=lambda m: m["median_ms"])
    assert figures["chosen"] == {"tiny": fastest["variant"]}
    assert figures["stages"][0]["median_ms"] > 0
    assert figures["stages"][0]["streams_per_core"] > 0
    stored = json.loads((tmp_path / "variants.json").read_text())
    assert stored["tiny"]["variant"] == fastest["variant"]


def test_words_mark_the_variant_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--seconds", "0") == 0
    out = capsys.readouterr().out
    assert out.count("<- used here") == 1
    assert "window cut" in out


def test_a_choice_that_cannot_be_kept_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "file" / "state"))
    assert call("--seconds", "0", "--json") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"edge-vitals: {tmp_path}/file/state/variants.json: not written (")


def test_a_model_whose_card_is_broken_fails_and_stands_in_the_figures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "broken").mkdir(parents=True)
    (tmp_path / "models" / "broken" / "card.toml").write_text("name = 3")
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(tmp_path / "models"))
    assert call("--seconds", "0", "--json") == 1
    (found,) = json.loads(capsys.readouterr().out)["models"]
    assert (found["model"], found["ok"], "broken/card.toml: " in found["text"]) == ("broken", False, True)


def test_a_bed_that_does_not_end_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_START_S", 0.0)
    assert call("--seconds", "0.01") == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == "bed, PPG, heart sound and camera: not run: did not end within 0.01 s"


def test_a_bed_that_cannot_run_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "BEDS", {"nothing": ("eeg",)})
    assert call("--seconds", "0.5") == 0
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line.startswith("bed, nothing: not run: ")


def test_a_bed_with_a_camera_names_the_extra_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"cv2 is not installed: pip install 'edge-vitals\[camera\]'"):
        live.main(["0.1", str(tmp_path / "none"), "ppg", "video"])


@pytest.mark.parametrize("kind", ["pulse", "rhythm", "murmur", "camera_pulse"])
def test_what_is_timed_is_an_answer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGE_VITALS_MODELS")
    lane, analyzer, streams = stages.bench_lane(kind, ModelShelf())
    blocks = stages.bench_blocks(streams, analyzer.window_s + 3 * analyzer.hop_s + 0.5)
    full = [r for b in blocks for r in lane.feed(b) if r.t > analyzer.window_s + analyzer.hop_s]
    assert {r.metric for r in full} == set(analyzer.metrics)
    assert [(r.metric, r.reason) for r in full if r.value is None] == []


def test_a_stage_that_needs_what_is_not_here_says_so() -> None:
    def missing() -> stages.Stage:
        raise ImportError("No module named 'cv2'")

    stage = stages._guarded("face_roi", missing)
    assert stage.text == "not run: No module named 'cv2'"


@pytest.mark.parametrize("seconds", ["-1", "nan", "1e9"])
def test_seconds_must_make_sense(seconds: str) -> None:
    with pytest.raises(ConfigError, match="--seconds must lie in 0 to 86400"):
        call("--seconds", seconds)
