"""CSV and NPZ: columns go to their streams, what is missing is a gap, what is wrong is named."""

from __future__ import annotations

import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.sources import files
from edge.sources._files.tables import read_csv
from files_played import joined, play, refused, table


@pytest.mark.parametrize("ir", ["ir", "Infrared"])
def test_csv_columns_go_to_their_streams(tmp_path: Path, ir: str) -> None:
    rows = "\n".join(f"{i / 50:.2f},{i},{-i},{i % 7},0,1,SR" for i in range(200))
    blocks = play(table(tmp_path / "t.csv", f"time,{ir},red,acc_x,acc_y,acc_z,label\n{rows}"))
    assert {(b.kind, b.rate, b.labels) for b in blocks} == {
        ("ppg", 50.0, (ir, "red")),
        ("acc", 50.0, ("acc_x", "acc_y", "acc_z")),
    }
    np.testing.assert_array_equal(joined(blocks, "ppg"), np.stack([np.arange(200), -np.arange(200)], axis=1))


def test_a_long_table_is_read_some_lines_at_a_time(tmp_path: Path) -> None:
    rows = [f"{i / 100:.6f},{1.8e9 + i / 100:.6f},0,{i},{50_000 + i % 97}.0" for i in range(20_000)]
    path = table(tmp_path / "night.csv", "\n".join(["# of a night", "mono,wall,epoch,seq,ir", "", *rows]) + "\n")
    tracemalloc.start()
    (track,) = read_csv(path, "ppg", None, None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5 * path.stat().st_size  # 6.4 with all lines at once: of ten hours 1.1 GB
    np.testing.assert_array_equal(track.rows(0, 20_000)[:, 0], 50_000 + np.arange(20_000) % 97)
    rows[7000] = "70.000000,1"
    table(path, "\n".join(["# of a night", "mono,wall,epoch,seq,ir", "", *rows]))
    refused(path, "line 7004: 2 of 5 columns")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("time_ms,ppg", lambda i: f"{i * 10},{i}"),
        ("t (ms);ppg", lambda i: f"{i * 10};{i}"),
        ("time,ppg", lambda i: f"{i * 10},{i}"),  # nothing here is sampled every ten seconds
        ("timestamp,ppg", lambda i: f"{1.7e9 + i / 100:.2f},{i}"),
        ("time_us\tppg", lambda i: f"{i * 10000}\t{i}"),
        ("Zeit;Puls", lambda i: f"{i // 100},{i % 100:02d};{i}"),
        ("Zeit [ms]\tPPG", lambda i: f"{i * 10},0\t{i},0"),
        ("Time (min),ppg", lambda i: f"{i / 6000:.7f},{i}"),
        ("elapsed_hours,ppg", lambda i: f"{i / 360_000:.9f},{i}"),
        ("Minutes,ppg", lambda i: f"{i / 6000:.7f},{i}"),
        ("temps (s);signal", lambda i: f"{i // 100},{i % 100:02d};{i},00"),
        (None, lambda i: f"{i / 100} {i}"),
        ('"time","ppg"', lambda i: f'"{i / 100}","{i}"'),
        ("time;ppg", lambda i: f"{i // 100},{i % 100:02d};{i}"),
    ],
)
def test_csv_dialects(tmp_path: Path, header: str | None, row: Callable[[int], str]) -> None:
    text = "\n".join([*([header] if header else []), *(row(i) for i in range(300))])
    blocks = play(table(tmp_path / "t.csv", "# comment\n" + text + "\n\n"))
    assert blocks[0].rate == pytest.approx(100.0, abs=1e-6)
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], np.arange(300))


