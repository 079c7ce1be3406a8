"""Heart rate through a lane where beats are weak and early or ride on breath: never half of it, and no slow heart."""

import numpy as np
import pytest

from early_beats import RATE, bigeminy, steady
from edge.analyzers import pulse
from edge.lane import Lane
from signals import blocks

SECONDS = 40.0


def run(x):
    lane = Lane(bed="b", source="node", primary="ppg", analyzers={"pulse": pulse.build()})
    readings = [r for block in blocks(60000.0 + 1500.0 * x, rate=RATE, chunk=50) for r in lane.feed(block)]
    return [r for r in readings if r.reason != "warming_up"]


def slow_is_not_said(readings, bpm):
    """No value below the true rate, no bradycardia and no figure that could raise its alarm."""
    assert len(readings) >= 30
    assert all(r.reason == "low_quality" for r in readings if r.value is None)
    assert not [r.value for r in readings if r.value is not None and r.value < bpm - 5.0]
    assert not [r.t for r in readings if r.detail.get("brady") == 1]
    assert not [
        r.detail["brady_bpm"] for r in readings if r.value is not None and r.detail.get("brady_bpm", 99.0) < 46.0
    ]


@pytest.mark.parametrize("weak", [0.4, 0.5, 0.6, 0.7])
def test_bigeminy_is_not_said_at_half_its_rate(weak):
    slow_is_not_said(run(bigeminy(weak, SECONDS)), 75.0)


@pytest.mark.parametrize("weak", [0.4, 0.7])
def test_nor_where_the_early_beats_are_atrial(weak):
    slow_is_not_said(run(bigeminy(weak, SECONDS, early_s=0.56, pair_s=1.4)), 86.0)


@pytest.mark.parametrize("bpm", [75.0, 110.0])
def test_breath_twice_as_high_as_the_pulse_is_no_slow_heart(bpm):
    t = np.arange(round(SECONDS * RATE)) / RATE
    slow_is_not_said(run(steady(bpm, SECONDS) + 1.2 * np.sin(2 * np.pi * 0.6 * t)), bpm)


@pytest.mark.parametrize("bpm", [35.0, 42.0])
def test_a_slow_heart_with_a_dicrotic_wave_is_still_said(bpm):
    readings = run(steady(bpm, SECONDS))[4:]
    assert all(r.value == pytest.approx(bpm, abs=2.0) for r in readings)
    assert all(r.detail["brady"] == 1 for r in readings)
