"""EDF and WFDB, against files made here byte by byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from files_played import edf, joined, play, refused


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
    unknown = content[:236] + b"-1      " + content[244 : 256 * 4 - 1]  # how many records there are; one byte too few
    (tmp_path / "none.edf").write_bytes(unknown)
    refused(tmp_path / "none.edf", "half-written: promises 0 s and holds 0 s")
    (tmp_path / "below.edf").write_bytes(content.replace(b"250     ", b"-25     "))
    refused(tmp_path / "below.edf", "header is damaged or half-written")
    (tmp_path / "gaps.edf").write_bytes(edf({"Pleth": (125, pleth)}, kind="EDF+D"))
    refused(tmp_path / "gaps.edf", "interrupted EDF")
    (tmp_path / "eeg.edf").write_bytes(edf({"Fp1": (125, pleth), "Fp2": (125, pleth)}))
    refused(tmp_path / "eeg.edf", "no signal is named ppg, pcg, acc or ecg; there are: Fp1, Fp2")


@pytest.mark.parametrize("label", ["EEG Fpz-Cz", "Resp chest", "EMG submental", "SpO2", "HR", "Heart rate", "Quality"])
def test_a_lone_signal_that_is_named_something_else_is_no_pulse(tmp_path: Path, label: str) -> None:
    pleth = np.arange(1250) % 99
    (tmp_path / "lone.edf").write_bytes(edf({label: (125, pleth)}))
    remedy = f"there are: {label}; by its name {label!r} is no such wave: if it is one, rename it"
    refused(tmp_path / "lone.edf", f"no signal is named ppg, pcg, acc or ecg; {remedy}")
    refused(tmp_path / "lone.edf", f"no signal is named ppg; {remedy}", signal="ppg")
    (tmp_path / "any.edf").write_bytes(edf({"channel 1": (125, pleth)}))
    assert {(b.kind, b.labels) for b in play(tmp_path / "any.edf")} == {("ppg", ("channel 1",))}


def test_the_pulse_rate_beside_the_wave_is_not_taken_for_it(tmp_path: Path) -> None:
    pleth, rate = np.arange(1250) % 99, np.full(10, 66)
    (tmp_path / "night.edf").write_bytes(edf({"Pulse": (1, rate), "SpO2": (1, rate), "Pleth": (125, pleth)}))
    blocks = play(tmp_path / "night.edf", signal="ppg")
    assert {(b.kind, b.rate, b.labels) for b in blocks} == {("ppg", 125.0, ("Pleth",))}
    (tmp_path / "rate.edf").write_bytes(edf({"Pulse": (1, rate), "SpO2": (1, rate)}))
    assert {(b.kind, b.rate, b.labels) for b in play(tmp_path / "rate.edf")} == {("ppg", 1.0, ("Pulse",))}


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
    beyond = f"16+{10**30}"
    wrong = (("250", "16+-4"), ("250", beyond), ("250 -4", "16"), ("0 999", "16"))
    heads = [f"c 1 {told}\nc.mat {form} 1/mV\n" for told, form in wrong]
    for text in ("", "c 2\n", "c x 250\n", "c 2 250 500\nc.mat 16 100/mV\n", *heads):
        (tmp_path / "c.hea").write_text(text)
        refused(tmp_path / "c.hea", r"c\.hea: .*(damaged|several signal files)")
    (tmp_path / "c.hea").write_text(f"c 1 250\n{'c' * 300} 16 1/mV\n")
    refused(tmp_path / "c.hea", r"c\.hea: cannot be read: File name too long")


def test_an_odd_number_of_samples_in_format_212_is_whole(tmp_path: Path) -> None:
    """The last one takes two bytes, and what its third would hold is no sample."""
    (tmp_path / "m.dat").write_bytes(bytes([1, 0x20, 3, 4, 0x00]))
    for told in ("250 3", "250", "250 0"):
        (tmp_path / "m.hea").write_text(f"m 1 {told}\nm.dat 212 1 12 0 0 0 0 PLETH\n")
        assert joined(play(tmp_path / "m.hea"), "ppg").tolist() == [[1.0], [0x203], [4.0]]


def test_a_wfdb_record_of_no_known_length_is_as_long_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "m.dat").write_bytes(np.arange(500, dtype="<i2").tobytes())
    (tmp_path / "m.hea").write_text("m 1 250 0\nm.dat 16 1 16 0 0 0 0 PLETH\n")
    assert len(joined(play(tmp_path / "m.hea"), "ppg")) == 500
    (tmp_path / "m.dat").write_bytes(b"")
    refused(tmp_path / "m.hea", "holds no samples")
