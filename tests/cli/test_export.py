"""Other programs' own readers find every sample where it was, gaps as gaps, and what happened at its time."""

from __future__ import annotations

import csv
import subprocess
import sys
import tracemalloc
import warnings
from dataclasses import replace
from datetime import UTC, datetime

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.cli import main
from edge.cli.export.edf import MISSING, write_edf
from edge.cli.export.tracks import session
from edge.cli.export.wfdb import write_wfdb
from edge.recording import ClockMark, MainState
from edge.types import Block, Command, SourceStatus
from export_night import PCG, PPG, START, TRACE, WALL, blocks, long_recording, night, record
from files_played import joined, play

with warnings.catch_warnings():  # of the packages it stands on
    warnings.simplefilter("ignore")
    import wfdb


@pytest.fixture
def recording(tmp_path):
    return night(tmp_path)


def with_gap(data):
    out = data.copy()
    out[500:650] = np.nan
    return out


def test_edf_sample_for_sample(recording, tmp_path):
    (path,) = write_edf(session(recording), tmp_path)
    edf = edfio.read_edf(path)
    assert [s.label for s in edf.signals] == ["ppg ir", "ppg red", "pcg ir", "flow ir"]
    assert [s.sampling_frequency for s in edf.signals] == [100.0, 100.0, 2000.0, 100.0]
    for i in (0, 1):
        signal = edf.signals[i]
        missing = signal.digital == MISSING
        np.testing.assert_array_equal(missing, np.isnan(with_gap(PPG)[:, i]))
        assert np.abs(signal.data - PPG[:, i])[~missing].max() < 1e-6
    np.testing.assert_array_equal(edf.signals[2].digital, PCG[:, 0])
    step = (np.ptp(TRACE) + 4e-6) / 65000
    assert np.abs(edf.signals[3].data - TRACE[:, 0]).max() < step


def test_edf_times_and_annotations(recording, tmp_path):
    (path,) = write_edf(session(recording), tmp_path)
    edf = edfio.read_edf(path)
    begin = datetime.fromtimestamp(WALL, UTC)
    assert edf.startdate == begin.date()
    assert edf.starttime == begin.time()
    assert edf.recording.equipment_code == "ward_3"
    told = {a.text: a for a in edf.annotations}
    alarm = told["alarm: bed1/af on (medium): Atrial fibrillation"]
    gap = next(a for a in edf.annotations if a.text.startswith("gap: gap in node/ppg"))
    assert alarm.onset == pytest.approx(7.0, abs=1e-5)
    assert (gap.onset, gap.duration) == (pytest.approx(5.0), pytest.approx(1.5))
    assert told["source: node offline unplugged"].onset == pytest.approx(5.0)
    assert told["clock_step: wall clock stepped by +3600.000 s"].onset == pytest.approx(8.0)
    assert sum(text.startswith("clock: monotonic") for text in told) == 2


@pytest.mark.parametrize("before", [1_690_000_000.0, WALL - 7000.0])
def test_a_clock_that_is_set_soon_after_the_start_does_not_date_the_whole_night(tmp_path, before):
    """An unset clock, and one that a board without a battery takes from its last end; both are set after 2 s."""
    set_at = ClockMark(START + 2.0, WALL + 2.0)
    whole = session(record(tmp_path / "a.evrec", [*blocks("n/ppg", 100.0, PPG), ClockMark(START, before), set_at]))
    (edf,) = write_edf(whole, tmp_path)
    (wfdb_header,) = write_wfdb(whole, tmp_path)
    begin = datetime.fromtimestamp(WALL, UTC)
    assert (edfio.read_edf(edf).startdate, edfio.read_edf(edf).starttime) == (begin.date(), begin.time())
    assert wfdb.rdheader(str(wfdb_header.with_suffix(""))).base_datetime == begin.replace(tzinfo=None)
    shown = WALL if before < 1_700_000_000.0 else before  # counted back from when it was set; or as it was
    assert list(whole.walls(np.array([START, START + 3.0]))) == [shown, WALL + 3.0]


def changing(own, *, epoch=1):
    """3 s at a declared rate of 100 and 6 s at its own of 150, of a stream that goes on counting."""
    declared = blocks("node/ppg", 100.0, PPG[:300])
    return [*declared, *(replace(b, epoch=epoch, seq=b.seq + 300) for b in own)]


