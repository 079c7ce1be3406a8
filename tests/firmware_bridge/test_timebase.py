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


@pytest.mark.parametrize("drift_ppm", [65_000.0, 150_000.0])
def test_a_clock_beyond_that_begins_anew_rather_than_run_away(drift_ppm):
    out = mapped(arrivals(300, drift_ppm=drift_ppm))
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


def told(delays, start_us=3_000_000_000):
    """``(s since the start, error of the mapped time s, anew)`` of frames that come so much later than they were sent."""
    base = TimeBase()
    for k, delay in enumerate(delays):
        t, anew = base.map((start_us + k * 100_000) % WRAP, 1000.0 + k * FRAME_S + delay)
        yield k * FRAME_S, t - (1000.0 + k * FRAME_S), anew


def test_the_first_frame_is_taken_to_have_come_at_once():
    ((_, error, anew),) = told([0.4])
    assert (error, anew) == (pytest.approx(0.4, abs=1e-9), False)


@pytest.mark.parametrize(("at_s", "slew"), [(20, 20e-3), (55, 20e-3), (62, 1e-3), (120, 1e-3)])
def test_a_line_that_moved_is_followed_at_a_bounded_rate(at_s, slew):
    """Every frame comes half a second sooner from some time on; in the first minute it is followed faster."""
    errors = [e for _, e, _ in told([0.5] * (10 * at_s) + [0.0] * 100)]
    assert errors[10 * at_s - 1] == pytest.approx(0.5, abs=1e-9)
    moved = [a - b for a, b in pairwise(errors[10 * at_s + 25 : 10 * at_s + 45])]  # the line is told within 2 s
    assert all(slew - 1e-6 <= a / FRAME_S <= slew + 500e-6 + 1e-6 for a in moved)  # and a crystal's drift beside it


def test_what_is_not_settled_yet_is_followed_at_once():
    """Before the first line is drawn, in the first two seconds, the least delayed frame so far counts."""
    errors = [e for _, e, _ in told([0.5, 0.0, 0.3, 0.3])]
    assert errors == [pytest.approx(0.5 - 0.002 * k, abs=1e-9) for k in range(4)]


def test_one_early_frame_counts_for_a_minute_and_a_half():
    """The memory is 45 stretches of 2 s: what it shows is followed for so long, and no longer."""
    errors = [e for _, e, _ in told([0.02] * 700 + [0.0] + [0.02] * 1100)]
    assert errors[699] == pytest.approx(0.02, abs=1e-9)
    assert max(abs(e) for e in errors) < 0.0225
    assert max(errors[1550:1600]) > 0.0205
    assert errors[1645:] == [pytest.approx(0.02, abs=1e-6)] * len(errors[1645:])


@pytest.mark.parametrize("drift_ppm", [-300.0, 20_000.0])
def test_no_slope_is_believed_before_a_quarter_of_a_minute(drift_ppm):
    base = TimeBase()
    seen = []
    for _, us, arrival in arrivals(20, drift_ppm=drift_ppm):
        base.map(us, arrival)
        seen.append((us / 1e6, base.measured, base.skew_ppm))
    since = next(t for t, measured, _ in seen if measured)
    assert 16.0 <= since <= 8 * (2.0 + 1.1 * FRAME_S)  # eight stretches
    assert all(skew == 0.0 and not measured for t, measured, skew in seen if t < since)
    assert all(measured for t, measured, _ in seen if t >= since)
    true_ppm = -drift_ppm / (1 + drift_ppm * 1e-6)
    assert [skew for *_, skew in seen[-30:]] == [pytest.approx(true_ppm, rel=1e-3)] * 30


@pytest.mark.parametrize(
    ("late", "anew"),
    [
        ([(30.0, 0.95)], 0),  # not a second
        ([(3.9, 1.5), (0.1, 0.0)] * 5, 0),  # a frame in time between, and it was no more than a busy host
        ([(4.3, 1.5)], 1),
        ([(2.0, 1.5), (2.3, 20.0)], 1),
        ([(4.3, 1.5), (3.9, 3.0), (1.0, 1.5)], 1),  # after the new beginning the time counts from there
    ],
)
def test_how_long_frames_may_be_late(late, anew):
    delays = [0.0] * 600 + [delay for seconds, delay in late for _ in range(round(10 * seconds))]
    assert sum(anew for *_, anew in told(delays)) == anew


def test_after_an_unseen_reset_nothing_of_before_is_known():
    base = TimeBase()
    for _, us, arrival in arrivals(60, drift_ppm=300.0):
        base.map(us, arrival)
    assert base.measured
    assert base.skew_ppm != 0.0
    base.map(0, 5000.0)  # a minute late, and so 4 s after
    assert base.map(4_100_000, 5004.1) == (5004.1, True)
    fresh = TimeBase()
    fresh.map(4_100_000, 5004.1)
    for k in range(42, 400):
        assert base.map(k * 100_000, 5000.0 + k * FRAME_S) == fresh.map(k * 100_000, 5000.0 + k * FRAME_S)
        assert (base.measured, base.skew_ppm) == (fresh.measured, fresh.skew_ppm)


@pytest.mark.parametrize("start_us", [WRAP - 1, WRAP - 20_000_000, WRAP // 2 - 20_000_000])
def test_a_wrap_of_the_counter_changes_nothing(start_us):
    out = mapped(arrivals(60, start_us=start_us))
    assert max(abs(t - true) for true, t, _ in out) < 1e-6
    assert not any(anew for *_, anew in out)


def test_frames_whose_samples_began_earlier_go_back_and_move_nothing():
    """Two streams: a frame of one may begin before the last one of the other."""
    base = TimeBase()
    for k in range(300):
        us = k * 100_000
        assert base.map(us, 1000.0 + us / 1e6) == (pytest.approx(1000.0 + us / 1e6, abs=1e-6), False)
        before = max(0, us - 70_000)
        assert base.map(before, 1000.0 + us / 1e6) == (pytest.approx(1000.0 + before / 1e6, abs=1e-6), False)


@pytest.mark.parametrize(
    ("drift_ppm", "least", "most"),
    [
        (-800.0, 500.0, 500.0),  # grows by less than a tenth of a second in all: it may be jitter
        (-5000.0, 5000.0, 5050.0),
        (-55_000.0, 55_000.0, 59_000.0),
        (-70_000.0, 0.0, 500.0),  # beyond what any oscillator is off by
        (500_000.0, -500.0, 0.0),
    ],
)
def test_which_slope_is_believed(drift_ppm, least, most):
    base = TimeBase()
    for _, us, arrival in arrivals(88, drift_ppm=drift_ppm):
        base.map(us, arrival)
        assert min(0.0, least) - 1e-6 <= base.skew_ppm <= most + 1e-6
    assert base.skew_ppm >= least - 1e-6 or least == 0.0


@pytest.mark.parametrize("step_s", [0.2, -0.2])
def test_one_step_of_the_delay_is_no_drift(step_s):
    """The line is straight on both sides of a step, and its slope is no clock's: only a crystal's share is believed."""
    base = TimeBase()
    for true, us, arrival in arrivals(90):
        base.map(us, arrival + 0.3 + step_s * (true >= 1045.0))
        assert abs(base.skew_ppm) <= 500.0 + 1e-6


def test_what_lies_above_the_least_delayed_gives_no_slope():
    """As when the host was busy for two seconds right at the start."""
    base = TimeBase()
    for true, us, arrival in arrivals(88):
        base.map(us, arrival + 0.03 * (1002.0 <= true < 1004.1))
        assert base.skew_ppm == pytest.approx(0.0, abs=1e-3)