@pytest.mark.parametrize("name", ["time [\u00b5s]", "t (\u03bcs)", "micros", "timestamp_us"])
def test_sound_by_times_in_microseconds(tmp_path: Path, name: str) -> None:
    text = f"{name},mic\n" + "\n".join(f"{i * 500},{i % 9}" for i in range(3000))
    assert play(table(tmp_path / "t.csv", text))[0].rate == 2000.0


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("sample,value", lambda i: f"{i},{i % 9}"),
        (",0", lambda i: f"{i},{i % 9}"),  # a table's index has no name
        ("Zeile;Puls", lambda i: f"{i};{i % 9},0"),
        (None, lambda i: f"{i + 1} {i % 9}"),
        (None, lambda i: f"{i / 100},{i % 9}"),
        ("time,value", lambda i: f"{i / 100},{i % 9}"),
    ],
)
def test_what_counts_the_rows_is_no_signal_also_where_a_rate_is_given(
    tmp_path: Path, header: str | None, row: Callable[[int], str]
) -> None:
    kept = [i for i in range(300) if not 100 <= i < 120]
    text = "\n".join([*([header] if header else []), *(row(i) for i in kept)])
    blocks = play(table(tmp_path / "t.csv", text), rate_hz=100.0, signal="ppg")
    assert [s for b in blocks for s in range(b.seq, b.next_seq)] == kept
    np.testing.assert_array_equal(joined(blocks, "ppg"), np.array(kept)[:, None] % 9)


@pytest.mark.parametrize(
    ("head", "when"),
    [
        (",ppg", lambda i: f"{i / 50}"),  # an index without a name
        (",ppg", lambda i: f"2026-03-01 08:15:{30 + i // 50}.{i % 50 * 20:03d}"),
        ("index,ppg", lambda i: f"{1_700_000_000 + i / 50:.2f}"),
        ("Zeit,ppg", lambda i: f"8:59:{30 + i // 50}.{i % 50 * 20:03d}"),
    ],
)
def test_a_first_column_of_times_needs_no_name_that_says_so(
    tmp_path: Path, head: str, when: Callable[[int], str]
) -> None:
    text = "\n".join([head, *(f"{when(i)},{i % 9}" for i in range(500))])
    blocks = play(table(tmp_path / "t.csv", text))
    assert blocks[0].rate == 50.0
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], np.arange(500) % 9)


@pytest.mark.parametrize(
    ("head", "beside"),
    [
        ("id,timestamp", lambda i: f"{i},{1.7e9 + i / 50:.2f}"),
        ("Zeit,index", lambda i: f"{i / 50},{i}"),
        ("time,Sample Number", lambda i: f"{i / 50},{i}"),
        ("time,frame_id", lambda i: f"{i / 50},{i}"),
        ("time,unix", lambda i: f"{i / 50},{1.7e9 + i / 50:.2f}"),
        ("local time,utc", lambda i: f"8:59:{30 + i // 50}.{i % 50 * 20:03d},{1.7e9 + i / 50:.2f}"),
    ],
)
def test_neither_a_count_nor_a_clock_beside_the_time_is_a_signal(
    tmp_path: Path, head: str, beside: Callable[[int], str]
) -> None:
    text = f"{head},value\n" + "\n".join(f"{beside(i)},{i % 9}" for i in range(500))
    blocks = play(table(tmp_path / "t.csv", text))
    assert (blocks[0].labels, blocks[0].rate) == (("value",), 50.0)


def test_a_wave_that_climbs_by_one_most_of_the_time_is_no_count(tmp_path: Path) -> None:
    """As raw light does, which falls fast with each beat."""
    wave = [400 + min(i % 80, (80 - i % 80) * 4) for i in range(800)]
    for head, rows in (("adc,time", "{},{}"), ("value,time,temp", "{},{},36.6")):
        text = f"{head}\n" + "\n".join(rows.format(value, i / 100) for i, value in enumerate(wave))
        np.testing.assert_array_equal(joined(play(table(tmp_path / "t.csv", text)), "ppg")[:, 0], wave)


def test_a_first_column_of_days_or_words_is_neither_time_nor_signal(tmp_path: Path) -> None:
    for i, word in enumerate(("2026-03-01", "Ruhe")):
        text = "Phase,Wert\n" + "\n".join(f"{word},{i % 9}" for i in range(300))
        blocks = play(table(tmp_path / f"{i}.csv", text), rate_hz=100.0)
        np.testing.assert_array_equal(joined(blocks, "ppg"), np.arange(300)[:, None] % 9)


def test_row_numbers_that_begin_anew_are_no_one_recording(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "n,ppg\n0,1\n1,2\n0,3\n1,4\n")
    refused(path, r"line 4: the row number does not rise \(0\)", rate_hz=100.0)


