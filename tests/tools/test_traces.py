"""How the truth of pulse traces is made ready: a strap's intervals moved to where the fingertip's are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from evaluation.traces import RATE_HZ, run, strap_ahead_s

from edge.types import ConfigError


@pytest.mark.parametrize("ahead_s", [0.0, 1.5, -2.0, 3.0])
def test_a_strap_that_started_at_another_moment_is_moved(ahead_s):
    rng = np.random.default_rng(4)
    rr = 0.85 + 0.08 * np.sin(np.arange(100) * 0.5) + rng.normal(0, 0.02, 100)
    beats = np.cumsum(rr) - ahead_s  # on the camera's clock
    t = np.arange(round(70 * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.interp(t, beats, np.arange(len(beats)), left=0.0)
    blood = np.cos(phase) + 0.3 * np.cos(2 * phase + 1.0)
    trace = 120.0 - blood[:, None] * np.array([0.2, 1.0, 0.5]) + rng.normal(0, 0.05, (len(t), 3))
    assert strap_ahead_s(trace, rr) == pytest.approx(ahead_s, abs=0.5)


def test_without_a_pulse_nothing_is_moved():
    assert strap_ahead_s(np.full((900, 3), 100.0), np.full(40, 0.8)) == 0.0


def test_a_recording_that_cannot_be_read_is_told_and_the_others_are_scored(tmp_path, capsys):
    beat = np.cos(2 * np.pi * 1.1 * np.arange(700) / RATE_HZ)
    np.savez(tmp_path / "waves.npz", a_pred=beat, a_label=beat, b_pred=beat)
    assert run(tmp_path / "waves.npz", None, None) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["recordings"] == 1
    assert "waves.npz: b: cannot be read" in said.err


def test_a_fingertip_is_found_however_deep_and_one_without_intervals_is_told(tmp_path, capsys):
    t_ms = np.arange(0, 30_000, 33)
    green = 100.0 - np.cos(2 * np.pi * 1.1 * t_ms / 1000.0)
    for name in ("deep/one", "two"):
        (tmp_path / name).mkdir(parents=True)
        table = np.stack([t_ms, green, green, green], axis=1)
        np.savetxt(tmp_path / name / "PPG.csv", table, delimiter=",", header="t,r,g,b", comments="")
    (tmp_path / "deep/one/RR.txt").write_text("909\n" * 30)
    assert run(tmp_path, tmp_path / "p.csv", None) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["recordings"] == 1
    assert (tmp_path / "p.csv").read_text().splitlines()[1].startswith("deep/one,")
    assert "two/PPG.csv: cannot be read" in said.err


def test_without_any_recording_it_is_no_score(tmp_path):
    (tmp_path / "text.npz").write_text("none")
    for data, said in ((tmp_path, "no recordings in it"), (tmp_path / "text.npz", "not an NPZ")):
        with pytest.raises(ConfigError, match=said):
            run(data, None, None)
