"""Tables as loggers, databases and monitors write them: when a row was, what stands above, which column is the wave."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from files_played import joined, play, refused, table


def _when(i: int) -> datetime:
    return datetime(2026, 11, 26, 23, 59, 58) + timedelta(milliseconds=10 * i)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("timestamp", lambda i: _when(i).isoformat(timespec="milliseconds")),
        ("datetime", lambda i: f"{_when(i).isoformat(' ', 'microseconds')}Z"),
        ("Local Time", lambda i: f"{_when(i).isoformat(timespec='milliseconds')}+01:00"),
        ("time", lambda i: _when(i).strftime("%H:%M:%S.%f")),  # a night passes midnight
        ("'Elapsed time'", lambda i: f"'{i // 6000}:{i % 6000 / 100:06.3f}'"),
        ("'Time and date'", lambda i: f"'[{_when(i).strftime('%H:%M:%S.%f')[:-3]} {_when(i).strftime('%d/%m/%Y')}]'"),
        ("unix_timestamp", lambda i: f"{1_795_730_400_000_000 + 10_000 * i}"),
        ("time", lambda i: f"{1_795_730_400_000_000_000 + 10_000_000 * i}"),
        ("time", lambda i: f"{1_795_730_400_000 + 10 * i}"),
        ("time", lambda i: f"{123_456 + 10_000 * i}"),  # micros() of an Arduino
        ("time (seconds)", lambda i: f"{i / 100:.3f}"),
    ],
)
@pytest.mark.parametrize("lost", [False, True])
def test_what_time_it_was(tmp_path: Path, name: str, cell: Callable[[int], str], lost: bool) -> None:
    kept = [i for i in range(400) if not (lost and 100 <= i < 150)]
    text = f"{name},'PLETH'\n" + "\n".join(f"{cell(i)},{i % 97}" for i in kept)
    blocks = play(table(tmp_path / "t.csv", text))
    assert {(b.kind, b.rate) for b in blocks} == {("ppg", 100.0)}
    assert [s for b in blocks for s in range(b.seq, b.next_seq)] == kept
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], np.array(kept) % 97)


@pytest.mark.parametrize("above", ["", "ppg\n"])
def test_one_column_whose_decimals_follow_a_comma(tmp_path: Path, above: str) -> None:
    values = [round((i % 40 - 20) / 16, 4) for i in range(300)]
    text = above + "\n".join(f"{value:.4f}".replace(".", ",") for value in values)
    blocks = play(table(tmp_path / "t.csv", text), signal="ppg", rate_hz=100.0)
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], values)


@pytest.mark.parametrize("above", ["", "time ppg\n"])
def test_columns_parted_by_spaces_whose_decimals_follow_a_comma(tmp_path: Path, above: str) -> None:
    text = above + "\n".join(f"{i / 50:.2f} {i % 40 / 8:.3f}".replace(".", ",") for i in range(300))
    blocks = play(table(tmp_path / "t.txt", text), signal="ppg")
    assert {b.rate for b in blocks} == {50.0}
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], np.arange(300) % 40 / 8)


@pytest.mark.parametrize("above", ["", "Device: pulse-node\n", "a,b\n"])
def test_two_columns_of_whole_numbers_stay_two(tmp_path: Path, above: str) -> None:
    text = above + "\n".join(f"{i},{i % 97}" for i in range(300))
    blocks = play(table(tmp_path / "t.csv", text), signal="ppg", rate_hz=100.0)
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, -1], np.arange(300) % 97)


def test_times_without_a_name(tmp_path: Path) -> None:
    rows = "\n".join(f"{_when(i).isoformat(timespec='milliseconds')};{i}" for i in range(300))
    blocks = play(table(tmp_path / "t.csv", rows), signal="ppg")
    assert blocks[0].rate == 100.0
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], np.arange(300))


@pytest.mark.parametrize(
    "above",
    [
        "time,ppg\nms,mV\n",
        "'Elapsed time','PLETH'\n'milliseconds','mV'\n",
        "Device: pulse-node\nSubject: 12\n\ntime,ppg\n",
        "sep=,\ntime,ppg\n",
        "Recorded by, somebody, on a day\ntime (ms),ppg\n",
    ],
    ids=["units", "PhysioNet's", "a preamble", "a spreadsheet's", "a preamble with commas"],
)
def test_what_stands_above_the_numbers(tmp_path: Path, above: str) -> None:
    path = table(tmp_path / "t.csv", above + "\n".join(f"{8 * i},{i}" for i in range(300)) + "\n")
    blocks = play(path)
    assert blocks[0].rate == 125.0
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], np.arange(300))
    path.write_text(path.read_text().replace("\n80,10\n", "\n80\n"))
    line = 11 + len(above.splitlines())
    refused(path, f"line {line}: 1 of 2 columns")


@pytest.mark.parametrize("columns", [1, 3])
def test_a_file_of_an_e4(tmp_path: Path, columns: int) -> None:
    rows = [1_795_730_400.0, 64.0, *(np.arange(300) % 50 - 25.5)]
    text = "\n".join(", ".join([f"{x:.6f}"] * columns) for x in rows)
    blocks = play(table(tmp_path / "BVP.csv", text), signal="ppg")
    assert blocks[0].rate == 64.0
    np.testing.assert_array_equal(joined(blocks, "ppg"), np.repeat(np.array(rows[2:])[:, None], columns, axis=1))
    refused(tmp_path / "BVP.csv", "was sampled at 64 Hz, not 100 Hz", rate_hz=100.0)


@pytest.mark.parametrize("name", ["Pulse", "Pulse rate", "pulse_rate_bpm", "HR", "PPG quality"])
def test_a_rate_is_no_wave(tmp_path: Path, name: str) -> None:
    rows = "\n".join(f"{i / 50:.2f},98,66,{i}" for i in range(200))
    blocks = play(table(tmp_path / "t.csv", f"Time,SpO2,{name},Pleth\n" + rows), signal="ppg")
    assert blocks[0].labels == ("Pleth",)
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], np.arange(200))


def test_a_wave_that_is_called_pulse(tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 50:.2f},98,{i}" for i in range(200))
    assert play(table(tmp_path / "t.csv", "Time,SpO2,Pulse\n" + rows))[0].labels == ("Pulse",)


@pytest.mark.parametrize("header", ["time,ppg", '"time","PPG"', "ppg"])
def test_a_comma_within_quotes_parts_no_cells(tmp_path: Path, header: str) -> None:
    """Thousands, or decimals of another language: as two columns they were two numbers that nobody measured."""
    rows = (f'{i / 100},"5,{i:03d}"' if "," in header else f'"5,{i:03d}"' for i in range(300))
    path = table(tmp_path / "t.csv", "\n".join([header, *rows]))
    refused(path, "'5,000' is not a number|no table of numbers", rate_hz=None if "," in header else 100.0)


def test_a_comma_within_a_quoted_name_is_a_part_of_it(tmp_path: Path) -> None:
    rows = (f"{i / 100},{i},1" for i in range(300))
    path = table(tmp_path / "t.csv", "\n".join(['"time [s]", "ppg, left ear", "acc, x"', *rows]))
    assert {(b.stream, b.labels) for b in play(path)} == {("file/ppg", ("ppg, left ear",)), ("file/acc", ("acc, x",))}
