"""Resampling: shape kept from 25 to 500 Hz, aliasing kept out, gaps shown."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline

from edge.dsp.resample import even_to_grid, to_grid


def wave(t):
    return np.sin(2 * np.pi * 1.2 * t) + 0.4 * np.sin(2 * np.pi * 3.6 * t + 1)


@pytest.mark.parametrize("rate", [25.0, 50.0, 100.0, 125.0, 500.0])
def test_a_pulse_keeps_its_shape(rate):
    rng = np.random.default_rng(0)
    t = np.arange(0, 12, 1 / rate) + rng.uniform(-0.1, 0.1) / rate
    y, valid = to_grid(t, wave(t), 1.0, 11.0, 100.0, 0.1)
    assert len(y) == 1000
    assert valid.all()
    np.testing.assert_allclose(y, wave(1 + np.arange(1000) / 100), atol=0.05 if rate < 50 else 0.02)


def test_fast_noise_does_not_fold_down():
    t = np.arange(0, 10, 1 / 500)
    y, _ = to_grid(t, np.sin(2 * np.pi * 99 * t), 0.0, 10.0, 100.0, 0.1)
    assert abs(y[50:-50]).max() < 0.02


def test_a_gap_is_not_valid_and_short_ones_are_bridged():
    t = np.arange(0, 10, 0.01)
    keep = ((t < 3) | (t > 4)) & ((t < 7) | (t > 7.05))
    y, valid = to_grid(t[keep], wave(t[keep]), 0.0, 10.0, 100.0, 0.1)
    at = np.arange(1000) / 100
    assert not valid[(at > 3.06) & (at < 3.94)].any()
    assert valid[(at > 6.9) & (at < 7.2)].all()
    seen = valid & (abs(at - 3.5) > 0.52)
    np.testing.assert_allclose(y[seen], wave(at[seen]), atol=0.03)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_gives_nothing(n):
    y, valid = to_grid(np.arange(n, dtype=float), np.zeros((n, 2)), 0.0, 1.0, 50.0, 0.1)
    assert y.shape == (50, 2)
    assert not valid.any()
    assert np.isfinite(y).all()


@pytest.mark.parametrize(("own_hz", "rate_hz"), [(125.0, 25.0), (200.0, 100.0), (500.0, 25.0), (29.0, 25.0)])
def test_a_run_of_any_length_keeps_a_line(own_hz, rate_hz):
    for n in range(2, 260):
        t = np.arange(n) / own_hz
        line = np.stack([3.0 * t - 1.0, np.full(n, 7.0)], axis=1)
        y, valid = to_grid(t, line, 0.0, float(t[-1]), rate_hz, 0.25)
        at = np.arange(len(y)) / rate_hz
        assert valid.all()
        np.testing.assert_allclose(y, np.stack([3.0 * at - 1.0, np.full(len(at), 7.0)], axis=1), atol=1e-9)


@given(
    runs=st.lists(st.integers(1, 130), min_size=1, max_size=4),
    lost=st.integers(1, 90),
    own_hz=st.sampled_from([25.0, 30.0, 64.0, 100.0, 125.0, 200.0, 250.0, 333.3, 500.0]),
    rate_hz=st.sampled_from([25.0, 100.0]),
    begin_s=st.floats(-0.5, 0.5),
)
def test_gaps_may_stand_anywhere(runs, lost, own_hz, rate_hz, begin_s):
    index = np.concatenate([np.arange(n) + sum(runs[:k]) + k * lost for k, n in enumerate(runs)])
    t = index / own_hz
    y, valid = to_grid(t, wave(t), begin_s, float(t[-1]) + 0.2, rate_hz, 0.12)
    assert len(y) == len(valid)
    assert np.isfinite(y).all()
    assert abs(y).max(initial=0.0) < 5.0


@example(n=260, late=0.3, own_hz=125.0, seconds=1.9)
@given(
    n=st.integers(0, 260),
    late=st.floats(-40.0, 2.0),
    own_hz=st.sampled_from([25.0, 30.0, 125.0, 500.0]),
    seconds=st.floats(0.01, 2.0),
)
def test_an_even_stretch_of_any_length_is_told_or_refused(n, late, own_hz, seconds):
    t = (late + np.arange(n)) / own_hz
    y = even_to_grid(t, np.full((n, 2), 7.0), 0.0, seconds, own_hz, 25.0)
    whole = abs(late) <= 1.0 and (late + n - 1) / own_hz >= seconds
    long_enough = n > own_hz / 3 and seconds >= 0.05
    assert y is not None or not (whole and long_enough)
    if y is not None:
        np.testing.assert_allclose(y, 7.0, atol=1e-9)


@pytest.mark.parametrize("own_hz", [25.0, 30.0, 64.0, 125.0, 500.0])
@pytest.mark.parametrize("late", [0.0, 0.3, 0.8])
def test_even_samples_give_the_same_grid_faster(own_hz, late):
    t = late / own_hz + np.arange(round(16 * own_hz)) / own_hz
    x = np.stack([np.sin(2 * np.pi * 1.3 * t), np.cos(2 * np.pi * 2.7 * t)], axis=1)
    even = even_to_grid(t, x, 0.0, 16.0, own_hz, 25.0)
    grid = np.arange(400) / 25.0
    truth = np.stack([np.sin(2 * np.pi * 1.3 * grid), np.cos(2 * np.pi * 2.7 * grid)], axis=1)
    assert even.shape == (400, 2)
    assert abs(even - truth)[10:-10].max() < 0.02
    assert abs(even - to_grid(t, x, 0.0, 16.0, 25.0, 0.25)[0])[10:-10].max() < 0.03


def test_a_step_that_is_no_whole_second_keeps_its_length():
    t = np.arange(1130) / 100.0
    assert even_to_grid(t, t[:, None], 0.0, 11.3, 100.0, 25.0).shape == (282, 1)


def test_what_lies_above_the_grid_is_taken_out():
    t = np.arange(4000) / 250.0
    hum = np.sin(2 * np.pi * 50.0 * t)[:, None]
    assert abs(even_to_grid(t, hum, 0.0, 16.0, 250.0, 25.0))[10:-10].max() < 0.02


def test_only_a_whole_even_stretch_will_do():
    t = np.arange(1600) / 100.0
    x = np.ones((1600, 1))
    assert even_to_grid(t, x, 0.0, 16.0, 100.0, 25.0) is not None
    one_lost = np.delete(np.arange(1600), 700)
    for t_wrong, x_wrong, own_hz in (
        (t[one_lost], x[one_lost], 100.0),
        (t[:1500], x[:1500], 100.0),
        (t[100:], x[100:], 100.0),
        (t - 5.0, x, 100.0),
        (np.arange(-500, 1600) / 100.0, np.ones((2100, 1)), 100.0),
        (t * 1.01, x, 100.0),
        (t, x, 99.5),
        (t[:1], x[:1], 100.0),
    ):
        assert even_to_grid(t_wrong, x_wrong, 0.0, 16.0, own_hz, 25.0) is None


@pytest.mark.parametrize("apart_s", [1e-9, 1e-5, 1e-3])
def test_two_samples_at_nearly_one_time_do_not_shoot_out_of_the_wave(apart_s):
    t = np.arange(400) / 25.0
    t[201] = t[200] + apart_s
    x = np.sin(2 * np.pi * 1.2 * np.arange(400) / 25.0)
    y, valid = to_grid(t, x, 0.0, 16.0, 100.0, 0.12)
    assert valid.all()
    assert abs(y).max() < 1.3


def spline(t, x, grid, rate_hz):
    """One run as the page describes it: scipy's Hermite spline through samples that a sum of sincs made smooth."""
    n, ratio = len(t), (len(t) - 1) / (t[-1] - t[0]) / rate_hz
    half = int(np.ceil(6 * ratio))
    if ratio >= 1.15 and n > half:
        k = np.arange(-half, half + 1)
        weights = np.sinc(0.9 * k / ratio) * (0.5 + 0.5 * np.cos(np.pi * k / (half + 1)))
        beyond = {i: 2 * x[0] - x[-i] for i in range(-half, 0)}
        beyond |= {n + i: 2 * x[-1] - x[n - 2 - i] for i in range(half)}
        inside = {**beyond, **dict(enumerate(x))}
        x = (
            np.array([sum(w * inside[i + j] for w, j in zip(weights, k, strict=True)) for i in range(n)])
            / weights.sum()
        )
    step = np.diff(t)
    slope = np.diff(x) / step
    tangent = np.array([slope[0], *slope[1:], slope[-1]])
    for i in range(1, n - 1):
        before, after = step[i - 1], step[i]
        parabola = (slope[i - 1] * after + slope[i] * before) / (before + after)
        chord = (x[i + 1] - x[i - 1]) / (before + after)
        tangent[i] = chord if min(before, after) < 0.25 * np.median(step) else parabola
    return CubicHermiteSpline(t, x, tangent)(np.clip(grid, t[0], t[-1]))