def test_a_column_that_says_another_signal_is_not_taken_for_the_one_asked_for(tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 50:.2f},{i},{-i},{i % 7}" for i in range(200))
    refused(
        table(tmp_path / "t.csv", "t,x,y,z\n" + rows), "no column is named ppg; there are: t, x, y, z", signal="ppg"
    )
    blocks = play(table(tmp_path / "t.csv", "t,x,value,ecg\n" + rows), signal="ppg")
    assert blocks[0].labels == ("value",)
    alone = "\n".join(f"{i / 50:.2f},{i}" for i in range(200))
    assert play(table(tmp_path / "t.csv", "t,x\n" + alone), signal="ppg")[0].labels == ("x",)
    refused(table(tmp_path / "t.csv", "t,eeg\n" + alone), "no column is named ppg; there are: t, eeg", signal="ppg")
    refused(
        table(tmp_path / "t.csv", "t,temp\n" + alone), "no column is named ppg, pcg, acc or ecg; there are: t, temp"
    )
    beside = "\n".join(f"{i / 50:.2f},{i},36.6" for i in range(200))
    for name in ("adc", "Rot"):  # red, and no rotation
        assert play(table(tmp_path / "t.csv", f"t,{name},temp\n{beside}"))[0].labels == (name,)


@pytest.mark.parametrize(
    "other",
    ["gyro_", "Gyr", "mag ", "quat_", "rotationRate.", "angular_velocity.", "gravity.", "gravity", "Orientation_"],
)
def test_what_a_gyroscope_or_a_magnetometer_says_is_no_acceleration(tmp_path: Path, other: str) -> None:
    head = ",".join(["t", "ppg", *(f"{one}{axis}" for one in (other, "acc_") for axis in "xyz"), "acc_mag"])
    rows = "\n".join(f"{i / 50:.2f},{i},250,-90,40,0,0,1,1" for i in range(200))
    blocks = play(table(tmp_path / "t.csv", f"{head}\n{rows}"))
    assert {block.labels for block in blocks} == {("ppg",), ("acc_x", "acc_y", "acc_z", "acc_mag")}


@pytest.mark.parametrize(
    "name", ["hr", "Heart Rate (bpm)", "HeartRate", "pulse_rate", "rate", "PPG quality", "r_peak", "SpO2"]
)
def test_a_column_of_figures_is_no_wave(tmp_path: Path, name: str) -> None:
    path = table(tmp_path / "t.csv", f"t,{name}\n" + "\n".join(f"{i / 50:.2f},{60 + i % 9}" for i in range(200)))
    remedy = re.escape(f"there are: t, {name}; by its name {name!r} is no such wave: if it is one, rename it")
    refused(path, f"no column is named ppg, pcg, acc or ecg; {remedy}")
    refused(path, f"no column is named ppg; {remedy}", signal="ppg")
    beside = "\n".join(f"{i / 50:.2f},{i},66" for i in range(200))
    assert play(table(tmp_path / "t.csv", f"t,adc,{name}\n" + beside))[0].labels == ("adc",)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_text_as_other_programs_write_it(tmp_path: Path, encoding: str) -> None:
    text = "time (s),ppg (µV)\r\n" + "\r\n".join(f"{i / 50:.2f},{i}" for i in range(200))
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    np.testing.assert_array_equal(joined(play(tmp_path / "t.csv"), "ppg")[:, 0], np.arange(200))


def test_missing_rows_and_missing_numbers_are_gaps(tmp_path: Path) -> None:
    rows = [f"{i / 100:.2f},{'' if i in (50, 51) else i}" for i in range(200) if not 120 <= i < 140]
    blocks = play(table(tmp_path / "t.csv", "time,ppg\n" + "\n".join(rows)))
    seen = [s for b in blocks for s in range(b.seq, b.next_seq)]
    assert seen == [i for i in range(200) if i not in (50, 51) and not 120 <= i < 140]
    assert all(b.data[0, 0] == b.seq for b in blocks)
    assert all(b.t0 == pytest.approx(b.seq / 100.0) for b in blocks)


