"""``tools/evaluate.py camera``: what is no video, or has a name that nobody expects, in a folder of videos."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from types import ModuleType

import pytest

from edge import face_models
from edge.demo.face_video import write_video
from tool_module import loaded


@pytest.fixture(scope="module")
def evaluate() -> ModuleType:
    with loaded("evaluate.py") as module:
        yield module


@pytest.mark.skipif(bool(face_models.missing()), reason="the face models are not there")
def test_every_file_has_its_row_whatever_its_name(evaluate: ModuleType, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "p.csv"
    (data / "a folder.avi").mkdir(parents=True)
    write_video(data / "a folder.avi" / 'ä, "b".AVI', seconds=1.0, face=False)
    (data / "empty.mp4").touch()
    (data / os.fsdecode(b"\xe4.mov")).touch()
    assert evaluate.main(["camera", "--data", str(data), "--out", str(out)]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        rows = [(row["path"], row["bpm"], row["reason"]) for row in csv.DictReader(file)]
    assert rows[0][:2] == ('a folder.avi/ä, "b".AVI', "")
    assert rows[-2:] == [("empty.mp4", "", "too_short"), ("\\udce4.mov", "", "too_short")]
    assert len({path for path, _, _ in rows}) == 3


@pytest.mark.parametrize(
    ("table", "out", "said"),
    [
        (b"file\nx.mp4\n", "p.csv", "labels.csv: no column named path"),
        (b"path\n\xe4.mp4\n", "p.csv", "labels.csv: cannot be read as a table of UTF-8"),
        (b"path\nx.mp4\n", "none/p.csv", "no such folder"),
    ],
)
def test_bad_use_is_one_line(
    table: bytes, out: str, said: str, evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_bytes(table)
    (tmp_path / "x.mp4").touch()
    assert evaluate.main(["camera", "--data", str(tmp_path), "--out", str(tmp_path / out)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
