"""The tracker follows what walks, ignores what jumps, and says how sure it is."""

import numpy as np
import pytest

from edge.dsp.rate_tracker import RateTracker

GRID = np.arange(30.0, 223.0)


def bump(at, width=3.0, floor=0.02):
    return np.exp(-0.5 * ((GRID - at) / width) ** 2) + floor


def test_follows_a_slow_change():
    tracker = RateTracker(GRID, 0.025)
    for k in range(60):
        mean, sd = tracker.update(bump(70 + k), 2.0)
    assert abs(mean - 129) < 3
    assert sd < 6


def test_one_false_peak_does_not_carry_it_away():
    tracker = RateTracker(GRID, 0.02)
    for _ in range(20):
        tracker.update(bump(80), 1.0)
    mean, _ = tracker.update(bump(160), 1.0)
    assert abs(mean - 80) < 4


def test_without_evidence_doubt_grows():
    tracker = RateTracker(GRID, 0.02)
    for _ in range(10):
        _, before = tracker.update(bump(80), 1.0)
    for _ in range(10):
        mean, after = tracker.update(np.zeros(len(GRID)), 1.0)
    assert after > 1.5 * before
    assert abs(mean - 80) < 5


def test_reset_and_determinism():
    one, other = RateTracker(GRID, 0.02, 1e-3, 90.0, 0.4), RateTracker(GRID, 0.02, 1e-3, 90.0, 0.4)
    first = [one.update(bump(60 + k), 1.0) for k in range(5)]
    one.reset()
    assert [one.update(bump(60 + k), 1.0) for k in range(5)] == first
    assert [other.update(bump(60 + k), 1.0) for k in range(5)] == first
    assert one.posterior.sum() == pytest.approx(1.0)


def test_a_leak_lets_it_come_back():
    stuck, leaky = RateTracker(GRID, 0.01), RateTracker(GRID, 0.01, 1e-2)
    for tracker in (stuck, leaky):
        for _ in range(20):
            tracker.update(bump(60, floor=1e-3), 1.0)
        for _ in range(4):
            mean, _ = tracker.update(bump(150, floor=1e-3), 1.0)
        if tracker is leaky:
            assert abs(mean - 150) < 5


def test_a_grid_must_rise():
    with pytest.raises(ValueError, match="rise"):
        RateTracker(np.array([60.0, 50.0]), 0.02)
