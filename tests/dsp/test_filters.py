"""Filters against scipy.signal."""

import numpy as np
import pytest

from edge.dsp.filters import butterworth, detrend, zero_phase

CASES = [
    (2, 8.0, "low"),
    (3, 8.0, "low"),
    (4, 0.5, "high"),
    (1, 0.5, "high"),
    (2, (0.5, 8.0), "band"),
    (3, (0.4, 8.0), "band"),
]


@pytest.mark.parametrize(("order", "cut", "kind"), CASES)
@pytest.mark.parametrize("rate", [25.0, 100.0, 500.0])
def test_a_design_is_scipys(order, cut, kind, rate):
    signal = pytest.importorskip("scipy.signal")
    ours = butterworth(order, cut, rate, kind)
    theirs = signal.butter(
        order, cut, {"low": "lowpass", "high": "highpass", "band": "bandpass"}[kind], fs=rate, output="sos"
    )
    freq = np.linspace(0.05, rate / 2 - 0.1, 300)
    (_, gain), (_, expected) = (signal.sosfreqz(sections, worN=freq, fs=rate) for sections in (ours, theirs))
    np.testing.assert_allclose(gain, expected, atol=1e-6)


def test_zero_phase_is_scipys_away_from_the_ends():
    signal = pytest.importorskip("scipy.signal")
    t = np.arange(1000) / 100
    x = np.sin(2 * np.pi * 1.3 * t) + 0.5 * t + np.random.default_rng(2).normal(size=1000)
    sections = butterworth(2, (0.5, 8.0), 100.0, "band")
    expected = signal.sosfiltfilt(sections.copy(), x, padlen=900)
    np.testing.assert_allclose(zero_phase(x, sections)[100:-100], expected[100:-100], atol=0.02)
    two = zero_phase(np.stack([x, -x], axis=1), sections)
    np.testing.assert_allclose(two[:, 0], zero_phase(x, sections), atol=1e-12)
    np.testing.assert_allclose(two[:, 1], -two[:, 0], atol=1e-9)


def test_detrend_removes_a_line():
    k = np.arange(100.0)
    np.testing.assert_allclose(detrend(3 * k + 5), 0.0, atol=1e-9)
    assert detrend(np.array([4.0])).tolist() == [0.0]


@pytest.mark.parametrize(
    ("cut", "kind"), [(60.0, "low"), (0.0, "low"), ((8.0, 0.5), "band"), (5.0, "band"), (5.0, "notch")]
)
def test_impossible_designs_are_refused(cut, kind):
    with pytest.raises(ValueError, match=r"corner|kind"):
        butterworth(2, cut, 100.0, kind)


@pytest.mark.parametrize("hum_hz", [50.0, 40.0])  # 60 Hz at 100 samples a second is 40
def test_hum_at_the_ends_does_not_move_the_level_there(hum_hz):
    t = np.arange(1600) / 100.0
    sections = butterworth(2, (0.5, 8.0), 100.0, "band")
    x = np.sin(2 * np.pi * 1.1 * t + 0.4)
    noisy = x + 3.0 * np.cos(2 * np.pi * hum_hz * t)
    moved = abs(zero_phase(noisy, sections) - zero_phase(x, sections)).max()
    assert moved > 0.5
    assert abs(zero_phase(noisy, sections, hum=10) - zero_phase(x, sections)).max() < 0.2 * moved


def test_without_hum_a_line_ends_as_it_is():
    line = np.stack([np.linspace(-2.0, 5.0, 300), np.linspace(9.0, 1.0, 300)], axis=1)
    sections = butterworth(2, 8.0, 100.0)
    np.testing.assert_allclose(zero_phase(line, sections, hum=10), zero_phase(line, sections), atol=1e-9)
    short = line[:15]
    np.testing.assert_array_equal(zero_phase(short, sections, hum=10), zero_phase(short, sections))
