"""How the truth of pulse traces is made ready: a strap's intervals moved to where the fingertip's are."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from evaluation.traces import RATE_HZ, strap_ahead_s


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