def test_uneven_times_are_kept_one_by_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.uniform(0.02, 0.05, 200))
    text = "time,ppg\n" + "\n".join(f"{x:.4f},{i}" for i, x in enumerate(t))
    blocks = play(table(tmp_path / "t.csv", text))
    assert [len(b.data) for b in blocks] == [1] * 200
    np.testing.assert_allclose([b.t0 for b in blocks], np.round(t - t[0], 4), atol=2e-4)
    assert [b.seq for b in blocks] == list(range(200))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("\n# nothing\n", "empty"),
        ("time,ppg\n", "a header and no rows"),
        ("time,ppg\n0,1\n", "one row is no signal"),
        ("mono,wall,epoch,seq,ir\n1,2,0,0,5\n", "one row is no signal"),
        ("time\n0.0\n0.01\n0.02\n0.03\n", "no column of samples"),
        ("ppg\n1\n2\n3\n", r"does not say its sampling rate; give rate_hz$"),
        ("time,ppg\n0,1\n0.01,2\n0.01,3\n0.02,4\n", r"line 4: time repeats \(0.01 s after 0.01 s\); .* give rate_hz$"),
        ("time,ppg\n0,1\n0.02,2\n0.01,3\n", r"line 4: time goes back \(0.01 s after 0.02 s\)$"),
        ("time,ppg\n0,1\n,2\n0.02,3\n", "line 3: no time"),
        ("time,ppg\n# a note\n0,1\n\n# another\n0.02,2\n0.01,3\n", "line 7: time goes back"),
        ("time,ppg\n0,1\n\n,2\n0.02,3\n", "line 4: no time"),
        ("time,ppg\n0:00.00,1\n0:00.01,2\nsoon,3\n0:00.03,4\n", "line 4: 'soon' is not a number"),
        ("time,ppg\n2026-11-26T23:00,1\n2026-11-26T22:00,2\n", r"line 3: time goes back"),
        ("time,ppg\n2026-11-26T23:00,1\n2026-11-26T01:00,2\n", r"line 3: time goes back"),  # and no new day
        ("time,ppg\nsoon,1\n0.01,2\n0.02,3\n", "line 2: 'soon' is not a number"),
        ('{"ppg": [1, 2, 3]}', "is JSON: export CSV or NPZ"),
        ("time,ppg\n0,1\n0.01,2\n0.02,3\n0.03", "line 5: 1 of 2 columns: half-written?"),
        ("time,ppg\n0,1\n0.01,2,9\n0.02,3\n", "line 3: 3 of 2 columns"),
        ("time,ppg\n0,1\n0.01,2x\n0.02,3\n", "line 3: '2x' is not a number"),
        ("time,ppg\n0,nan\n0.01,\n0.02,NaN\n", "ppg: no row holds numbers"),
        ("A short story.\nIt has two lines, and a comma.\n", "text, but no table of numbers"),
    ],
)
def test_a_table_that_is_wrong_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    refused(table(tmp_path / "t.csv", text), said)


