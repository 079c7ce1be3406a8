"""The rate of a window's beats beside the peak of its spectrum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.face.pulse import half_of_it, mean_rate, peak_near
from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, band_pass, power

SECONDS = 10.0


def wave(beats_s):
    """A pulse of one hump a beat, with its double, from beat times ``(n,)`` s that cover more than the window."""
    t = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.interp(t, beats_s, np.arange(len(beats_s)))
    return np.asarray(band_pass(np.cos(phase) + 0.3 * np.cos(2 * phase + 1)))


def even(bpm):
    return np.arange(-2.0, SECONDS + 3.0, 60.0 / bpm)


def spectral(x):
    s = power(x)
    return peak_near(s, float(GRID_BPM[s.argmax()]))


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@given(bpm=st.floats(45.0, 215.0))
def test_even_beats_give_their_rate_either_way_up(sign, bpm):
    """Also above 150, a few samples apart: at 30 a second some of those windows look uneven; then the phase is asked."""
    assert mean_rate(sign * wave(even(bpm)), bpm * 1.03) == pytest.approx(bpm, rel=0.02)


@given(st.floats(0.0, 6.28))
def test_a_rate_that_wanders_is_the_mean_of_its_beats(phase):
    """Breathing makes intervals sway by 8 %: the spectrum's peak follows the middle of the window, the mean does not."""
    beats = np.cumsum(0.85 * (1.0 + 0.08 * np.sin(2 * np.pi * 0.1 * np.arange(16) * 0.85 + phase))) - 2.0
    inside = beats[(beats > 0.5) & (beats < SECONDS - 0.5)]
    mean_bpm = 60.0 / np.diff(inside).mean()
    x = wave(beats)
    assert abs(mean_rate(x, spectral(x)) - mean_bpm) <= 3.0


@given(st.floats(70.0, 190.0), st.integers(0, 200))
def test_beats_blurred_by_noise_still_turn_the_phase_once_each(bpm, seed):
    """Single beats move by more than a seventh of their distance, so that they do not look even; their number stays."""
    rng = np.random.default_rng(seed)
    beats = even(bpm)
    x = wave(beats + rng.uniform(-0.24, 0.24, len(beats)) * 60.0 / bpm)
    assert mean_rate(x, bpm) == pytest.approx(bpm, rel=0.05)


@given(st.integers(0, 200), st.floats(50.0, 180.0))
def test_noise_leaves_the_rate_as_it_was_or_near_it(seed, bpm):
    x = np.asarray(band_pass(np.random.default_rng(seed).standard_normal(round(SECONDS * RATE_HZ))))
    assert abs(mean_rate(x, bpm) / bpm - 1.0) <= 0.12


@pytest.mark.parametrize("x", [np.zeros(300), np.full(300, 7.0)])
def test_a_flat_wave_has_no_beats(x):
    assert mean_rate(x, 70.0) == 70.0


def test_uneven_beats_stay_near_the_spectrum():
    beats = np.delete(even(80.0), [5, 9, 10])
    assert mean_rate(wave(beats), 80.0) == pytest.approx(80.0, abs=80.0 * 0.12)


@pytest.mark.parametrize(("bpm", "share", "doubted"), [(72.0, 0.0, False), (72.0, 0.1, False), (72.0, 0.5, True),
                                                       (60.0, 0.5, True), (84.0, 0.5, True), (100.0, 0.5, False)])  # fmt: skip
def test_a_rate_with_power_at_its_half_may_be_the_double_of_a_slow_heart(bpm, share, doubted):
    t = np.arange(300) / RATE_HZ
    wave = np.sin(2 * np.pi * bpm / 60.0 * t) + share * np.sin(np.pi * bpm / 60.0 * t)
    assert half_of_it(wave, bpm) is doubted
