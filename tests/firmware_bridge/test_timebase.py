"""Device time to host time under drift, jitter, bursts, wrap, reset and sleep."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.timebase import TimeBase

WRAP = 1 << 32
FRAME_S = 0.1


def arrivals(seconds, *, drift_ppm=0.0, jitter_s=0.0, burst_s=0.0, start_us=0, seed=0, host_start=1000.0):
    """``(true host time of the sample, device_us, arrival)`` of frames every 0.1 s; delays one-sided, in order."""
    rng, last = random.Random(seed), 0.0
    for k in range(int(seconds / FRAME_S)):
        true = host_start + k * FRAME_S
        device_us = (start_us + round(k * FRAME_S * 1e6 * (1 + drift_ppm * 1e-6))) % WRAP
        arrival = true + rng.random() * jitter_s
        if burst_s:
            arrival = (int(arrival / burst_s) + 1) * burst_s
        last = max(last, arrival)
        yield true, device_us, last


def mapped(frames):
    base = TimeBase()
    return [(true, *base.map(us, arrival)) for true, us, arrival in frames]


@settings(max_examples=30, deadline=None)
@given(st.floats(-200.0, 200.0), st.integers(0, WRAP - 1), st.integers(0, 999))
def test_within_five_ms_of_truth_after_a_minute_and_never_back(drift_ppm, start_us, seed):
    out = mapped(arrivals(180, drift_ppm=drift_ppm, jitter_s=0.03, start_us=start_us, seed=seed))
    late = [t - true for true, t, _ in out[600:]]
    assert max(abs(e) for e in late) < 0.005
    assert all(b[1] >= a[1] for a, b in pairwise(out))
    assert not any(anew for *_, anew in out)


@pytest.mark.parametrize("drift_ppm", [-200.0, 0.0, 200.0])
def test_usb_bursts_cost_a_constant_at_most(drift_ppm):
    """Frames held and released together every 16 ms: the least delayed of many still shows the truth."""
    out = mapped(arrivals(180, drift_ppm=drift_ppm, jitter_s=0.03, burst_s=0.016))
    assert max(abs(t - true) for true, t, _ in out[600:]) < 0.005


@pytest.mark.slow
def test_four_hours_through_several_wraps():
    out = mapped(arrivals(4 * 3600, drift_ppm=120.0, jitter_s=0.03, start_us=WRAP - 10_000_000))
    assert max(abs(t - true) for true, t, _ in out[600:]) < 0.005
    assert all(b[1] >= a[1] for a, b in pairwise(out))


def test_after_a_reset_it_settles_again():
    base = TimeBase()
    for _, us, arrival in arrivals(120, drift_ppm=150.0, jitter_s=0.03):
        base.map(us, arrival)
    base.reset()
    out = [
        (true, base.map(us, a)[0]) for true, us, a in arrivals(120, drift_ppm=150.0, jitter_s=0.03, host_start=1130.0)
    ]
    assert max(abs(t - true) for true, t in out[600:]) < 0.005


def test_the_drift_is_measured():
    base = TimeBase()
    for _, us, arrival in arrivals(300, drift_ppm=100.0, jitter_s=0.01):
        base.map(us, arrival)
    assert base.skew_ppm == pytest.approx(-100.0, abs=15.0)


@pytest.mark.parametrize("drift_ppm", [-30_000.0, -10_000.0, -2000.0, -1000.0, 1000.0, 2000.0, 10_000.0, 30_000.0])
def test_a_clock_without_a_crystal_is_followed(drift_ppm):
    """A ceramic resonator is off by 0.5 %, a resistor and a capacitor by 1 or 2: times stay true however long it runs."""
    out = mapped(arrivals(600, drift_ppm=drift_ppm, jitter_s=0.03))
    assert max(abs(t - true) for true, t, _ in out[900:]) < (0.005 if abs(drift_ppm) > 1000 else 0.03)
    assert all(b[1] >= a[1] for a, b in pairwise(out))
    assert not any(anew for *_, anew in out)


def test_a_clock_beyond_that_begins_anew_rather_than_run_away():
    out = mapped(arrivals(300, drift_ppm=150_000.0))
    assert max(abs(t - true) for true, t, _ in out) < 3.0
    assert any(anew for *_, anew in out)


def test_a_line_that_is_held_up_for_good_is_no_clock_that_is_off():
    base = TimeBase()
    for true, us, arrival in arrivals(180, jitter_s=0.03):
        base.map(us, arrival + 0.5 * (true > 1060.0))
        assert abs(base.skew_ppm) <= 500.0


@pytest.mark.parametrize("jump_s", [-5.0, 5.0, 3600.0])
def test_a_jump_of_more_than_a_second_begins_anew(jump_s):
    """The host slept, or the device's clock was set: the old line is of no use."""
    base = TimeBase()
    frames = list(arrivals(60))
    for _, us, arrival in frames:
        base.map(us, arrival)
    us0 = frames[-1][1]
    anew = [base.map(us0 + (k + 1) * 100_000, 1060.0 + jump_s + k * FRAME_S) for k in range(100)]
    assert sum(new for _, new in anew) == 1
    t, _ = anew[-1]
    assert t == pytest.approx(1060.0 + jump_s + 99 * FRAME_S, abs=0.005)


def test_a_single_late_frame_moves_nothing():
    base = TimeBase()
    frames = list(arrivals(90))
    before = [base.map(us, a)[0] for _, us, a in frames[:-1]]
    late, anew = base.map(frames[-1][1], frames[-1][2] + 2.0)
    assert not anew
    assert late == pytest.approx(before[-1] + FRAME_S, abs=1e-6)


@pytest.mark.parametrize(("early_s", "anew"), [(0.9, False), (1.1, True)])
def test_what_arrives_a_second_before_it_was_sent_begins_anew(early_s, anew):
    base, frames = TimeBase(), list(arrivals(20))
    for _, us, arrival in frames:
        base.map(us, arrival)
    true, us, _ = frames[-1]
    host, began_anew = base.map((us + round((FRAME_S + early_s) * 1e6)) % WRAP, true + FRAME_S)
    assert began_anew is anew
    assert (host == true + FRAME_S) is anew


def test_what_is_a_second_late_for_over_four_seconds_begins_anew():
    base, late = TimeBase(), []
    for true, us, arrival in arrivals(30):
        stopped = true >= 1020.0
        _, anew = base.map(us, arrival + 1.1 * stopped)
        if anew:
            late.append(true)
    assert late == [pytest.approx(1024.1, abs=0.11)]
