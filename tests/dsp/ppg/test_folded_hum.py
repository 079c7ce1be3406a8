"""Lines beside a pulse that slow sampling folded down: taken out where they are not the heart's, and said to hide it."""

import numpy as np
import pytest

from early_beats import RATE, noise, steady
from edge.dsp.ppg.folded_hum import without_folded_hum

SECONDS = 16.0
T = np.arange(round(SECONDS * RATE)) / RATE


def tone(hz, height):
    return height * np.sin(2 * np.pi * hz * T + 0.7)


@pytest.mark.parametrize(
    ("hz", "height"), [(5.01, 0.3), (5.01, 1.0), (8.0, 0.1), (8.0, 1.0), (9.97, 0.1), (10.03, 1.0), (14.9, 0.1)]
)
def test_a_tone_beside_a_pulse_is_taken_out(hz, height):
    x = steady(40.0, SECONDS) + noise(0.3, SECONDS)
    found = without_folded_hum(x + tone(hz, height), RATE)
    assert abs(found - x).max() < 0.03


@pytest.mark.parametrize(("bpm", "hz"), [(105.0, 4.4), (125.0, 5.01), (125.0, 5.3), (160.0, 6.6)])
def test_a_tone_under_the_harmonics_of_a_fast_heart_is_taken_out(bpm, hz):
    x = steady(bpm, SECONDS) + noise(0.3, SECONDS)
    found = without_folded_hum(x + tone(hz, 0.2), RATE)
    assert abs(found - x).max() < 0.03


def test_two_of_them_and_one_that_grows():
    x = steady(72.0, SECONDS)
    found = without_folded_hum(x + tone(10.0, 0.5) + tone(15.0, 0.3) * T / SECONDS, RATE)
    assert abs(found - x).max() < 0.03


@pytest.mark.parametrize("bpm", [34.0, 60.0, 95.0, 150.0, 210.0])
@pytest.mark.parametrize("damped", [False, True])
def test_a_pulse_is_left_as_it_is(bpm, damped):
    for x in (steady(bpm, SECONDS, damped=damped), steady(bpm, SECONDS, damped=damped) + noise(1.0, SECONDS)):
        assert without_folded_hum(x, RATE) is x


def test_so_are_noise_a_level_and_what_is_too_short():
    for x in (noise(1.0, SECONDS), np.full(len(T), 7.0), tone(10.0, 1.0)[:40]):
        assert without_folded_hum(x, RATE) is x


def test_hum_alone_hides_whatever_there_is():
    assert without_folded_hum(tone(10.0, 300.0) + noise(0.1, SECONDS), RATE) is None


def test_what_is_left_of_hum_of_one_step_is_rounding():
    x = np.round(tone(10.01, 0.6) + 0.1 * np.random.default_rng(0).standard_normal(len(T)))
    assert without_folded_hum(x, RATE, 1.0) is None
    pulse = np.round(20.0 * steady(60.0, SECONDS) + tone(10.01, 5.0))
    assert without_folded_hum(pulse, RATE, 1.0) is not None
