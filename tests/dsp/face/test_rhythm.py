"""What speaks against saying a rate: pulses that stopped, or beat unevenly."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp.face.rhythm import beside, doubt
from edge.dsp.face.rppg import RATE_HZ, band_pass

T = np.arange(300) / RATE_HZ


def regions(beats, *, noise=0.2, seed=0, until=10.0):
    """Four regions' waves with a beat at each of ``beats``, s, and noise of their own; and their mean."""
    rng = np.random.default_rng(seed)
    pulse = sum(np.exp(-0.5 * ((T - b - 0.2) / 0.09) ** 2) for b in beats if b < until)
    waves = np.stack([band_pass(pulse + rng.normal(0, noise, len(T))) for _ in range(4)])
    return waves.mean(0), waves


@pytest.mark.parametrize("bpm", [45.0, 60.0, 90.0, 130.0, 190.0])
@pytest.mark.parametrize("noise", [0.05, 0.4])
def test_nothing_speaks_against_an_even_pulse(bpm, noise):
    assert doubt(*regions(np.arange(-1.0, 11.0, 60.0 / bpm), noise=noise), bpm) == ""


@pytest.mark.parametrize("bpm", [50.0, 72.0, 120.0])
def test_a_pulse_that_stopped_two_seconds_ago_is_not_said(bpm):
    assert doubt(*regions(np.arange(-1.0, 11.0, 60.0 / bpm), until=7.6), bpm) == "faded"


@pytest.mark.parametrize("seed", range(5))
def test_fibrillation_has_no_one_rate(seed):
    rng = np.random.default_rng(seed)
    beats = np.cumsum(0.65 * np.clip(1 + 0.3 * rng.standard_normal(25), 0.5, 1.8)) - 1.0
    assert doubt(*regions(beats, seed=seed), 92.0) == "irregular"


def test_a_beat_and_an_early_one_in_turn_are_not_counted_by_the_highest_line():
    """Every other interval 0.6 and 1.4 s: 60 a minute, and the spectrum is highest at 90."""
    assert doubt(*regions(np.cumsum(np.tile([0.6, 1.4], 7)) - 1.5), 90.0) == "irregular"


@pytest.mark.parametrize("bpm", [230.0, 245.0])
def test_a_heart_too_fast_for_the_grid_is_not_said_at_its_edge(bpm):
    assert doubt(*regions(np.arange(-1.0, 11.0, 60.0 / bpm), noise=0.05), 215.0) == "fast"


def test_noise_of_each_regions_own_is_not_what_they_have_in_common():
    shares = [beside(regions(np.arange(-1.0, 11.0, 60.0 / 72.0), noise=0.8, seed=s)[1], 72.0) for s in range(20)]
    assert abs(float(np.median(shares))) < 0.08
