"""The front end: any rate, any unit, hum, DC and gain, spikes, and the two pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dsp import synthesis
from edge.dsp.pcg import frontend

RATES = (1000, 2000, 4000, 8000, 11025, 16000, 22050, 44100, 48000)


def heart(rate: float, seconds: float = 5.0, *, murmur: bool = True, noise: float = 0.0) -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], seconds + 1, seed=3)
    t = np.arange(round(seconds * rate)) / rate
    return synthesis.pcg(beats, t, murmur=[(0.0, 99.0)] if murmur else [], noise=noise, seed=2)


@pytest.mark.parametrize("rate", RATES)
def test_any_rate_gives_the_same_length_and_nearly_the_same_tone(rate: int) -> None:
    t = np.arange(5 * rate) / rate
    y = frontend.to_internal(np.sin(2 * np.pi * 120 * t), rate)
    assert len(y) == 10_000
    want = np.sin(2 * np.pi * 120 * np.arange(10_000) / 2000)
    assert np.abs(y - want)[200:-200].max() < 0.03


def test_what_lies_outside_the_band_is_gone() -> None:
    rate = 8000
    t = np.arange(5 * rate) / rate
    inside = np.sin(2 * np.pi * 100 * t)
    outside = 5 * np.sin(2 * np.pi * 8 * t) + 5 * np.sin(2 * np.pi * 1500 * t) + 3.0
    a, b = frontend.to_internal(inside, rate), frontend.to_internal(inside + outside, rate)
    assert np.abs(a - b)[400:-400].max() < 0.02


@pytest.mark.parametrize(("length", "rate"), [(21_600, 4000.0), (21_603, 4000.0), (86_400, 16_000.0), (10_800, 2000.0)])
def test_low_bins_from_four_short_transforms_are_those_of_one(length: int, rate: float) -> None:
    x = np.random.default_rng(3).standard_normal(length).astype(np.float32)
    out_total = round(length * 2000 / rate)
    found = frontend._band(x, rate, out_total)
    mask = frontend._band_mask(length, rate, out_total)
    expected = np.fft.rfft(x.astype(np.float64))[: len(mask)] * mask
    assert (len(mask) - 1) * rate / length < 840 <= len(mask) * rate / length
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(1e-6, 1e6), offset=st.floats(-100.0, 100.0))
def test_gain_and_offset_do_not_show(gain: float, offset: float) -> None:
    x = heart(2000) + 0.01 * np.random.default_rng(0).standard_normal(10_000)
    a = frontend.network_input(frontend.log_mel(frontend.to_internal(x, 2000)))
    b = frontend.network_input(frontend.log_mel(frontend.to_internal(gain * (x + offset), 2000)))
    assert np.abs(a - b).max() < 0.02


def test_network_input_has_one_mean_and_one_deviation() -> None:
    x = frontend.network_input(frontend.log_mel(frontend.to_internal(heart(4000, noise=0.01), 4000)))
    assert x.shape == (1, 2, 40, 250)
    assert x.dtype == np.float32
    assert abs(float(x.mean())) < 0.05
    assert abs(float(x.std()) - 1) < 0.05


def test_three_seconds_are_repeated_to_five() -> None:
    picture = frontend.log_mel(frontend.to_internal(heart(2000, 3.0, noise=0.01), 2000))
    assert picture.shape == (40, 150)
    x = frontend.network_input(picture)
    np.testing.assert_allclose(x[..., :100], x[..., 150:], atol=1e-6)


def test_a_spike_is_removed_and_a_slow_heart_is_not() -> None:
    rng = np.random.default_rng(1)
    y = (0.05 * rng.standard_normal(10_000)).astype(np.float32)
    y[4321:4325] += 3.0
    cleaned, count = frontend.remove_spikes(y)
    assert count == 1
    assert np.abs(cleaned).max() < 0.5
    beats = (0.01 * rng.standard_normal(10_000)).astype(np.float32)
    for at in range(200, 10_000, 2800):
        beats[at : at + 100] += np.sin(np.arange(100) * 0.3, dtype=np.float32)
    kept, count = frontend.remove_spikes(beats)
    assert count == 0
    assert kept is beats


@pytest.mark.parametrize(("rate", "heard"), [(1000, 27), (1200, 31), (1500, 37), (1700, 40), (2000, 40), (48_000, 40)])
def test_bands_that_a_slow_rate_cannot_hold_are_those_below_again(rate: int, heard: int) -> None:
    picture = frontend.log_mel(frontend.to_internal(heart(rate), rate))
    filled = frontend.with_upper_bands(picture, rate)
    np.testing.assert_array_equal(filled[:heard], picture[:heard])
    for band in range(heard, frontend.BANDS):
        np.testing.assert_array_equal(filled[band], filled[band - 4])


def test_mel_power_is_that_of_triangles_over_hann_frames_about_every_20_ms() -> None:
    y = np.random.default_rng(8).standard_normal(8030).astype(np.float32)
    mel = 1127.0 * np.log1p(np.array([25.0, 800.0]) / 700.0)
    edges = 700.0 * np.expm1(np.linspace(*mel, 42) / 1127.0)
    hz = np.arange(65) * 2000.0 / 128
    bank = np.array([np.interp(hz, edges[b : b + 3], [0.0, 1.0, 0.0]) for b in range(40)])
    bank /= bank.sum(axis=1, keepdims=True)
    taper = np.sin(np.pi * (np.arange(100) + 0.5) / 100) ** 2
    longer = np.pad(y.astype(np.float64), 30, mode="reflect")
    frames = [abs(np.fft.rfft(longer[40 * i : 40 * i + 100] * taper, 128)) ** 2 for i in range(200)]
    np.testing.assert_allclose(frontend.mel_power(y), bank @ np.array(frames).T, rtol=1e-4)


def test_a_tone_shows_in_its_band_in_both_pictures() -> None:
    t = np.arange(10_000) / 2000
    rng = np.random.default_rng(0)
    for hz in (60.0, 200.0, 500.0):
        y = (np.sin(2 * np.pi * hz * t) + 0.01 * rng.standard_normal(10_000)).astype(np.float32)
        mel = frontend.log_mel(y).mean(axis=1)
        assert abs(frontend._mel_edges_hz()[1:-1][mel.argmax()] - hz) < 25
        scales = frontend.scalogram(y)
        assert scales.shape == (40, 250)
        centres = np.geomspace(30.0, 800 / 1.1, 40)
        assert abs(np.log2(centres[scales.mean(axis=1).argmax()] / hz)) < 0.15


def test_silence_gives_an_empty_picture_and_no_warning() -> None:
    assert not frontend.log_mel(np.zeros(10_000, np.float32)).any()
    assert np.isfinite(frontend.network_input(np.zeros((40, 250), np.float32))).all()
