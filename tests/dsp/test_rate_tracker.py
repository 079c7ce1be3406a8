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


@pytest.mark.parametrize("grid", [[60.0, 50.0], [60.0, 60.0], [40.0, 60.0, 50.0], [60.0], [[60.0, 70.0], [80.0, 90.0]]])
def test_a_grid_must_rise(grid):
    with pytest.raises(ValueError, match="rise"):
        RateTracker(np.array(grid), 0.02)
    assert RateTracker(np.array([50.0, 60.0]), 0.02).estimate() == (55.0, 5.0)


def test_what_is_seen_weighs_the_rates_and_doubt_is_their_spread():
    tracker = RateTracker(np.array([60.0, 120.0]), 0.02)
    assert tracker.update(np.array([6.0, 2.0]), 99.0) == pytest.approx((75.0, (0.1875 * 3600.0) ** 0.5)), (
        "no time before it"
    )
    assert tracker.update(np.array([1.0, 3.0]), 0.0)[0] == 90.0, "nor between two of one moment"
    assert tracker.update(np.array([np.inf, 1.0]), 0.0)[0] == 90.0, "no evidence"


def test_a_usual_rate_to_begin_with():
    tracker = RateTracker(np.array([50.0, 100.0, 200.0]), 0.02, prior_bpm=100.0, prior_sd=np.log(2.0))
    one_sd = np.exp(-0.5)
    assert tracker.posterior == pytest.approx(np.array([one_sd, 1.0, one_sd]) / (1 + 2 * one_sd))
    first = [RateTracker(GRID, 0.02, prior_bpm=100.0, prior_sd=0.1).update(bump(80), dt_s) for dt_s in (0.0, 99.0)]
    assert first[0] == first[1], "no time has passed before the first"


def test_doubt_grows_with_the_root_of_time_in_one_step_or_in_many():
    nothing, sds = np.zeros(len(GRID)), []
    for steps in (1, 4, 16):
        tracker = RateTracker(GRID, 0.02)
        tracker.update((GRID == 100.0).astype(float), 1.0)
        for _ in range(steps):
            _, sd = tracker.update(nothing, 16.0 / steps)
        sds.append(sd)
    assert sds == pytest.approx([0.02 * 4.0 * 100.0] * 3, rel=0.02)


@pytest.mark.parametrize(("seconds", "lost"), [(10.0, 0.1), (1000.0, 1.0)])
def test_what_leaks_lands_anywhere(seconds, lost):
    tracker = RateTracker(GRID, 1e-3, leak=0.01)
    tracker.update((GRID == 60.0).astype(float), 1.0)
    tracker.update(np.ones(len(GRID)), seconds)
    assert tracker.posterior[-1] == pytest.approx(lost / len(GRID))
    assert tracker.posterior.sum() == pytest.approx(1.0)


def test_another_tracker_goes_on_from_a_state_and_odd_times_cost_no_memory():
    one, other = RateTracker(GRID, 0.02), RateTracker(GRID, 0.02)
    for k in range(20):
        one.update(bump(70 + k), 1.0 + k / 10)
    other.restore(one.state())
    assert other.update(bump(90), 1.0) == one.update(bump(90), 1.0)
    assert len(one._matrices) <= 8
