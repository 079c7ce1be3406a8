"""Resampling: shape kept from 25 to 500 Hz, aliasing kept out, gaps shown."""

import numpy as np
import pytest

from edge.dsp.resample import to_grid


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