def own_rate(**kw):
    return blocks("node/ppg", 150.0, PPG[:900], t0=START + 3.0, **kw)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_rate_found_to_be_another_leaves_a_gap_in_files_of_one_rate_and_is_said(tmp_path, epoch):
    found = session(record(tmp_path / "night.evrec", changing(own_rate(), epoch=epoch)))
    (path,) = write_edf(found, tmp_path)
    edf = edfio.read_edf(path)
    signal = edf.signals[0]
    assert signal.sampling_frequency == 150.0
    np.testing.assert_array_equal(signal.digital == MISSING, np.arange(1350) < 450)
    assert np.abs(signal.data[450:] - PPG[:900, 0]).max() < 1e-6
    assert [(a.onset, a.text) for a in edf.annotations if a.text.startswith("rate")] == [
        (pytest.approx(3.0), "rate: node/ppg: 150 samples a second from here on, 100 before")
    ]
    assert write_wfdb(found, tmp_path)
    assert np.isnan(wfdb.rdrecord(str(tmp_path / "node-ppg")).p_signal[:450]).all()


def test_the_rate_of_a_file_is_that_of_most_of_it_though_samples_are_lost(tmp_path):
    lossy = own_rate(skip=range(5, 60, 6))  # no run of it is as long as the 3 s before
    found = session(record(tmp_path / "night.evrec", changing(lossy)))
    assert found.tracks[0].rate_hz == 150.0


