"""``edge-vitals models`` says what there is, and finds every file that is not what its card says."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest

from edge import face_models, inference
from edge.cli import models
from edge.types import ConfigError, ModelError

TINY = Path(__file__).parent.parent / "models" / "tiny"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(TINY, tmp_path / "tiny")
    return tmp_path


def call(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    models.add(parser.add_subparsers())
    args = parser.parse_args(["models", *arguments])
    return int(args.func(args))


def test_list_names_every_variant_with_its_size(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "broken").mkdir()
    (root / "broken" / "card.toml").write_text("name = 3")
    assert call("list", "--root", str(root)) == 0
    out = capsys.readouterr().out
    assert "tiny 1.0.0: nothing: random weights" in out
    assert out.count("tiny.int8.") == out.count("tiny.fp32.") == 2
    assert "broken: " in out


def test_list_names_what_every_variant_needs_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    trees = inference.catalogue()["rhythm"].beside["trees"]
    assert call("list") == 0
    assert f"  with each    {trees.bytes / 1000:7.1f} kB  {trees.sha256[:12]}  trees.npz\n" in capsys.readouterr().out


def test_verify_passes_a_whole_folder(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", "--root", str(root)) == 0
    out = capsys.readouterr().out
    assert out.count("golden answers match") == 4
    assert "FAIL" not in out


@pytest.mark.parametrize("file", ["tiny.int8.onnx", "tiny.fp32.tflite", "golden.npz"])
def test_verify_fails_on_any_altered_file(root: Path, capsys: pytest.CaptureFixture[str], file: str) -> None:
    with (root / "tiny" / file).open("ab") as end:
        end.write(b"x")
    assert call("verify", "--root", str(root)) == 3
    assert f"FAIL  tiny/{file}: " in capsys.readouterr().out


def test_verify_fails_on_a_card_that_does_not_hold_together(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "tiny" / "card.toml").write_text("version = 1")
    assert call("verify", "--root", str(root)) == 3
    assert "FAIL  tiny/card.toml: " in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder of models"):
        call("verify", "--root", str(tmp_path / "none"))


def test_pull_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_models, "pull", lambda *, quiet=False: 3)
    assert call("pull") == 3
    with pytest.raises(ConfigError, match="--root is for list and verify"):
        call("pull", "--root", "somewhere")


def test_a_folder_without_models_does_not_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", "--root", str(tmp_path)) == 3
    assert capsys.readouterr().out == f"FAIL  {tmp_path}: no models there\n"