def test_archives_of_every_layout(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ppg, acc, many = rng.normal(size=(2, 500)), rng.normal(size=(3, 500)), rng.integers(0, 99, (40, 300))
    np.savez(tmp_path / "spc.npz", ppg=ppg, acc=acc, fs=125)
    blocks = play(tmp_path / "spc.npz")
    np.testing.assert_array_equal(joined(blocks, "ppg"), ppg.T)
    np.testing.assert_array_equal(joined(blocks, "acc"), acc.T)
    np.savez(tmp_path / "windows.npz", ppg=many, fs=100, label=np.arange(40))
    np.testing.assert_array_equal(joined(play(f"{tmp_path}/windows.npz#17"), "ppg")[:, 0], many[17])
    np.testing.assert_array_equal(joined(play(tmp_path / "windows.npz", record=3), "ppg")[:, 0], many[3])
    np.savez(tmp_path / "icu.npz", pleth=many[:2], record=["a1", "b2"], fs=125, ecg_beats_250hz=np.arange(9))
    np.testing.assert_array_equal(joined(play(f"{tmp_path}/icu.npz#b2"), "ppg")[:, 0], many[1])
    np.savez(tmp_path / "both.npz", ppg=many[0], pcg=rng.normal(size=6000), fs_ppg=100, fs_pcg=2000)
    assert {(b.kind, b.rate) for b in play(tmp_path / "both.npz")} == {("ppg", 100.0), ("pcg", 2000.0)}
    assert {b.kind for b in play(tmp_path / "both.npz", signal="pcg")} == {"pcg"}
    refused(tmp_path / "windows.npz", "holds 40 records; say which: windows.npz#0 to #39")
    refused(f"{tmp_path}/icu.npz#c3", "no record 'c3': there are 2, from 0, for example a1")
    refused(f"{tmp_path}/icu.npz#²", "no record '²': there are 2, from 0, for example a1")
    refused(tmp_path / "spc.npz", "holds no pcg", signal="pcg")
    refused(f"{tmp_path}/spc.npz#b2", "spc.npz: is one recording; there is no record 'b2' in it")
    refused(tmp_path / "both.npz", "both.npz: is one recording; there is no record 3 in it", record=3)
    refused(f"{table(tmp_path / 't.csv', 'time,ppg')}#1", "t.csv: is one recording; there is no record '1' in it")


def test_archives_that_are_wrong(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.arange(4))
    refused(tmp_path / "other.npz", "holds none of ppg, pleth, .*; it holds: x")
    np.savez(tmp_path / "norate.npz", ppg=np.arange(400.0))
    refused(tmp_path / "norate.npz", "does not say its sampling rate: it has no key fs; give rate_hz$")
    np.savez(tmp_path / "nan.npz", ppg=np.full(400, np.nan), fs=100)
    refused(tmp_path / "nan.npz", "ppg: holds no numbers")
    np.savez(tmp_path / "none.npz", ppg=np.zeros(0), fs=100)
    refused(tmp_path / "none.npz", "ppg: empty")
    np.savez(tmp_path / "none.npz", ppg=np.zeros((0, 400)), fs=100)
    refused(tmp_path / "none.npz", "ppg: empty")
    np.savez(tmp_path / "words.npz", ppg=np.array(["a", "b"]), fs=100)
    refused(tmp_path / "words.npz", "ppg: holds no numbers")
    np.savez(tmp_path / "deep.npz", ppg=np.zeros((9, 9, 9)), fs=100)
    refused(tmp_path / "deep.npz", "is no signal")
    np.savez(tmp_path / "objects.npz", ppg=np.array([{}], dtype=object), fs=100)
    refused(tmp_path / "objects.npz", "damaged, half-written or not a NumPy archive")
    np.savez(tmp_path / "good.npz", ppg=np.arange(4000.0), fs=100)
    content = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "half.npz", "damaged, half-written or not a NumPy archive")
    with zipfile.ZipFile(tmp_path / "office.xlsx", "w") as archive:
        archive.writestr("sheet.xml", "<x/>")
    refused(tmp_path / "office.xlsx", "holds none of ppg")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-1e308 2\n0.1 2\n0.2 3\n0.3 4", "line 1: no time"),
        ("time,ppg\n0,1\n1e-320,2\n2e-320,3", "a sampling rate of inf Hz makes no sense"),
        ("sample,ppg\n0,1\n1,2\n1e300,3", r"line 4: the row number does not rise \(1e\+300\)"),
        (
            "mono,wall,epoch,seq,ppg\n0,1,0,0,5\n1e-320,1,0,1,6\n2e-320,1,0,2,7",
            "a sampling rate of inf Hz makes no sense",
        ),
        ("mono,wall,epoch,seq,ppg\n0,1,0,0,5\n1,1,0,1,6\n2,1,0,2,7\n1e300,1,0,9,7", "line 5: no time"),
        ("u;v\n0:02;[\n0:01;[", "text, but no table of numbers"),
    ],
)
def test_numbers_that_are_no_times_are_named(tmp_path: Path, text: str, said: str) -> None:
    refused(table(tmp_path / "t.csv", text), said, **({"rate_hz": 2.0} if text[0] == "s" else {}))


@pytest.mark.parametrize("block_s", [0.1, 0.033])
def test_a_hole_of_years_takes_no_time(tmp_path: Path, block_s: float) -> None:
    times = [*(i / 100 for i in range(100)), *(1.7e9 + i / 100 for i in range(100))]  # the device's clock was set
    path = table(tmp_path / "t.csv", "time,ppg\n" + "\n".join(f"{t:.2f},{i}" for i, t in enumerate(times)))
    source = files.build(name="file", path=str(path), block_s=block_s, clock=ManualClock())
    source.open()
    read = []
    with pytest.raises(EOFError):
        for _ in range(100):
            read += source.read()
    np.testing.assert_array_equal(np.concatenate([b.data[:, 0] for b in read]), np.arange(200))
    np.testing.assert_allclose([b.t0 for b in read], [times[int(b.data[0, 0])] for b in read])