def test_tables_hold_both_rates_and_call_neither_a_gap(tmp_path):
    record(tmp_path / "night.evrec", changing(own_rate()))
    assert main(["export", str(tmp_path / "night.evrec"), "--csv", "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "node-ppg.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 1200
    with (tmp_path / "out" / "marks.csv").open(newline="") as file:
        assert [row["kind"] for row in csv.DictReader(file)] == ["rate"]


def test_wfdb_sample_for_sample(recording, tmp_path):
    assert len(write_wfdb(session(recording), tmp_path)) == 3
    for name, data, rate in (("ppg", with_gap(PPG), 100), ("pcg", PCG, 2000), ("flow", TRACE, 100)):
        record_ = wfdb.rdrecord(str(tmp_path / f"node-{name}"))
        assert (record_.fs, record_.sig_len) == (rate, len(data))
        assert record_.base_datetime == datetime.fromtimestamp(WALL, UTC).replace(tzinfo=None)
        if name == "flow":
            np.testing.assert_allclose(record_.p_signal, data, rtol=0, atol=1e-11)
        else:
            np.testing.assert_array_equal(record_.p_signal, data)


@pytest.mark.parametrize("labels", [("ir", "red"), ()])
def test_what_is_written_out_is_read_again(tmp_path, labels):
    record(tmp_path / "night.evrec", [replace(b, labels=labels) for b in blocks("node/ppg", 100.0, PPG)])
    assert (
        main(["export", str(tmp_path / "night.evrec"), "--edf", "--wfdb", "--csv", "--out", str(tmp_path / "out")]) == 0
    )
    for name in ("node.edf", "node-ppg.hea", "node-ppg.dat", "node-ppg.csv"):
        read = play(tmp_path / "out" / name, signal="ppg")
        assert [b.rate for b in read] == [100.0] * len(read), name
        np.testing.assert_array_equal(joined(read, "ppg"), PPG, name)


@pytest.mark.parametrize("name", ["node.edf", "node-ppg.hea", "node-ppg.csv"])
def test_a_gap_is_read_again_as_a_gap(tmp_path, name):
    recording = record(tmp_path / "night.evrec", blocks("node/ppg", 100.0, PPG, skip=range(50, 65)))
    assert main(["export", str(recording.path), "--edf", "--wfdb", "--csv", "--out", str(tmp_path / "out")]) == 0
    read = play(tmp_path / "out" / name)
    assert [s for b in read for s in range(b.seq, b.next_seq)] == [*range(500), *range(650, 1200)]
    np.testing.assert_array_equal(joined(read, "ppg"), np.concatenate([PPG[:500], PPG[650:]]))


def test_wfdb_header_checksums_and_annotations(recording, tmp_path):
    write_wfdb(session(recording), tmp_path)
    physical = wfdb.rdrecord(str(tmp_path / "node-pcg"), physical=False)
    assert physical.calc_checksum() == [c % 65536 for c in physical.checksum]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notes = wfdb.rdann(str(tmp_path / "node-ppg"), "atr")
    told = dict(zip(notes.aux_note, notes.sample, strict=True))
    assert told["alarm: bed1/af on (medium): Atrial fibrillation"] == 700
    assert told["gap: gap in node/ppg: 1.500 s [1.500 s]"] == 500
    assert told["clock_step: wall clock stepped by +3600.000 s"] == 800


def test_tables_have_both_clocks_and_no_rows_in_gaps(recording, tmp_path):
    assert main(["export", str(recording.path), "--csv", "--parquet", "--out", str(tmp_path / "t")]) == 0
    with (tmp_path / "t" / "node-ppg.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["seq"]) for row in rows] == [*range(500), *range(650, 1200)]
    assert [float(row["ir"]) for row in rows] == [*PPG[:500, 0], *PPG[650:, 0]]
    before, after = rows[500], rows[-1]
    assert float(before["wall"]) - float(before["mono"]) == pytest.approx(WALL - START)
    assert float(after["wall"]) - float(after["mono"]) == pytest.approx(WALL - START + 3600.0)
    with (tmp_path / "t" / "readings.csv").open() as file:
        readings = list(csv.DictReader(file))
    assert [(r["value"], r["reason"]) for r in readings] == [("61.5", ""), ("", "gap")]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "t" / "node-pcg.parquet")
    np.testing.assert_array_equal(table["ir"].to_numpy(), PCG[:, 0])
    assert pyarrow.parquet.ParquetFile(tmp_path / "t" / "node-pcg.parquet").num_row_groups == 2  # of 20,000 rows
    assert pyarrow.parquet.read_table(tmp_path / "t" / "cam-roi.parquet").num_rows == 300


def test_a_camera_is_not_put_on_a_grid_and_that_is_said(recording, tmp_path, capsys):
    assert main(["export", str(recording.path), "--edf", "--wfdb"]) == 0
    assert sorted(p.name for p in (tmp_path / "night").glob("cam*")) == []
    assert "cam/roi has no fixed rate" in capsys.readouterr().err


@pytest.mark.parametrize("skew", [1.0 + 80e-6, 1.0 - 80e-6])
def test_a_device_clock_that_is_off_keeps_every_sample_and_its_time(tmp_path, skew):
    data = np.arange(60_000.0)[:, None] % 30_000
    recording = record(tmp_path / "a.evrec", blocks("node/ppg", 100.0, data, skew=skew, size=10))
    whole = session(recording)
    assert whole.tracks[0].true_hz == pytest.approx(100.0 * skew, rel=2e-6)
    write_wfdb(whole, tmp_path)
    back = wfdb.rdrecord(str(tmp_path / "node-ppg"))
    np.testing.assert_array_equal(back.p_signal[: len(data)], data)
    (path,) = write_edf(whole, tmp_path)
    edf = edfio.read_edf(path)
    np.testing.assert_array_equal(edf.signals[0].digital[: len(data)], data[:, 0])
    assert edf.signals[0].sampling_frequency == pytest.approx(100.0 * skew, rel=2e-6)
    assert not [a for a in edf.annotations if "gap" in a.text and a.onset < 590]


@pytest.mark.parametrize(
    ("low", "high"),
    [(-(2.0**31), 2.0**31 - 1), (-12_345_678.0, 12_345_678.0), (100_000_000.0, 100_000_100.0), (-1.5e-9, 2.5e-9)],
    ids=["32 bits", "more characters than there are", "far from zero", "small"],
)
def test_edf_of_values_that_its_eight_characters_hardly_hold_is_within_a_step(tmp_path, low, high):
    """A microphone's samples of 32 bits, among others."""
    data = np.linspace(low, high, 1200)[:, None]
    data = np.rint(data) if high > 1 else data
    (path,) = write_edf(session(record(tmp_path / "a.evrec", blocks("node/pcg", 1000.0, data))), tmp_path)
    (signal,) = edfio.read_edf(path).signals
    step = (signal.physical_max - signal.physical_min) / 65_535
    assert np.abs(signal.data[: len(data)] - data[:, 0]).max() <= 0.6 * step
    assert step < max(1.02 * (high - low) / 65_535, 5e-9 * high)


@pytest.mark.parametrize(("rate", "beside"), [(66.667, None), (3906.25, None), (62.464, 104.0)])
def test_edf_keeps_the_time_of_a_rate_that_fills_no_whole_seconds(tmp_path, rate, beside):
    """A record of 667 samples where there are 666.67 of them is 43 s off after a day."""
    data = np.arange(round(600 * rate), dtype=float)[:, None] % 30_000
    entries = [*blocks("node/acc", beside, PPG[:1000]), *blocks("node/ppg", rate, data)] if beside else []
    (path,) = write_edf(session(record(tmp_path / "a.evrec", entries or blocks("node/ppg", rate, data))), tmp_path)
    signal = edfio.read_edf(path).signals[-1]
    np.testing.assert_array_equal(signal.digital[: len(data)], data[:, 0])
    assert signal.sampling_frequency == pytest.approx(rate, rel=1e-5 if beside else 5e-7)


def test_a_stream_that_comes_with_other_channels_is_another_one_from_there_on(tmp_path, capsys):
    """A device with one LED is exchanged for one with two."""
    one, two = PPG[:300, :1], PPG[300:700]
    entries = [*blocks("node/ppg", 100.0, one), *blocks("node/ppg", 100.0, two, t0=START + 5.0)]
    found = record(tmp_path / "night.evrec", entries)
    out = tmp_path / "out"
    assert main(["export", str(found.path), "--edf", "--wfdb", "--csv", "--parquet", "--out", str(out)]) == 0
    assert capsys.readouterr().err == ""
    for name, data, at_s in (("node", one, 0.0), ("node-V2", two, 5.0)):
        for file in (f"{name}.edf", f"{name}-ppg.hea", f"{name}-ppg.csv"):
            np.testing.assert_array_equal(joined(play(out / file, signal="ppg"), "ppg"), data, file)
        with (out / f"{name}-ppg.csv").open(newline="") as file:
            first = next(csv.DictReader(file))
        assert (float(first["mono"]), float(first["ir"])) == (START + at_s, data[0, 0])
    with (out / "marks.csv").open(newline="") as file:
        assert [row["text"] for row in csv.DictReader(file) if row["kind"] == "channels"] == [
            "node/ppg: other channels from here on, ir, red: called node-V2/ppg"
        ]


def test_channels_that_have_one_name_or_that_of_another_column_are_told_apart(tmp_path):
    entries = [replace(b, labels=("seq", "seq")) for b in blocks("node/ppg", 100.0, PPG)]
    record(tmp_path / "night.evrec", entries)
    assert main(["export", str(tmp_path / "night.evrec"), "--csv"]) == 0
    with (tmp_path / "night" / "node-ppg.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["seq"]), float(row["seq_2"]), float(row["seq_3"])) for row in rows] == [
        (seq, *values) for seq, values in enumerate(PPG.tolist())
    ]


@pytest.mark.parametrize("step_s", [-7200.0, 0.4, 5400.0])
@pytest.mark.parametrize("later_s", [3.0, 5.37, 60.004])
def test_a_reconnected_device_counts_anew_and_its_samples_lie_where_their_time_is(tmp_path, later_s, step_s):
    first, second = PPG[:300], PPG[300:700]
    again = [
        Block(b.stream, b.seq, b.t0 + later_s, b.rate, b.data.copy(), 1, b.labels)
        for b in blocks("n/ppg", 100.0, second)
    ]
    clocks = [ClockMark(START, WALL), ClockMark(START + later_s, WALL + later_s + step_s)]
    whole = session(record(tmp_path / "a.evrec", [*blocks("n/ppg", 100.0, first), *again, *clocks]))
    begin = round(later_s * 100)
    expected = np.full((begin + 400, 2), np.nan)
    expected[:300], expected[begin:] = first, second
    write_wfdb(whole, tmp_path)
    back = wfdb.rdrecord(str(tmp_path / "n-ppg"))
    np.testing.assert_array_equal(back.p_signal, expected)
    (path,) = write_edf(whole, tmp_path)
    edf = edfio.read_edf(path)
    for channel in (0, 1):
        signal = edf.signals[channel]
        missing = np.isnan(expected[:, channel])
        np.testing.assert_array_equal(signal.digital[: len(expected)] == MISSING, missing)
        assert np.abs(signal.data[: len(expected)] - expected[:, channel])[~missing].max() < 1e-6
    gaps = [(a.onset, a.duration) for a in edf.annotations if a.text.startswith("gap") and a.onset < later_s]
    assert gaps == ([] if begin == 300 else [(pytest.approx(3.0), pytest.approx((begin - 300) / 100))])
    steps = [a.onset for a in edf.annotations if a.text.startswith("clock_step")]
    assert steps == ([pytest.approx(later_s, abs=1e-5)] if abs(step_s) > 1.0 else [])
    assert main(["export", str(tmp_path / "a.evrec"), "--csv", "--out", str(tmp_path / "t")]) == 0
    with (tmp_path / "t" / "n-ppg.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["epoch"]), int(r["seq"])) for r in rows] == [
        *((0, i) for i in range(300)),
        *((1, i) for i in range(400)),
    ]
    assert [float(r["red"]) for r in rows] == PPG[:700, 1].tolist()
    apart = np.array([float(r["wall"]) - float(r["mono"]) - (WALL - START) for r in rows])
    np.testing.assert_allclose(apart[:300], 0.0, atol=2e-6)
    np.testing.assert_allclose(apart[300:], step_s, atol=2e-6)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 29), max_size=25), st.sampled_from([1.0, 25.0, 125.0, 300.0, 62.5]))
