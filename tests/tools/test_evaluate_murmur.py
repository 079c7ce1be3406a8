"""``tools/evaluate.py murmur``: the contract's columns, refusals as rows, and real recordings through it."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge.dsp import synthesis
from tool_module import loaded


@pytest.fixture(scope="module")
def evaluate() -> ModuleType:
    with loaded("evaluate.py") as module:
        yield module


def write_wav(path: Path, x: np.ndarray, rate: int = 4000) -> None:
    import soundfile

    soundfile.write(path, np.asarray(x, np.float32), rate)


def heart(has_murmur: bool, seconds: float) -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 75.0)], seconds + 1, seed=3)
    t = np.arange(round(seconds * 4000)) / 4000
    return 0.3 * synthesis.pcg(beats, t, murmur=[(0.0, 99.0)] if has_murmur else [], noise=0.02, seed=5)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_without_labels(evaluate: ModuleType, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    write_wav(data / "a.wav", heart(True, 8.0))
    write_wav(data / "deep" / "b.wav", heart(False, 8.0))
    write_wav(data / "short.wav", heart(False, 0.5))
    write_wav(data / "silent.wav", np.zeros(30_000))
    out = tmp_path / "p.csv"
    assert evaluate.main(["murmur", "--data", str(data), "--out", str(out)]) == 0
    rows = {r["path"]: r for r in rows_of(out)}
    assert set(rows) == {"a.wav", "deep/b.wav", "short.wav", "silent.wav"}
    assert (rows["a.wav"]["decision"], rows["deep/b.wav"]["decision"]) == ("present", "absent")
    for name, reason in (("short.wav", "too_short"), ("silent.wav", "no_signal")):
        assert (rows[name]["p_murmur"], rows[name]["decision"], rows[name]["reason"]) == ("", "unknown", reason)
    assert rows_of(tmp_path / "p.patients.csv") == []


def test_a_recording_that_cannot_be_read_keeps_its_row(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "a.wav", heart(False, 6.0))
    (tmp_path / "half.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:30])
    labels = "\ufeffpath,patient\na.wav,p1\nhalf.wav,p1\nnone.wav,p2\n"  # with the mark that spreadsheets write
    (tmp_path / "labels.csv").write_text(labels, encoding="utf-8")
    assert evaluate.main(["murmur", "--data", str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 0
    rows = rows_of(tmp_path / "p.csv")
    assert [(r["path"], r["decision"], r["reason"]) for r in rows] == [
        ("a.wav", "absent", ""),
        ("half.wav", "unknown", "no_signal"),
        ("none.wav", "unknown", "no_signal"),
    ]
    assert [r["patient"] for r in rows_of(tmp_path / "p.patients.csv")] == ["p1", "p2"]
    said = capsys.readouterr().err
    assert "half.wav: cannot be read as sound" in said
    assert "none.wav: no such file" in said


def test_recordings_of_one_patient_are_judged_together_and_those_of_nobody_by_themselves(
    evaluate: ModuleType, tmp_path: Path
) -> None:
    for name, murmur in (("loud", True), ("clear", False), ("other", False)):
        write_wav(tmp_path / f"{name}.wav", heart(murmur, 8.0))
    labels = "path,patient\nloud.wav,p1\nother.wav,\nclear.wav,p1\n"
    (tmp_path / "labels.csv").write_text(labels, encoding="utf-8")
    assert evaluate.main(["murmur", "--data", str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 0
    rows = {r["path"]: r for r in rows_of(tmp_path / "p.csv")}
    assert list(rows) == ["loud.wav", "other.wav", "clear.wav"]
    assert (rows["other.wav"]["p_murmur"], rows["other.wav"]["decision"]) == (
        rows["other.wav"]["p_alone"],
        rows["other.wav"]["decision_alone"],
    )
    assert rows["clear.wav"]["p_alone"] == rows["other.wav"]["p_alone"], "the same sound"
    assert float(rows["clear.wav"]["p_murmur"]) > 10 * float(rows["clear.wav"]["p_alone"])
    assert float(rows["loud.wav"]["p_murmur"]) < float(rows["loud.wav"]["p_alone"])


def test_a_recording_that_is_listed_twice_counts_once(evaluate: ModuleType, tmp_path: Path) -> None:
    for name, murmur in (("loud", True), ("clear", False)):
        write_wav(tmp_path / f"{name}.wav", heart(murmur, 8.0))
    said = []
    for listed in ("loud.wav,p1\nclear.wav,p1\n", "loud.wav,p1\nclear.wav,p1\nclear.wav,p1\nclear.wav,p1\n"):
        (tmp_path / "labels.csv").write_text(f"path,patient\n{listed}", encoding="utf-8")
        assert evaluate.main(["murmur", "--data", str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 0
        said.append((rows_of(tmp_path / "p.csv"), rows_of(tmp_path / "p.patients.csv")))
    assert said[0] == said[1]


def test_sound_without_a_header_keeps_its_row(evaluate: ModuleType, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", heart(False, 6.0))
    (tmp_path / "b.raw").write_bytes(bytes(20_000))
    (tmp_path / "labels.csv").write_text("path\na.wav\nb.raw\n", encoding="utf-8")
    assert evaluate.main(["murmur", "--data", str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 0
    assert [(r["path"], r["reason"]) for r in rows_of(tmp_path / "p.csv")] == [("a.wav", ""), ("b.raw", "no_signal")]


@pytest.mark.parametrize("task", ["rhythm", "pulse", "alarms"])
def test_a_damaged_archive_is_one_line(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    np.savez(tmp_path / "a.npz", ppg=np.zeros((2, 1000)), pleth=np.zeros((2, 1000)), record=["a", "b"], fs=0)
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:200])
    (tmp_path / "c.npz").touch()
    for name in "abc":
        assert evaluate.main([task, "--data", str(tmp_path / f"{name}.npz"), "--out", str(tmp_path / "p.csv")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("evaluate: ") and ".npz" in line for line in lines)


def test_bad_usage_is_one_line(evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["murmur", "--data", str(tmp_path / "no"), "--out", "x.csv"]) == 2
    assert evaluate.main(["murmur", "--data", str(tmp_path), "--out", str(tmp_path / "x.csv")]) == 2
    (tmp_path / "x.wav").write_bytes(b"RIFF not a sound")
    assert evaluate.main(["murmur", "--data", str(tmp_path), "--out", str(tmp_path / "x.csv")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("evaluate: ") for line in lines)


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_real_recordings_and_patients(
    evaluate: ModuleType, data_dir: Path, tmp_path: Path, runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = rows_of(data_dir / "pcg" / "labels.csv")
    people = list(dict.fromkeys(r["patient"] for r in labels if r["patient"]))[:6]
    mine = [r for r in labels if r["patient"] in people]
    data = tmp_path / "data"
    for row in mine:
        (data / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_dir / "pcg" / row["path"], data / row["path"])
    with (data / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, labels[0].keys())
        writer.writeheader()
        writer.writerows(mine)
    out = tmp_path / "p.csv"
    assert evaluate.main(["murmur", "--data", str(data), "--out", str(out), "--runtime", runtime]) == 0
    rows = rows_of(out)
    assert [r["path"] for r in rows] == [r["path"] for r in mine]
    assert all(0 <= float(r[p]) <= 1 for r in rows for p in ("p_murmur", "p_alone") if r[p])
    several = Counter(r["patient"] for r in mine if r["patient"])
    for row, judged in zip(mine, rows, strict=True):
        alone = (judged["p_alone"], judged["decision_alone"])
        if several[row["patient"]] < 2:
            assert (judged["p_murmur"], judged["decision"]) == alone
    assert any(r["p_murmur"] != r["p_alone"] for r in rows)
    patients = rows_of(tmp_path / "p.patients.csv")
    assert {r["patient"] for r in patients} == set(people)
    for r in patients:
        shares = [float(r[k]) for k in ("p_present", "p_unknown", "p_absent")]
        assert sum(shares) == pytest.approx(1, abs=1e-4)
        assert r["decision"] in ("present", "unknown", "absent")
    said = capsys.readouterr().err
    assert f"{runtime}-int8" in said
    assert "are of people the shipped network was trained on" in said
