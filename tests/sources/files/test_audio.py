"""WAV and FLAC: the same sound of every width, and a pulse wave where the rate says so."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from files_played import SOUND, joined, play, refused, wav


@pytest.mark.parametrize(("code", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)])
def test_wav_of_every_width_is_the_same_sound(tmp_path: Path, code: int, bits: int) -> None:
    path = tmp_path / "heart.wav"
    path.write_bytes(wav(SOUND, code=code, bits=bits, extra=b"LIST\x03\0\0\0abc\0"))
    blocks = play(path)
    assert {b.stream for b in blocks} == {"file/pcg"}
    assert blocks[0].rate == 2000.0
    np.testing.assert_allclose(joined(blocks, "pcg")[:, 0], SOUND, atol=0.01 if bits == 8 else 1e-4)


@pytest.mark.parametrize("content", [b"RIFF\0\0\0\0WAVEfmt ", b"RF64\0\0\0\0WAVEds64"])
def test_what_a_damaged_header_promises_takes_no_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content + b"\xf0\xff\xff\x7f" + b"\0" * 99)
    tracemalloc.start()
    refused(tmp_path / "a.wav", "half-written: no samples in this WAV file")
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


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


@pytest.mark.parametrize("promised", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_stream_whose_header_nobody_finished_is_read_to_its_end(tmp_path: Path, promised: int) -> None:
    whole = wav(SOUND)
    (tmp_path / "a.wav").write_bytes(whole.replace(struct.pack("<I", 18_000), struct.pack("<I", promised)))
    np.testing.assert_allclose(joined(play(tmp_path / "a.wav"), "pcg")[:, 0], SOUND, atol=1e-4)


def test_a_header_that_promises_nothing_before_sound_is_half_written(tmp_path: Path) -> None:
    whole = wav(SOUND)
    (tmp_path / "a.wav").write_bytes(whole.replace(struct.pack("<I", 18_000), struct.pack("<I", 0)))
    refused(tmp_path / "a.wav", "half-written, or without sound: its header promises none, and 18000 bytes follow")
    (tmp_path / "b.wav").write_bytes(wav(SOUND[:0]))
    refused(tmp_path / "b.wav", "holds no sound")


def test_half_a_file_of_no_rate_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(SOUND, 0)[:-100])
    refused(tmp_path / "a.wav", "a sampling rate of 0 Hz makes no sense here")


def test_a_wfdb_header_beside_a_sound_does_not_hide_it(tmp_path: Path) -> None:
    """CinC 2016 has such headers: the sound beside an ECG in a file of its own."""
    (tmp_path / "a.wav").write_bytes(wav(SOUND))
    (tmp_path / "a.hea").write_text("a 2 2000 9000\na.dat 16 1000 16 0 0 0 0 ECG\na.wav 16+44 1000 16 0 0 0 0 PCG\n")
    np.testing.assert_allclose(joined(play(tmp_path / "a.wav"), "pcg")[:, 0], SOUND, atol=1e-4)


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "heart.csv"
    path.write_bytes(wav(SOUND))
    assert len(joined(play(path), "pcg")) == 9000


@pytest.mark.parametrize("name", ["RF64", "W64", "AU", "CAF", "AIFF"])
def test_other_containers_of_sound_are_read_too(tmp_path: Path, name: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "heart", np.round(SOUND * 32767).astype(np.int16), 2000, "PCM_16", format=name)
    np.testing.assert_allclose(joined(play(tmp_path / "heart"), "pcg")[:, 0], SOUND, atol=1e-4)


def test_a_large_wav_holds_what_its_own_chunk_of_sizes_says(tmp_path: Path) -> None:
    """RF64: the data chunk's size is a mark, the size itself stands in ds64."""
    whole = wav(SOUND).replace(struct.pack("<4sI", b"data", 18_000), struct.pack("<4sI", b"data", 0xFFFFFFFF))
    large = b"RF64" + whole[4:12] + struct.pack("<4sIQQQI", b"ds64", 28, 18_036, 18_000, 9000, 0) + whole[12:]
    (tmp_path / "heart.wav").write_bytes(large)
    np.testing.assert_allclose(joined(play(tmp_path / "heart.wav"), "pcg")[:, 0], SOUND, atol=1e-4)
    (tmp_path / "cut.wav").write_bytes(large[:-9000])
    refused(tmp_path / "cut.wav", "half-written: promises 4.5 s of sound and holds 2.2 s")


@pytest.mark.parametrize("padding", [b"\0", b""])
def test_an_odd_chunk_may_lack_the_byte_that_fills_it_up(tmp_path: Path, padding: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(wav(SOUND, extra=b"LIST\x09\0\0\0INFOabcde" + padding))
    np.testing.assert_allclose(joined(play(tmp_path / "a.wav"), "pcg")[:, 0], SOUND, atol=1e-4)


def test_a_promise_that_is_short_of_less_than_a_sample_is_kept(tmp_path: Path) -> None:
    promised = wav(SOUND).replace(struct.pack("<I", 18_000), struct.pack("<I", 18_001))
    (tmp_path / "a.wav").write_bytes(promised)
    assert len(joined(play(tmp_path / "a.wav"), "pcg")) == 9000


def test_an_ogg_that_breaks_off_is_half_written(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 80_000)
    soundfile.write(tmp_path / "whole.ogg", noise, 2000)
    assert len(joined(play(tmp_path / "whole.ogg"), "pcg")) == 80_000
    content = (tmp_path / "whole.ogg").read_bytes()
    (tmp_path / "half.ogg").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "half.ogg", r"half-written: its sound breaks off after \d+\.\d s")
