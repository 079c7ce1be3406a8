"""What the rest network sees, against definitions worked out the slow way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.rest import spectra as rest_spectra
from edge.dsp.rest.spectra import CHANNELS, GRID_BPM, RATE_HZ, network_input

N = 800
T = np.arange(N) / RATE_HZ


def pulse(bpm, seed=0, noise=0.05):
    phase = 2 * np.pi * bpm / 60.0 * T
    rng = np.random.default_rng(seed)
    return np.sin(phase) + 0.5 * np.sin(2 * phase + 0.9) + noise * rng.standard_normal(N)


def channel(picture, name):
    return picture[0, CHANNELS.index(name), 0].astype(float)


def standard(x):
    x = x - x.mean()
    return np.clip(x / x.std(), -6.0, 6.0)


def magnitude(x, hz):
    return abs(np.exp(-2j * np.pi * np.outer(np.atleast_1d(hz), np.arange(len(x))) / RATE_HZ) @ x)


@pytest.mark.parametrize(
    ("name", "seconds", "times", "of_slope"),
    [
        ("power of 16 s", 16, 1.0, False),
        ("at twice the rate", 16, 2.0, False),
        ("at three times the rate", 16, 3.0, False),
        ("at half the rate", 16, 0.5, False),
        ("power of 10 s", 10, 1.0, False),
        ("power of 6 s", 6, 1.0, False),
        ("power of the slope", 16, 1.0, True),
        ("of the slope at twice the rate", 16, 2.0, True),
    ],
)
def test_power_is_that_of_the_tapered_wave_over_its_mean_up_to_9_hz(name, seconds, times, of_slope):
    x = standard(pulse(83.0, noise=0.5))
    row = np.diff(x, prepend=x[0]) if of_slope else x
    n = round(seconds * RATE_HZ)
    tail = row[-n:] * np.hanning(n)
    level = np.sqrt((magnitude(tail, np.arange(737) * RATE_HZ / 4096) ** 2).mean())
    place = times * GRID_BPM / 60.0 * 4096 / RATE_HZ
    low, high = (magnitude(tail, end * RATE_HZ / 4096) for end in (np.floor(place), np.floor(place) + 1))
    expected = 0.6 * np.log((low + (high - low) * (place % 1.0)) / level + 0.05)
    assert channel(network_input(pulse(83.0, noise=0.5)), name) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "beats", "seconds", "kind"),
    [
        ("likeness after one beat", 1.0, 10, "wave"),
        ("after two", 2.0, 10, "wave"),
        ("after half of one", 0.5, 10, "wave"),
        ("likeness of the slope after one beat", 1.0, 10, "slope"),
        ("likeness of 16 s after one beat", 1.0, 16, "wave"),
        ("of the rises alone", 1.0, 10, "rises"),
    ],
)
def test_likeness_is_the_autocorrelation_a_beat_later(name, beats, seconds, kind):
    x = standard(pulse(83.0, noise=0.3))
    n = round(seconds * RATE_HZ)
    piece = x[-n:] if kind == "wave" else np.diff(x)[1 - n :]
    piece = np.maximum(piece, 0.0) if kind == "rises" else piece
    piece = piece - piece.mean()
    whole = np.correlate(piece, piece, "full")[len(piece) - 1 :]
    lag = np.arange(len(piece))
    like = whole / whole[0] * len(piece) / (len(piece) - np.minimum(lag, 3 * len(piece) // 4))
    expected = 2.0 * np.interp(60.0 * RATE_HZ * beats / GRID_BPM, lag, like)
    assert channel(network_input(pulse(83.0, noise=0.3)), name) == pytest.approx(np.clip(expected, -3.0, 3.0), abs=1e-5)


@given(st.floats(35.0, 180.0), st.integers(0, 20))
def test_a_pulse_is_most_like_itself_a_beat_later_at_its_rate(bpm, seed):
    like = channel(network_input(pulse(bpm, seed)), "likeness of 16 s after one beat")
    near = abs(np.log(GRID_BPM / bpm)) < 0.3
    assert GRID_BPM[near][np.argmax(like[near])] == pytest.approx(bpm, rel=0.035)  # a lag of 20 ms is 6 % at 180


def test_a_heart_twice_as_fast_is_the_same_picture_further_on():
    octave = round(np.log(2.0) / np.log(GRID_BPM[1] / GRID_BPM[0]))
    one = channel(network_input(pulse(60.0, noise=0.0)), "power of 16 s")
    two = channel(network_input(pulse(60.0 * GRID_BPM[octave] / GRID_BPM[0], noise=0.0)), "power of 16 s")
    assert np.argmax(two) - np.argmax(one) == octave


@given(st.floats(1e-3, 1e4), st.floats(-1e4, 1e4))
def test_gain_and_offset_do_not_matter(gain, offset):
    x = pulse(72.0)
    np.testing.assert_allclose(network_input(gain * x + offset), network_input(x), atol=1e-3)


def test_only_the_last_16_s_count():
    x = pulse(72.0)
    np.testing.assert_array_equal(network_input(np.concatenate([1e3 * np.ones(50), x])), network_input(x))


@pytest.mark.parametrize("seconds", [7.5, 9.0, 12.5])
def test_less_is_a_wave_that_was_level_before(seconds):
    x = pulse(72.0, noise=0.0)[-round(seconds * RATE_HZ) :]
    level = np.concatenate([np.full(N - len(x), x.mean()), x])
    for name in ("power of 6 s", "likeness of 16 s after one beat", "power of 16 s"):
        assert channel(network_input(x), name) == pytest.approx(channel(network_input(level), name), abs=1e-4)


def test_too_little_is_refused():
    network_input(np.zeros(375))
    with pytest.raises(ValueError, match=r"374 samples at 50 Hz are less than 7\.5 s"):
        network_input(np.zeros(374))


def test_a_flat_wave_has_a_picture_without_a_hole():
    picture = network_input(np.zeros(N))
    assert picture.shape == (1, len(CHANNELS), 1, len(GRID_BPM))
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()


def test_the_grid_is_of_equal_ratios():
    assert (GRID_BPM[0], GRID_BPM[-1]) == (pytest.approx(28.0), pytest.approx(230.0))
    assert np.ptp(np.diff(np.log(GRID_BPM))) < 1e-12
    assert rest_spectra.SPAN_S * RATE_HZ == N
