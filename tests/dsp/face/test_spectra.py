"""Skin's own axes: what movement and shine reach, and the wave and the rates the network's answer becomes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.face.rppg import GRID_BPM, RATE_HZ
from edge.dsp.face.spectra import (
    BINS_HZ,
    BLOOD_RGB,
    CHANNELS,
    ROWS,
    network_answer,
    network_input,
    rate_shares,
    skin_spectra,
)

SKIN = (np.array([224.0, 182.0, 160.0]), np.array([118.0, 80.0, 62.0]), np.array([190.0, 140.0, 112.0]))
skins = st.sampled_from(SKIN)
seeds = st.integers(0, 10_000)


def times(n=300):
    return np.arange(n) / RATE_HZ


def moving(seed, n=300):
    """Movement slower than 2.5 Hz, of about one."""
    rng = np.random.default_rng(seed)
    f, phase = rng.uniform(0.2, 2.5, 6), rng.uniform(0, 6.3, 6)
    return np.sin(2 * np.pi * f * times(n)[:, None] + phase).sum(1) / 2


def pulsing(skin, bpm, *, strength=0.002, noise=0.02, seed=0, n=300):
    wave = np.sin(2 * np.pi * bpm / 60 * times(n))
    rgb = skin * (1 - strength * wave[:, None] * BLOOD_RGB)
    return rgb + np.random.default_rng(seed).normal(0, noise, rgb.shape)


def alike(_):
    """A network that trusts everything alike and holds every rate for as likely."""
    return np.zeros((1, 1, 1, len(BINS_HZ)), np.float32), np.zeros((1, 3, ROWS, len(BINS_HZ)), np.float32)


@given(skins, seeds)
def test_neither_movement_nor_shine_reach_the_first_axis(skin, seed):
    rgb = skin * (1 + 0.02 * moving(seed)[:, None]) + 80 * 0.01 * moving(seed + 1)[:, None]
    size = np.abs(skin_spectra([rgb]).x[0]).max(1)
    assert size[0] < 1e-9 * size[2]
    assert size[1] > 1e-3 * size[2]


@given(skins, seeds)
def test_movement_alone_reaches_only_the_last(skin, seed):
    size = np.abs(skin_spectra([skin * (1 + 0.02 * moving(seed)[:, None])]).x[0]).max(1)
    assert size[:2].max() < 1e-9 * size[2]


@given(skins, st.floats(45.0, 180.0))
def test_blood_points_up_along_every_axis(skin, bpm):
    spectra = skin_spectra([pulsing(skin, bpm, noise=1e-4)])
    window = np.hanning(302)[1:-1]
    tones = np.exp(-2j * np.pi * np.outer(BINS_HZ, times()))
    wave = tones @ (window * np.sin(2 * np.pi * bpm / 60 * times()))
    for axis in spectra.trusted()[0]:
        cosine = np.vdot(wave, axis).real / np.linalg.norm(wave) / np.linalg.norm(axis)
        assert cosine > 0.99


@given(skins, st.floats(0.2, 1.2), seeds)
def test_the_exposure_does_not_matter(skin, gain, seed):
    rgb = pulsing(skin, 80.0, seed=seed)
    assert network_input(skin_spectra([gain * rgb])) == pytest.approx(network_input(skin_spectra([rgb])), abs=1e-3)


@given(seeds, st.permutations(range(4)))
def test_the_order_of_regions_is_that_of_the_rows(seed, order):
    regions = [pulsing(SKIN[i % 3], 70.0, seed=seed + i) for i in range(4)]
    one, other = (network_input(skin_spectra(r)) for r in (regions, [regions[i] for i in order]))
    assert other == pytest.approx(one[:, :, list(order)], abs=1e-4)


@pytest.mark.parametrize("n", [240, 300, 600])
@pytest.mark.parametrize("seen", [1, 2, 3, 4])
def test_any_number_of_regions_and_any_window_has_one_shape(seen, n):
    regions = [pulsing(SKIN[0], 70.0, seed=i, n=n) for i in range(seen)]
    given_rows = network_input(skin_spectra(regions))
    assert given_rows.shape == (1, CHANNELS, ROWS, len(BINS_HZ))
    assert (given_rows[:, :, seen:] == given_rows[:, :, : ROWS - seen] if seen > 1 else given_rows[:, :, :1]).all()
    waves, shares = network_answer(alike, regions)
    assert waves.shape == (seen, n)
    assert shares.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("rgb", [np.full((300, 3), 90.0), np.zeros((300, 3)), np.tile([200.0, 10.0, 0.0], (300, 1))])
def test_flat_black_and_odd_colours_are_finite(rgb):
    assert np.isfinite(network_input(skin_spectra([rgb] * 2))).all()
    waves, shares = network_answer(alike, [rgb] * 2)
    assert np.isfinite(waves).all()
    assert shares.sum() == pytest.approx(1.0)


@given(skins, st.floats(45.0, 180.0))
def test_a_clear_pulse_comes_back_as_a_wave_and_its_rate(skin, bpm):
    waves, shares = network_answer(alike, [pulsing(skin, bpm, seed=i) for i in range(4)])
    assert abs(GRID_BPM[shares.argmax()] - bpm) < 2.0
    middle = slice(45, -45)
    assert np.corrcoef(waves.mean(0)[middle], np.sin(2 * np.pi * bpm / 60 * times())[middle])[0, 1] > 0.98


def test_a_likelihood_decides_between_two_peaks():
    two = np.sin(2 * np.pi * 70 / 60 * times()) + np.sin(2 * np.pi * 120 / 60 * times())
    for bpm in (70.0, 120.0):
        likelihood = np.where(np.abs(60 * BINS_HZ - bpm) < 6, 3.0, 0.0)
        assert GRID_BPM[rate_shares(likelihood, two[None]).argmax()] == pytest.approx(bpm, abs=2.0)
