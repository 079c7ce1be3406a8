"""``tools/evaluate.py``: what is wrong with a table, an archive or ``--out`` is one line that names it."""

from __future__ import annotations

import csv
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


def pulse_wave(seconds: float, rate_hz: float, *, stops_s: float = 60.0) -> np.ndarray:
    """The last of a minute, in which the heart stops at ``stops_s``."""
    script = [synthesis.Episode(0.0, "sinus", 72.0), synthesis.Episode(stops_s, "asystole")]
    t = 60.0 - np.arange(int(seconds * rate_hz), 0, -1) / rate_hz
    return 1500.0 * synthesis.ppg(synthesis.beats(script, 60.0, seed=5), t)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("task", ["murmur", "pulse", "camera"])
@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"", "no column named path"),
        (b"path;patient\na;1\n", "no column named path"),
        (b"path,patient\na,J\xfcrgen\n", "UTF-8"),
        ("path\na\n".encode("utf-16"), "UTF-8"),
        (b"patient,path\n1,a\n2\n", "recording 2 has no path"),
        (b"patient,path\n1,a\n2,\n", "recording 2 has no path"),
    ],
)
def test_a_table_that_does_not_say_which_recordings(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, table: bytes, said: str
) -> None:
    (tmp_path / "labels.csv").write_bytes(table)
    assert evaluate.main([task, "--data", str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"evaluate: {tmp_path / 'labels.csv'}: ")
    assert said in line


def test_results_that_cannot_be_written_are_told_before_the_work(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "w.npz"
    np.savez(data, ppg=np.zeros((1, 1000)), fs=100)
    kept = data.read_bytes()
    for out in (tmp_path / "none" / "p.csv", tmp_path, data):
        assert evaluate.main(["rhythm", "--data", str(data), "--out", str(out)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"evaluate: --out {out}: ")
    assert data.read_bytes() == kept


def test_a_full_disk_is_one_line(evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "w.npz", ppg=np.zeros((1, 1000)), fs=100)
    assert evaluate.main(["rhythm", "--data", str(tmp_path / "w.npz"), "--out", "/dev/full"]) == 1
    assert capsys.readouterr().err == "evaluate: /dev/full: No space left on device\n"


@pytest.mark.parametrize("task", ["rhythm", "pulse", "alarms"])
@pytest.mark.parametrize("wrong", [np.full((2, 1000), "x"), np.zeros((2, 1000), complex)])
def test_signals_that_are_not_real_numbers(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, wrong: np.ndarray
) -> None:
    np.savez(tmp_path / "a.npz", ppg=wrong, pleth=wrong, record=["a", "b"], fs=100)
    assert evaluate.main([task, "--data", str(tmp_path / "a.npz"), "--out", str(tmp_path / "p.csv")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "not real numbers" in line


@pytest.mark.parametrize("task", ["pulse", "rhythm"])
def test_arrays_of_another_shape(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    shapes = {"pulse": [(2000, 2), (1, 2, 2000)], "rhythm": [(3, 0), (1, 2, 1000)]}[task]
    for shape in shapes:
        np.savez(tmp_path / "a.npz", ppg=np.zeros(shape), fs=100)
        assert evaluate.main([task, "--data", str(tmp_path / "a.npz"), "--out", str(tmp_path / "p.csv")]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "ppg must be (" in line


def test_an_accelerometer_that_ends_before_the_pulse_wave_falls_silent(evaluate: ModuleType, tmp_path: Path) -> None:
    wave = np.stack([pulse_wave(20.0, 125.0)] * 2)
    still = np.tile(np.array([[0.0], [0.0], [1000.0]]), 2500)
    said = []
    for lasts in (2500, 1200, 0):
        np.savez(tmp_path / "a.npz", ppg=wave, acc=still[:, :lasts], fs=125, bpm=np.full((7, 1), 72.0))
        assert evaluate.main(["pulse", "--data", str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 0
        said.append(rows_of(tmp_path / "p.csv"))
    for rows in said:
        assert [r["window"] for r in rows] == [str(k) for k in range(7)], "as many as the reference, of any shape"
        assert all(abs(float(r["bpm"]) - 72.0) < 2.0 for r in rows)


def test_a_pulse_recording_that_is_listed_and_missing_has_a_row(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "a.npz", ppg=np.stack([pulse_wave(12.0, 125.0)] * 2), fs=[[125]])  # as MATLAB's are
    (tmp_path / "labels.csv").write_text("path\nnone.npz\na.npz\n", encoding="utf-8")
    assert evaluate.main(["pulse", "--data", str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 0
    rows = [(r["path"], r["window"], r["reason"]) for r in rows_of(tmp_path / "p.csv")]
    assert rows == [("none.npz", "0", "no_signal"), ("a.npz", "0", ""), ("a.npz", "1", ""), ("a.npz", "2", "")]
    assert "none.npz" in capsys.readouterr().err


@pytest.mark.parametrize(("rate_hz", "seconds"), [(125.0, 24.0), (62.4725, 30.0), (31.3, 30.0), (125.0, 20.5)])
def test_an_alarm_is_judged_by_what_lies_right_before_it(
    evaluate: ModuleType, tmp_path: Path, rate_hz: float, seconds: float
) -> None:
    """A second earlier the pulse would not have stopped for long enough."""
    wave = pulse_wave(seconds, rate_hz, stops_s=55.2)
    np.savez(tmp_path / "a.npz", pleth=wave[None], record=["a"], fs=rate_hz)
    assert evaluate.main(["alarms", "--data", str(tmp_path / "a.npz"), "--out", str(tmp_path / "p.csv")]) == 0
    (row,) = rows_of(tmp_path / "p.csv")
    assert (row["reason"], row["asystole"]) == ("no_pulse", "1")


def test_a_record_of_under_a_second_keeps_its_row(evaluate: ModuleType, tmp_path: Path) -> None:
    for samples in (0, 1, 124):
        np.savez(tmp_path / "a.npz", pleth=np.zeros((2, samples)), record=["a", "b"], fs=125)
        assert evaluate.main(["alarms", "--data", str(tmp_path / "a.npz"), "--out", str(tmp_path / "p.csv")]) == 0
        assert [(r["record"], r["reason"]) for r in rows_of(tmp_path / "p.csv")] == [
            ("a", "too_short"),
            ("b", "too_short"),
        ]


def test_traces_of_another_layout_are_no_score(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.npz").write_bytes(b"no archive")
    np.savez(tmp_path / "b.npz", one_pred=np.zeros(300))
    np.savez(tmp_path / "c.npz", ppg=np.zeros(300))
    for data in (tmp_path / "a.npz", tmp_path / "b.npz", tmp_path / "c.npz", tmp_path):
        assert evaluate.main(["traces", "--data", str(data)]) == 2
        *_, line = capsys.readouterr().err.splitlines()
        assert line.startswith(f"evaluate: --data {data}: ")
