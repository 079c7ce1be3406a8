"""Which variant is taken: measured once, stored, and chosen again when that no longer holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge import inference
from edge.inference import bench
from edge.types import ModelError
from tiny_models import ALL, edit_card, timed, without


def test_the_fastest_is_measured_once_and_stored(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state" / "deep"
    seen = timed(monkeypatch, {"OnnxEngine": [4.0, 3.0], "LitertEngine": [1.0, 2.0]})
    first = inference.load("tiny", root=root, state_dir=state)
    assert (first.variant, first.notes) == ("litert-int8", ())
    assert len(seen) == 4
    stored = json.loads((state / "variants.json").read_text())["tiny"]
    assert stored["variant"] == "litert-int8"
    assert stored["median_ms"] == {"onnx-int8": 4.0, "onnx-fp32": 3.0, "litert-int8": 1.0, "litert-fp32": 2.0}
    without(monkeypatch, "onnxruntime")  # a stored choice imports one runtime only
    again = inference.load("tiny", root=root, state_dir=state)
    assert again.variant == "litert-int8"
    assert again.notes == ()
    assert len(seen) == 4


def test_three_runs_warm_up_and_every_golden_sample_has_its_turn() -> None:
    asked: list[str] = []
    times = bench._times_ms(lambda inputs: asked.append(inputs[0]), [["a"], ["b"]], 5)
    assert asked == ["a", "b", "a", *"ababa"]
    assert len(times) == 5
    assert all(0 <= ms < 1e3 for ms in times)


def test_what_a_bench_measures_is_what_a_run_then_takes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, {"OnnxEngine": [4.0, 3.0], "LitertEngine": [2.0, 1.0]})
    times = inference.measure("tiny", root=root)
    assert inference.store_fastest("tiny", times, tmp_path, root=root) == ""
    assert [(t.variant, t.median_ms) for t in times] == list(zip(ALL, (4.0, 3.0, 2.0, 1.0), strict=True))
    monkeypatch.setattr(bench, "_times_ms", lambda *_: pytest.fail("timed again"))
    assert inference.load("tiny", root=root, state_dir=tmp_path).variant == "litert-fp32"


def test_a_choice_is_made_again_for_another_card_runtime_or_a_damaged_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose() -> str:
        timed(monkeypatch, {"OnnxEngine": [4.0, 1.0], "LitertEngine": [2.0, 3.0]})
        return inference.load("tiny", root=root, state_dir=tmp_path).variant

    def stored() -> dict[str, Any]:
        return dict(json.loads((tmp_path / "variants.json").read_text()))

    assert choose() == "onnx-fp32"
    first = stored()["tiny"]["key"]
    edit_card(root, 'version = "1.0.0"', 'version = "1.0.1"')
    assert choose() == "onnx-fp32"
    second = stored()["tiny"]["key"]
    monkeypatch.setattr(inference, "runtime_versions", lambda: {"onnxruntime": "99"})
    choose()
    assert len({first, second, stored()["tiny"]["key"]}) == 3
    for damage in ("{", "[]", '{"tiny": 3}', '{"tiny": {"key": "x", "variant": 1}}', "\x00"):
        (tmp_path / "variants.json").write_text(damage)
        assert choose() == "onnx-fp32"
        assert stored()["tiny"]["variant"] == "onnx-fp32"


def test_a_choice_is_made_again_where_its_card_has_moved_to_another_board(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr("edge.inference.choice._CPUINFO", cpuinfo)
    taken = []
    boards = ("0xd08\nModel : Raspberry Pi 4 Model B Rev 1.4", "0xd0b\nModel : Raspberry Pi 5 Model B Rev 1.0")
    for board, mhz in ((boards[0], 1800), (boards[0], 600), (boards[1], 2400)):
        cpuinfo.write_text(f"processor : 0\ncpu MHz\t: {mhz}\nCPU part\t: {board}\n")
        timed(monkeypatch, {"OnnxEngine": [4.0, 3.0 - len(taken)], "LitertEngine": [2.0, 2.5]})
        taken.append(inference.load("tiny", root=root, state_dir=tmp_path / "state").variant)
    assert taken == ["litert-int8", "litert-int8", "onnx-fp32"]


def test_a_state_directory_that_cannot_be_written_costs_a_note(root: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    model = inference.load("tiny", root=root, state_dir=tmp_path / "state")
    assert "not written" in model.notes[0]
    assert model.faults == ()


def test_an_unknown_variant_or_model_is_one_line_naming_those_there_are(root: Path) -> None:
    with pytest.raises(ModelError, match=r"no variant 'int4'; there are: onnx-int8, onnx-fp32, litert-int8, lit"):
        inference.load("tiny", root=root, variant="int4")
    with pytest.raises(ModelError, match=r"no model 'heart' in .*; there are: tiny"):
        inference.load("heart", root=root)