def test_any_gaps_at_any_rate(tmp_path_factory, skip, rate):
    folder = tmp_path_factory.mktemp("gaps")
    data = np.arange(30.0 * 7)[:, None] + 1
    whole = session(record(folder / "a.evrec", blocks("n/ppg", rate, data, skip=skip, size=7)))
    expected = np.repeat([i in skip for i in range(30)], 7)
    expected = np.where(expected, np.nan, data[:, 0])
    if len(skip) < 30:
        first, last = (np.flatnonzero(np.isfinite(expected))[i] for i in (0, -1))
        write_wfdb(whole, folder)
        back = wfdb.rdrecord(str(folder / "n-ppg")).p_signal[:, 0]
        np.testing.assert_array_equal(back, expected[first : last + 1])
        (path,) = write_edf(whole, folder)
        digital = edfio.read_edf(path).signals[0].digital[: last + 1 - first]
        np.testing.assert_array_equal(np.where(digital == MISSING, np.nan, digital), expected[first : last + 1])


def test_many_marks_in_one_second_all_arrive(tmp_path):
    marks = [SourceStatus("node", "bed1", START + 0.5, "offline", f"reason {i} {'x' * 60}") for i in range(400)]
    path = tmp_path / "a.evrec"
    (out,) = write_edf(session(record(path, [*blocks("node/ppg", 100.0, PPG), *marks])), tmp_path)
    assert sum("reason" in a.text for a in edfio.read_edf(out).annotations) == 400


