"""POS and CHROM find a pulse that skin carries, and measures of it say what they should."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, amplitude_at, band_pass, chrom, pos, power, snr_db

T = np.arange(300) / RATE_HZ
SKIN = np.array([190.0, 140.0, 112.0])
BLOOD = np.array([0.33, 0.77, 0.53])


def skin(bpm, *, pulse=0.01, light=0.0, noise=0.0, seed=0):
    wave = np.sin(2 * np.pi * bpm / 60 * T)
    lamp = 1 + light * np.sin(2 * np.pi * 1.9 * T)
    rgb = SKIN * lamp[:, None] * (1 - pulse * wave[:, None] * BLOOD)
    return rgb + np.random.default_rng(seed).normal(0, noise, rgb.shape) if noise else rgb


def rate(x):
    return GRID_BPM[power(band_pass(x)).argmax()]


@pytest.mark.parametrize("bpm", [42.0, 60.0, 75.0, 120.0, 200.0])
@pytest.mark.parametrize("method", [pos, chrom])
def test_finds_the_rate(method, bpm):
    assert rate(method(skin(bpm, noise=0.02))) == pytest.approx(bpm, rel=0.015)


def by_the_paper(rgb, method):
    """Window by window, each colour over its mean there, overlap-added, over how many windows cover a sample."""
    n, length = len(rgb), round(1.6 * RATE_HZ)
    total, cover = np.zeros(n), np.zeros(n)
    c = rgb / rgb.mean(0)
    across, along = 3 * c[:, 0] - 2 * c[:, 1], 1.5 * c[:, 0] + c[:, 1] - 1.5 * c[:, 2]
    across, along = band_pass(across), band_pass(along)
    for i in range(n - length + 1):
        here = slice(i, i + length)
        if method is pos:
            r, g, b = (rgb[here] / rgb[here].mean(0)).T
            first, second = g - b, -2 * r + g + b
            wave = first + first.std() / second.std() * second
            total[here] += wave - wave.mean()
        else:
            ratio = across[here].std() / along[here].std()
            total[here] += (across[here] - ratio * along[here]) * np.hanning(length + 2)[1:-1]
        cover[here] += 1
    return total / cover


@pytest.mark.parametrize("method", [pos, chrom])
@pytest.mark.parametrize("n", [48, 49, 95, 96, 300])
def test_sums_of_windows_are_those_of_the_paper(method, n):
    rng = np.random.default_rng(n)
    rgb = (skin(75.0, light=0.02, noise=0.3) + np.cumsum(rng.normal(0, 0.3, (300, 3)), axis=0))[:n]
    expected = by_the_paper(rgb, method)
    np.testing.assert_allclose(method(rgb), expected, atol=1e-9 * expected.std())


def test_pos_ignores_a_lamp_that_is_stronger_than_the_pulse():
    assert rate(pos(skin(75.0, light=0.03))) == pytest.approx(75.0, rel=0.015)
    green = skin(75.0, light=0.03)[:, 1]
    assert rate(green) == pytest.approx(114.0, rel=0.02)


def test_constant_colour_is_no_pulse_and_no_warning():
    flat = np.tile(SKIN, (300, 1))
    assert np.abs(pos(flat)).max() < 1e-9
    assert snr_db(pos(flat), 75.0) < -5.0
    assert not pos(np.zeros((300, 3))).any()


def test_too_short_a_trace_gives_nothing():
    assert not pos(skin(75.0)[:20]).any()


def test_snr_rises_with_the_pulse():
    quiet = band_pass(pos(skin(75.0, pulse=0.001, noise=0.2)))
    loud = band_pass(pos(skin(75.0, pulse=0.01, noise=0.2)))
    assert snr_db(loud, 75.0) > snr_db(quiet, 75.0) + 5


def test_amplitude_is_a_share_of_the_mean():
    red, green, blue = amplitude_at(skin(75.0, pulse=0.01), 75.0)
    assert green == pytest.approx(0.0077, rel=0.05)
    assert red < blue < green
