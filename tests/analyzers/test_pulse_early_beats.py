"""Heart rate through a lane where beats are weak and early or ride on breath: never half of it, and no slow heart. And
where a heart is slow and its pauses hold noise: said, and its alarm raised."""

import numpy as np
import pytest

from early_beats import RATE, bigeminy, noise, pulses, steady
from edge.alarms.conditions import DEFAULTS
from edge.alarms.detector import Detector
from edge.alarms.judge import judge
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


@pytest.mark.parametrize("bpm", [30.0, 33.0, 38.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_slow_heart_with_noise_in_its_pauses_is_said_and_raises_its_alarm(bpm, seed):
    readings = run(steady(bpm, SECONDS, 0.3) + noise(0.8, SECONDS, seed))[8:]
    said = [r.value for r in readings if r.value is not None]
    assert len(said) >= 0.5 * len(readings)
    assert said == pytest.approx([bpm] * len(said), abs=2.0)
    severe = DEFAULTS["brady"].severe
    watch = Detector(severe)
    assert any(watch.feed(r.t, judge(severe, r).verdict) for r in readings)


def test_a_slow_heart_out_of_step_is_said_by_all_its_beats():
    gaps = np.tile([1.4, 2.3, 1.5, 2.2, 1.6], 5)
    feet = 0.4 + np.cumsum(gaps)[np.cumsum(gaps) < SECONDS - 1.0]
    readings = run(pulses(feet, np.ones(len(feet)), SECONDS, 0.3) + noise(0.5, SECONDS, 2))[10:]
    said = [r.value for r in readings if r.value is not None]
    assert len(said) >= 0.6 * len(readings)
    assert said == pytest.approx([60.0 / 1.8] * len(said), abs=6.0)
