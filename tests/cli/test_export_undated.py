"""A recording whose clock was never set: nobody is told a day."""

from __future__ import annotations

import csv
import warnings

import edfio
import numpy as np
import pyarrow.parquet
import pytest

from edge.cli.export.edf import write_edf
from edge.cli.export.tables import write_csv, write_parquet
from edge.cli.export.tracks import session
from edge.cli.export.wfdb import write_wfdb
from edge.recording import ClockMark
from edge.types import Reading
from export_night import ALARM, PPG, START, blocks, record
from files_played import joined, play

with warnings.catch_warnings():  # of the packages it stands on
    warnings.simplefilter("ignore")
    import wfdb

BOOTED = 12.5


@pytest.fixture
def undated(tmp_path):
    reading = Reading("ppg.hr", START + 6.0, 61.5, "bpm", 0.9, bed="bed1", source="node")
    return record(tmp_path / "a.evrec", [*blocks("node/ppg", 100.0, PPG), ClockMark(START, BOOTED), reading, ALARM])


def test_edf_has_no_day_and_its_annotations_are_where_they_were(undated, tmp_path):
    (path,) = write_edf(session(undated), tmp_path)
    assert path.read_bytes()[88:184] == b"Startdate X X X ward_3".ljust(80) + b"01.01.8500.00.00"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edf = edfio.read_edf(path)
        with pytest.raises(edfio.AnonymizedDateError):
            _ = edf.startdate
    told = {a.text: a.onset for a in edf.annotations}
    assert told["alarm: bed1/af on (medium): Atrial fibrillation"] == pytest.approx(7.0, abs=1e-5)
    np.testing.assert_array_equal(joined(play(path, signal="ppg"), "ppg"), PPG)


def test_wfdb_has_no_day(undated, tmp_path):
    (header,) = write_wfdb(session(undated), tmp_path)
    read = wfdb.rdheader(str(header.with_suffix("")))
    assert (read.base_date, read.base_time, read.sig_len) == (None, None, len(PPG))
    np.testing.assert_array_equal(joined(play(header, signal="ppg"), "ppg"), PPG)


def test_tables_have_what_the_clock_said_and_no_time_of_day(undated, tmp_path):
    write_csv(session(undated), tmp_path)
    write_parquet(session(undated), tmp_path)
    for name, t in (("readings", START + 6.0), ("marks", START)):
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file))
        wall = BOOTED + t - START
        assert (row["mono"], row["wall"], row["time"]) == (f"{t:.6f}", f"{wall:.6f}", "")
        whole = pyarrow.parquet.read_table(tmp_path / f"{name}.parquet").to_pylist()
        assert (whole[0]["wall"], whole[0]["time"]) == (wall, None)