@pytest.mark.parametrize("own_hz", [25.0, 64.0, 110.0, 333.3])
@pytest.mark.parametrize("rate_hz", [25.0, 100.0])
def test_every_run_is_a_spline_of_its_own(own_hz, rate_hz):
    rng = np.random.default_rng(round(own_hz))
    for lengths in ((1, 40), (2, 30, 1, 70), (150,), (3, 2)):
        step = (1.0 + rng.uniform(-0.3, 0.3, sum(lengths))) / own_hz
        step[np.cumsum(lengths)[:-1]] += 0.12
        step[-1] = 1e-6
        t = np.cumsum(step)
        x = rng.standard_normal(len(t))
        start, end = float(t[0]) - 0.1, float(t[-1]) + 0.1
        y, valid = to_grid(t, x, start, end, rate_hz, 0.12)
        grid = start + np.arange(len(y)) / rate_hz
        expected, seen = np.interp(grid, t, x), np.zeros(len(y), dtype=bool)
        for run, values in zip(*(np.split(a, np.cumsum(lengths)[:-1]) for a in (t, x)), strict=True):
            here = (grid >= run[0] - 0.06) & (grid <= run[-1] + 0.06) & (len(run) > 1)
            seen |= here
            if here.any():
                expected[here] = spline(run, values, grid[here], rate_hz)
        np.testing.assert_array_equal(valid, seen)
        np.testing.assert_allclose(y, expected, atol=1e-9)