@pytest.mark.slow
@pytest.mark.parametrize("form", ["edf", "wfdb", "csv", "parquet"])
def test_memory_does_not_grow_with_the_recording(tmp_path, form):
    """Three times as long, and no more memory: a day of all streams would not fit into a board's."""
    import pyarrow.parquet  # noqa: F401 - imported here, or its import would count

    peaks = []
    for minutes in (20, 60):
        long_recording(tmp_path / f"{minutes}.evrec", minutes)
        tracemalloc.start()
        assert main(["export", str(tmp_path / f"{minutes}.evrec"), f"--{form}"]) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    samples_bytes = 40 * 6000 * 2 * 8  # what the longer one holds more
    assert peaks[1] - peaks[0] < 0.1 * samples_bytes, peaks


def test_a_long_recording_is_whole_over_the_edges_of_pages(tmp_path):
    recording = long_recording(tmp_path / "a.evrec", 13)
    whole = session(recording)
    data = np.concatenate([b.data for b in recording if isinstance(b, Block)])
    write_wfdb(whole, tmp_path)
    np.testing.assert_array_equal(wfdb.rdrecord(str(tmp_path / "node-ppg")).p_signal, data)
    (path,) = write_edf(whole, tmp_path)
    for channel in (0, 1):
        np.testing.assert_array_equal(edfio.read_edf(path).signals[channel].digital, data[:, channel])


def test_where_the_microphone_sat_is_a_mark(tmp_path):
    at = {"beds": {"bed1": {"auscultation": {"site": "MV"}}, "bed2": {"auscultation": {"site": ""}}}}
    moved = Command("site", "bed1", START + 3.0, "c1", "nurse", site="AV")
    later = {"beds": {"bed1": {"auscultation": {"site": "AV"}}}}
    entries = [MainState(START + 1.0, at, {}), moved, MainState(START + 5.0, later, {})]
    whole = session(record(tmp_path / "a.evrec", [*blocks("node/ppg", 100.0, PPG), *entries]))
    assert [(m.t - START, m.kind, m.text) for m in whole.marks] == [
        (1.0, "site", "bed1 MV"),
        (3.0, "command", "site bed1 AV by nurse"),
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [([], "at least one of --edf"), (["--csv", "--out", "/proc/none/x"], "cannot be written")],
)
def test_what_cannot_be_done_is_said_in_one_line(recording, capsys, arguments, text):
    assert main(["export", str(recording.path), *arguments]) == 2
    assert text in capsys.readouterr().err


def test_a_reader_of_its_words_that_goes_is_no_fault_of_the_folder(recording, tmp_path):
    command = f"{sys.executable} -m edge export {recording.path} --csv --out {tmp_path / 'out'} | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_parquet_without_its_package_names_the_extra(recording, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["export", str(recording.path), "--parquet"]) == 2
    assert "edge-vitals[parquet]" in capsys.readouterr().err
