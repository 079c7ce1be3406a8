"""Any file: refused in one line where it is wrong, and the same samples at every pace and in every chunk."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.sources import files
from edge.types import ConfigError, SourceError
from files_played import SOUND, edf, joined, play, refused, wav


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 60, "a video .Matroska or WebM.: use a source of kind camera"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 60, "a video or compressed sound"),
        (b"RIFF\0\0\0\0AVI LIST", r"a video \(AVI\)"),
        (b"ID3\4" + b"\0" * 60, "MP3, which is not read: convert it to WAV or FLAC"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 60, "a picture"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PAR1\x15\x04", "a Parquet table: export CSV, EDF or WFDB"),
        (b"\x89HDF\r\n", "HDF5: export CSV or NPZ"),
        (b"\x1f\x8b\x08\0", "compressed with gzip"),
        (b"\x7fELF\0\0\0\0", "not a recording of a known format"),
        (b"not a sound at all\n", "has a header and no rows; it was read as text, since it does not begin as WAV does"),
        ("naïve\1".encode("latin-1"), "neither a known recording nor text"),
        (b"\xff\xf3\x84\xc4" + b"\0" * 60, "MP3, which is not read: convert it to WAV or FLAC"),
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


def test_a_pipe_and_a_device_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "a pipe or a device, not a file")
    refused("/dev/zero", "a pipe or a device, not a file")


def test_a_truncated_flac_is_refused_when_opened(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    noise = np.random.default_rng(0).integers(-9000, 9000, 40_000).astype(np.int16)
    soundfile.write(tmp_path / "whole.flac", noise, 2000)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "half.flac", "half-written")


def test_missing_folder_rate_and_settings(tmp_path: Path) -> None:
    refused(tmp_path / "none.wav", "none.wav: no such file")
    (tmp_path / "s1.hea").touch()
    refused(tmp_path / "s1", r"s1: no such file; did you mean .*/s1\.hea\?")
    refused(tmp_path, "a folder; name a file in it")
    (tmp_path / "a.wav").write_bytes(wav(SOUND))
    refused(tmp_path / "a.wav", "was sampled at 2000 Hz, not 4000 Hz; leave rate_hz out", rate_hz=4000.0)
    with pytest.raises(ConfigError, match="signal: "):
        play(tmp_path / "a.wav", signal="eeg")


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
    assert all(np.isfinite(b.data).any(axis=1).all() for b in blocks)


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
