"""Recorded files: the same samples whatever the format or the chunking, and one clear line for a file that is wrong."""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.sources import files
from edge.types import Block, ConfigError, SourceError

SOUND = np.sin(np.arange(9000) * 0.11) * 0.7


def wav(samples: np.ndarray, rate: int = 2000, *, code: int = 1, bits: int = 16, extra: bytes = b"") -> bytes:
    """A WAV file of samples ``(n,)`` or ``(n, channels)`` within ±1."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    if code == 3:
        raw = samples.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        raw = np.round(samples * 127 + 128).astype(np.uint8).tobytes()
    else:
        whole = np.round(samples * (2.0 ** (bits - 1) - 1)).astype("<i4")
        raw = whole[..., None].view(np.uint8).reshape(*samples.shape, 4)[..., : bits // 8].tobytes()
    frame = samples.shape[1] * bits // 8
    form = struct.pack("<HHIIHH", code, samples.shape[1], rate, rate * frame, frame, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + form + extra + b"data" + struct.pack("<I", len(raw)) + raw
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def play(path: Path | str, **settings: Any) -> list[Block]:
    source = files.build(name="file", path=str(path), clock=ManualClock(), **settings)
    source.open()
    found: list[Block] = []
    try:
        while True:
            found += source.read()
    except EOFError:
        return found
    finally:
        source.close()


def joined(blocks: list[Block], kind: str) -> np.ndarray:
    return np.concatenate([b.data for b in blocks if b.kind == kind])


def refused(path: Path | str, said: str, **settings: Any) -> None:
    with pytest.raises(SourceError, match=said) as error:
        play(path, **settings)
    assert "\n" not in str(error.value)
    assert Path(str(path).split("#")[0]).name in str(error.value)


# ---- sound -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)])
def test_wav_of_every_width_is_the_same_sound(tmp_path: Path, code: int, bits: int) -> None:
    path = tmp_path / "heart.wav"
    path.write_bytes(wav(SOUND, code=code, bits=bits, extra=b"LIST\x03\0\0\0abc\0"))
    blocks = play(path)
    assert {b.stream for b in blocks} == {"file/pcg"}
    assert blocks[0].rate == 2000.0
    np.testing.assert_allclose(joined(blocks, "pcg")[:, 0], SOUND, atol=0.01 if bits == 8 else 1e-4)


def test_flac_and_wav_give_equal_numbers(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "a.wav").write_bytes(wav(SOUND))
    whole = np.round(SOUND * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", whole, 2000, subtype="PCM_16")
    for block_s in (0.1, 0.0333):
        np.testing.assert_array_equal(
            joined(play(tmp_path / "a.wav", block_s=block_s), "pcg"), joined(play(tmp_path / "a.flac"), "pcg")
        )


def test_stereo_gives_the_first_channel_or_the_one_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    path.write_bytes(wav(np.stack([SOUND, -SOUND], axis=1), 8000))
    left, right = joined(play(path), "pcg"), joined(play(path, channel=1), "pcg")
    np.testing.assert_allclose(left, -right)
    assert left.shape == (9000, 1)
    refused(path, r"has 2 channel\(s\), counted from 0; there is no channel 2", channel=2)


def test_a_slow_wav_is_a_pulse_wave_and_kind_overrides(tmp_path: Path) -> None:
    path = tmp_path / "finger.wav"
    path.write_bytes(wav(SOUND, 100))
    assert {b.kind for b in play(path)} == {"ppg"}
    assert {b.kind for b in play(path, signal="ecg")} == {"ecg"}


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "heart.csv"
    path.write_bytes(wav(SOUND))
    assert len(joined(play(path), "pcg")) == 9000


# ---- tables ------------------------------------------------------------------------------------------------------


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_csv_columns_go_to_their_streams(tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 50:.2f},{i},{-i},{i % 7},0,1,SR" for i in range(200))
    blocks = play(table(tmp_path / "t.csv", "time,ir,red,acc_x,acc_y,acc_z,label\n" + rows))
    assert {(b.kind, b.rate, b.labels) for b in blocks} == {
        ("ppg", 50.0, ("ir", "red")),
        ("acc", 50.0, ("acc_x", "acc_y", "acc_z")),
    }
    np.testing.assert_array_equal(joined(blocks, "ppg"), np.stack([np.arange(200), -np.arange(200)], axis=1))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("time_ms,ppg", lambda i: f"{i * 10},{i}"),
        ("t (ms);ppg", lambda i: f"{i * 10};{i}"),
        ("time,ppg", lambda i: f"{i * 10},{i}"),  # nothing here is sampled every ten seconds
        ("timestamp,ppg", lambda i: f"{1.7e9 + i / 100:.2f},{i}"),
        ("time_us\tppg", lambda i: f"{i * 10000}\t{i}"),
        ("Zeit;ppg", None),
        (None, lambda i: f"{i / 100} {i}"),
        ('"time","ppg"', lambda i: f'"{i / 100}","{i}"'),
        ("time;ppg", lambda i: f"{i // 100},{i % 100:02d};{i}"),
    ],
)
def test_csv_dialects(tmp_path: Path, header: str | None, row: Callable[[int], str] | None) -> None:
    if row is None:
        text, given = "ppg\n" + "\n".join(str(i) for i in range(300)), {"rate_hz": 100.0}
    else:
        text, given = "\n".join([*([header] if header else []), *(row(i) for i in range(300))]), {}
    blocks = play(table(tmp_path / "t.csv", "# comment\n" + text + "\n\n"), **given)
    assert blocks[0].rate == pytest.approx(100.0, abs=1e-6)
    np.testing.assert_array_equal(joined(blocks, "ppg")[:, 0], np.arange(300))


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
        ("ppg\n1\n2\n3\n", r"does not say its sampling rate; give rate_hz \(--rate\)"),
        ("time,ppg\n0,1\n0.01,2\n0.01,3\n0.02,4\n", r"line 4: time repeats \(0.01 s after 0.01 s\)"),
        ("time,ppg\n0,1\n0.02,2\n0.01,3\n", r"line 4: time goes back \(0.01 s after 0.02 s\)"),
        ("time,ppg\n0,1\n,2\n0.02,3\n", "line 3: no time"),
        ("time,ppg\n0,1\n0.01,2\n0.02,3\n0.03", "line 5: 1 of 2 columns: half-written?"),
        ("time,ppg\n0,1\n0.01,2,9\n0.02,3\n", "line 3: 3 of 2 columns"),
        ("time,ppg\n0,1\n0.01,2x\n0.02,3\n", "line 3: '2x' is not a number"),
        ("time,ppg\n0,nan\n0.01,\n0.02,NaN\n", "ppg: no row holds numbers"),
        ("A short story.\nIt has two lines, and a comma.\n", "text, but no table of numbers"),
    ],
)
def test_a_table_that_is_wrong_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    refused(table(tmp_path / "t.csv", text), said)


# ---- archives ----------------------------------------------------------------------------------------------------


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
    refused(tmp_path / "spc.npz", "holds no pcg", signal="pcg")


def test_archives_that_are_wrong(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.arange(4))
    refused(tmp_path / "other.npz", "holds none of ppg, pleth, .*; it holds: x")
    np.savez(tmp_path / "norate.npz", ppg=np.arange(400.0))
    refused(tmp_path / "norate.npz", "does not say its sampling rate")
    np.savez(tmp_path / "nan.npz", ppg=np.full(400, np.nan), fs=100)
    refused(tmp_path / "nan.npz", "ppg: holds no numbers")
    np.savez(tmp_path / "none.npz", ppg=np.zeros(0), fs=100)
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


# ---- clinical formats --------------------------------------------------------------------------------------------


def edf(signals: dict[str, tuple[int, np.ndarray]], *, kind: str = "") -> bytes:
    """One-second records; signals: label to (rate, whole numbers); physical = digital / 10."""
    seconds = min(len(x) // rate for rate, x in signals.values())
    fixed = f"{'0':<8}{'':<80}{'':<80}{'01.01.01':<8}{'00.00.00':<8}{256 * (len(signals) + 1):<8}{kind:<44}"
    fixed += f"{seconds:<8}{1:<8}{len(signals):<4}"
    columns = [(16, list(signals))]
    columns += [(w, [v] * len(signals)) for w, v in ((80, ""), (8, "mV"), (8, "-3276.8"), (8, "3276.7"))]
    columns += [(w, [v] * len(signals)) for w, v in ((8, "-32768"), (8, "32767"), (80, ""))]
    columns += [(8, [str(rate) for rate, _ in signals.values()]), (32, [""] * len(signals))]
    head = fixed + "".join(f"{v:<{w}}" for w, values in columns for v in values)
    body = b"".join(
        x[s * rate : (s + 1) * rate].astype("<i2").tobytes() for s in range(seconds) for rate, x in signals.values()
    )
    return head.encode() + body


def test_edf(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pleth, lead = rng.integers(-3000, 3000, 1250), rng.integers(-3000, 3000, 2500)
    (tmp_path / "r.edf").write_bytes(edf({"Pleth": (125, pleth), "ECG II": (250, lead), "EDF Annotations": (9, lead)}))
    blocks = play(tmp_path / "r.edf", block_s=0.33)
    assert {(b.kind, b.rate, b.labels) for b in blocks} == {("ppg", 125.0, ("Pleth",)), ("ecg", 250.0, ("ECG II",))}
    np.testing.assert_allclose(joined(blocks, "ppg")[:, 0], pleth / 10.0)
    np.testing.assert_allclose(joined(blocks, "ecg")[:, 0], lead / 10.0)
    content = (tmp_path / "r.edf").read_bytes()
    (tmp_path / "half.edf").write_bytes(content[:-2000])
    refused(tmp_path / "half.edf", "half-written: promises 10 s and holds")
    (tmp_path / "head.edf").write_bytes(content[:300])
    refused(tmp_path / "head.edf", "header is damaged or half-written")
    (tmp_path / "gaps.edf").write_bytes(edf({"Pleth": (125, pleth)}, kind="EDF+D"))
    refused(tmp_path / "gaps.edf", "interrupted EDF")
    (tmp_path / "eeg.edf").write_bytes(edf({"Fp1": (125, pleth), "Fp2": (125, pleth)}))
    refused(tmp_path / "eeg.edf", "no signal is named ppg, pcg, acc or ecg; there are: Fp1, Fp2")


def test_wfdb_formats_16_and_212(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pair = rng.integers(-2000, 2000, (500, 2))
    pair[100:110, 0] = -2048
    low, high = pair[:, 0] & 0xFFF, pair[:, 1] & 0xFFF
    packed = np.stack([low & 0xFF, (low >> 8) | ((high >> 8) << 4), high & 0xFF], axis=1).astype(np.uint8)
    (tmp_path / "m.dat").write_bytes(packed.tobytes())
    (tmp_path / "m.hea").write_text("m 2 250 500\nm.dat 212 100(50)/mV 12 0 0 0 0 PLETH\nm.dat 212 200 12 0 0 0 0 II\n")
    for name in ("m.hea", "m.dat"):
        blocks = play(tmp_path / name, signal="ppg")
        seen = [s for b in blocks for s in range(b.seq, b.next_seq)]
        assert seen == [i for i in range(500) if not 100 <= i < 110]
        np.testing.assert_allclose(joined(blocks, "ppg")[:, 0], (pair[seen, 0] - 50) / 100.0)
    (tmp_path / "c.mat").write_bytes(b"\0" * 24 + pair.astype("<i2").tobytes())
    (tmp_path / "c.hea").write_text(
        "c 2 250 500\nc.mat 16+24 100/mV 16 0 0 0 0 PLETH\nc.mat 16+24 1/mV 16 0 0 0 0 ABP\n"
    )
    np.testing.assert_allclose(joined(play(tmp_path / "c.mat"), "ppg")[:, 0], pair[:, 0] / 100.0)
    (tmp_path / "c.mat").write_bytes(b"\0" * 24 + pair[:300].astype("<i2").tobytes())
    refused(tmp_path / "c.mat", "half-written: promises 2 s and holds 1 s")
    (tmp_path / "d.dat").write_bytes(b"\1\2\3")
    refused(tmp_path / "d.dat", "a WFDB signal file without its header d.hea")
    for text in ("", "c 2\n", "c x 250\n", "c 2 250 500\nc.mat 16 100/mV\n"):
        (tmp_path / "c.hea").write_text(text)
        refused(tmp_path / "c.hea", r"c\.hea: .*(damaged|several signal files)")


# ---- files that are wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 60, "a video .Matroska or WebM.: use a source of kind camera"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 60, "a video or compressed sound"),
        (b"RIFF\0\0\0\0AVI LIST", r"a video \(AVI\)"),
        (b"ID3\4" + b"\0" * 60, "MP3, which loses what a murmur is made of"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 60, "a picture"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x89HDF\r\n", "HDF5: export CSV or NPZ"),
        (b"\x1f\x8b\x08\0", "compressed with gzip"),
        (b"\x7fELF\0\0\0\0", "not a recording of a known format"),
        ("naïve".encode("latin-1"), "neither a known recording nor text"),
        (wav(SOUND)[:-9000], "half-written: promises 4.5 s of sound and holds 2.2 s"),
        (wav(SOUND)[:40], "half-written: no samples"),
        (wav(SOUND[:0]), "holds no sound"),
        (wav(SOUND, code=3, bits=16), "WAV of format 3 with 16 bits; convert it to 16-bit PCM"),
        (wav(SOUND, rate=0), "a sampling rate of 0 Hz makes no sense"),
        (b"fLaC" + b"\0" * 60, "damaged or half-written sound"),
        (b"0       " + b"\0" * 60, "EDF header is damaged or half-written"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "heart.wav"
    path.write_bytes(content)
    refused(path, said)


def test_a_truncated_flac_is_refused_when_opened(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    noise = np.random.default_rng(0).integers(-9000, 9000, 40_000).astype(np.int16)
    soundfile.write(tmp_path / "whole.flac", noise, 2000)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "half.flac", "half-written")


def test_missing_folder_rate_and_settings(tmp_path: Path) -> None:
    refused(tmp_path / "none.wav", "none.wav: no such file")
    refused(tmp_path, "a folder; name a file in it")
    (tmp_path / "a.wav").write_bytes(wav(SOUND))
    refused(tmp_path / "a.wav", "was sampled at 2000 Hz, not 4000 Hz; leave rate_hz out", rate_hz=4000.0)
    for wrong in ({"signal": "eeg"}, {"pace": "fast"}, {"block_s": 0.0}, {"block_s": 60.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))}: "):
            play(tmp_path / "a.wav", **wrong)


def test_no_permission_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(SOUND))
    path.chmod(0)
    if os.geteuid() != 0:
        refused(path, "no permission to read it")
        return
    tmp_path.chmod(0o755)
    child = os.fork()
    if child == 0:  # as root every file opens: ask as nobody, in a child of our own
        try:
            os.setuid(65534)
            files.open_tracks(path)
        except SourceError as error:
            os._exit(0 if "no permission" in str(error) or "no such" in str(error) else 2)
        except PermissionError:
            os._exit(3)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_anywhere_is_samples_or_one_line(tmp_path: Path, data: st.DataObject) -> None:
    rows = "time,ppg\n" + "\n".join(f"{i / 100},{i}" for i in range(40))
    whole = data.draw(st.sampled_from([wav(SOUND[:200]), rows.encode(), edf({"Pleth": (50, np.arange(100))})]))
    content = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.bin"
    path.write_bytes(bytes(content))
    try:
        blocks, said = play(path), ""
    except SourceError as error:
        blocks, said = [], str(error)
    assert "\n" not in said
    assert all(np.isfinite(b.data).all() for b in blocks)


# ---- time --------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(block_s=st.floats(0.003, 9.0), rate=st.sampled_from([100, 125, 333, 2000, 4000, 44100]))
def test_chunks_of_any_length_hold_the_same_samples(tmp_path: Path, block_s: float, rate: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(SOUND, rate))
    blocks = play(path, block_s=block_s, signal="pcg")
    expected = 0
    for block in blocks:
        assert block.seq == expected
        assert block.t0 == pytest.approx(block.seq / rate, abs=1e-9)
        expected = block.next_seq
    assert expected == 9000
    np.testing.assert_array_equal(joined(blocks, "pcg"), joined(play(path, signal="pcg"), "pcg"))


def test_real_pace_follows_the_clock_and_waits_briefly(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(SOUND))
    clock = ManualClock(100.0)
    source = files.build(name="f", path=str(tmp_path / "a.wav"), pace="real", block_s=1.0, clock=clock)
    assert not source.can_wait
    source.open()
    came = []
    try:
        while True:
            before = clock.now()
            came += [(b.t0, b.t_end, clock.now()) for b in source.read()]
            assert clock.now() - before <= 0.5
    except EOFError:
        pass
    assert [t0 for t0, _, _ in came] == [100.0, 101.0, 102.0, 103.0, 104.0]
    assert all(t_end <= now + 1e-9 for _, t_end, now in came)
    assert clock.now() == pytest.approx(105.0, abs=0.01)


def test_looping_begins_a_new_epoch_and_time_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(SOUND))
    source = files.build(name="f", path=str(tmp_path / "a.wav"), loop=True, clock=ManualClock())
    source.open()
    blocks = [b for _ in range(140) for b in source.read()]
    assert {b.epoch for b in blocks} == {0, 1, 2, 3}
    assert [b.t0 for b in blocks if b.seq == 0] == [0.0, 4.5, 9.0, 13.5]
    assert all(b.t0 >= a.t_end - 1e-9 for a, b in itertools.pairwise(blocks))


def test_a_file_that_shrinks_while_it_is_read_is_one_line(tmp_path: Path) -> None:
    for name, content in (("a.wav", wav(SOUND)), ("a.edf", edf({"Pleth": (125, np.arange(1250))}))):
        (tmp_path / name).write_bytes(content)
        source = files.build(name="f", path=str(tmp_path / name), clock=ManualClock())
        source.open()
        assert source.read()
        (tmp_path / name).write_bytes(content[:600])
        while (tmp_path / name).exists():
            with contextlib.suppress(SourceError):
                source.read()
                continue
            with pytest.raises(SourceError, match=f"{name}: became shorter while it was read"):
                source.read()
            (tmp_path / name).unlink()
        with pytest.raises(SourceError, match=f"{name}: cannot be read any more: No such file"):
            source.read()


def test_opening_again_begins_a_new_epoch_and_closing_twice_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(SOUND))
    source = files.build(name="f", path=str(tmp_path / "a.wav"), clock=ManualClock())
    source.open()
    assert source.read()[0].epoch == 0
    source.close()
    source.close()
    with pytest.raises(EOFError):
        source.read()
    source.open()
    assert source.read()[0].epoch == 1


# ---- real recordings ---------------------------------------------------------------------------------------------


def test_real_recordings_of_every_layout(data_dir: Path) -> None:
    sound = sorted((data_dir / "pcg" / "circor2022").glob("*.flac"))[0]
    assert {(b.kind, b.rate) for b in play(sound)} == {("pcg", 2000.0)}
    icu = play(f"{data_dir}/ppg/cinc2015.npz#a104s")
    assert sum(len(b.data) for b in icu) == 25_000
    assert icu[0].rate == 125.0
    window = play(f"{data_dir}/ppg/liu2022.npz#17")
    assert sum(len(b.data) for b in window) == 1000
    motion = play(sorted((data_dir / "pulse" / "spc2015").glob("*.npz"))[0])
    assert {(b.kind, b.data.shape[1]) for b in motion} == {("ppg", 2), ("acc", 3)}
    finger = play(sorted((data_dir / "camera" / "fingertip_welltory").glob("*/*.csv"))[0])
    assert {(b.kind, len(b.data), b.labels) for b in finger} == {("ppg", 1, ("R", "G", "B"))}
    refused(next((data_dir / "camera" / "light").glob("*.avi")), "a video")
