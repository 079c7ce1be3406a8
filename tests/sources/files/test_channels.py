"""A stream of several channels: one that is missing takes nothing with it and is named, and motion stays beside a pulse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from files_played import edf, joined, notes, play, refused, unheard

NAN = np.nan


def table(path: Path, header: str, columns: list[np.ndarray]) -> Path:
    rows = [",".join("" if np.isnan(x) else f"{x:g}" for x in row) for row in np.stack(columns, axis=1)]
    path.write_text("\n".join([header, *rows]))
    return path


T = np.arange(4000) / 100.0
IR = 1000.0 + np.arange(4000) % 90


def without(a: int, b: int) -> np.ndarray:
    red = IR + 5.0
    red[a:b] = NAN
    return red


@pytest.mark.parametrize("form", ["csv", "npz"])
@pytest.mark.parametrize(
    ("red", "said"),
    [
        (without(0, 0), ""),
        (without(2000, 2030), ""),  # a gap within is told by the readings
        (without(0, 4000), "is empty: no row of it holds a number"),
        (without(1500, 4000), "ends at 15 s of 40 s"),
        (without(0, 1000), "begins at 10 s"),
        (np.where((T < 5) | (T >= 30), NAN, IR), "begins at 5 s and ends at 30 s of 40 s"),
    ],
)
def test_what_one_channel_lacks_stays_in_the_other_and_is_named(
    tmp_path: Path, form: str, red: np.ndarray, said: str
) -> None:
    path = tmp_path / f"two.{form}"
    if form == "csv":
        table(path, "t,ir,red", [T, IR, red])
    else:
        np.savez(path, ppg=np.stack([IR, red]), fs=100)
    blocks = play(path)
    assert sum(len(b.data) for b in blocks) == 4000
    np.testing.assert_array_equal(joined(blocks, "ppg"), np.stack([IR, red], axis=1))
    assert notes(path) == [f"ppg: channel 1{' (red)' if form == 'csv' else ''} {said}"] * bool(said)
    np.testing.assert_array_equal(joined(play(path, channel=0), "ppg")[:, 0], IR)
    assert notes(path, channel=0) == []
    if np.isfinite(red).any():
        np.testing.assert_array_equal(joined(play(path, channel=1), "ppg")[:, 0], red[np.isfinite(red)])
    else:
        refused(path, "ppg: (no row )?holds (no )?numbers", channel=1)


def test_a_stream_without_a_number_is_named_where_another_has_some(tmp_path: Path) -> None:
    nothing = np.full((3, 4000), NAN)
    table(tmp_path / "a.csv", "t,ppg,ax,ay,az", [T, IR, *nothing])
    np.savez(tmp_path / "a.npz", ppg=IR, acc=nothing, fs=100)
    for name in ("a.csv", "a.npz"):
        assert {b.kind for b in play(tmp_path / name)} == {"ppg"}
        assert notes(tmp_path / name) == ["acc is empty: no row of it holds a number"]
        assert {b.kind for b in play(tmp_path / name, signal="ppg")} == {"ppg"}
        refused(tmp_path / name, "acc: .*holds (no )?numbers", signal="acc")


def test_a_stream_that_ends_before_the_others_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ppg=IR, acc=np.ones((3, 1500)), fs=100)
    assert notes(tmp_path / "a.npz") == ["acc ends at 15 s of 40 s"]


def test_the_accelerometer_stays_beside_the_pulse_wave_asked_for(tmp_path: Path) -> None:
    acc = np.random.default_rng(0).normal(size=(3, 4000)).round(3)
    table(tmp_path / "a.csv", "t,ir,red,ax,ay,az,ecg", [T, IR, IR, *acc, IR])
    table(tmp_path / "nameless.csv", "t,value,ax,ay,az", [T, IR, *acc])
    np.savez(tmp_path / "a.npz", ppg=np.stack([IR, IR]), acc=acc, ecg=IR, fs=100)
    signals = {"Pleth": (100, IR), "ACC X": (25, 100 * acc[0, :1000]), "ACC Y": (25, 100 * acc[1, :1000])}
    (tmp_path / "a.edf").write_bytes(edf({**signals, "ECG": (100, IR)}))
    for name in ("a.csv", "nameless.csv", "a.npz", "a.edf"):
        kinds = [b.kind for b in play(tmp_path / name, signal="ppg")]
        assert (kinds[0], set(kinds)) == ("ppg", {"ppg", "acc"})
    for name in ("a.csv", "a.npz"):
        one = play(tmp_path / name, signal="ppg", channel=1)
        assert {(b.kind, b.data.shape[1]) for b in one} == {("ppg", 1), ("acc", 3)}
        assert {b.data.shape[1] for b in play(tmp_path / name, signal="acc", channel=1)} == {1}
    assert {b.rate for b in play(tmp_path / "a.edf", signal="ppg", rate_hz=100.0)} == {100.0, 25.0}
    for name in ("a.csv", "a.npz", "a.edf"):
        assert {b.kind for b in play(tmp_path / name, signal="ecg")} == {"ecg"}


def test_channels_that_do_not_fit_beside_the_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_bytes(edf({"PPG IR": (100, IR), "PPG red": (50, IR)}))
    assert notes(tmp_path / "a.edf") == ["ppg: left out: PPG red (50 Hz)"]
    table(tmp_path / "a.csv", ",".join(["t", *(f"ppg{i}" for i in range(10))]), [T, *[IR] * 10])
    assert notes(tmp_path / "a.csv") == ["ppg: left out: ppg8, ppg9"]
    assert notes(tmp_path / "a.csv", channel=1) == []


def test_heart_sound_is_the_first_channel_unless_another_is_asked_for(tmp_path: Path) -> None:
    table(tmp_path / "a.csv", "t,mic_1,mic_2", [T, IR, without(0, 4000)])
    np.savez(tmp_path / "a.npz", pcg=np.stack([IR, IR + 5.0]), fs=2000)
    (tmp_path / "a.edf").write_bytes(edf({"Mic 1": (100, IR), "Mic 2": (100, IR + 5.0)}))
    for name in ("a.csv", "a.npz", "a.edf"):
        assert {b.data.shape[1] for b in play(tmp_path / name)} == {1}
        np.testing.assert_allclose(joined(play(tmp_path / name), "pcg")[:, 0], IR / (10 if name == "a.edf" else 1))
        assert notes(tmp_path / name) == []
        assert unheard(tmp_path / name) == {"pcg": 1}
    np.testing.assert_array_equal(joined(play(tmp_path / "a.npz", channel=1), "pcg")[:, 0], IR + 5.0)
