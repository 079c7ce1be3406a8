"""Steps of the light beside a pulse: taken out where one sample tells them, and nothing else is touched."""

import numpy as np
import pytest

from early_beats import RATE, noise, steady
from edge.dsp.ppg.light_steps import without_light_steps

SECONDS = 16.0
T = np.arange(round(SECONDS * RATE)) / RATE


@pytest.mark.parametrize(("bpm", "height"), [(34.0, 0.7), (34.0, -0.5), (34.0, -1.0), (72.0, 1.0), (72.0, -0.7)])
def test_a_step_is_taken_out_or_left(bpm, height):
    x, found = steady(bpm, SECONDS), []
    for at in np.arange(6.003, 10.0, 0.13):
        stepped = x + height * (at < T)
        out = without_light_steps(T, stepped, RATE)
        found.append(abs(out - x).max() < 0.1)
        assert found[-1] or out is stepped  # it came with the rise of a beat
    assert np.mean(found) > 0.8


def test_so_are_some_up_and_down():
    x = steady(34.0, SECONDS)
    level = 0.6 * ((T > 4.003) & (T < 6.5)) - 0.5 * ((T > 9.9) & (T < 12.0))
    assert abs(without_light_steps(T, x + level, RATE) - x).max() < 0.1


@pytest.mark.parametrize("bpm", [34.0, 60.0, 95.0, 150.0, 210.0])
@pytest.mark.parametrize("rate", [25.0, 50.0, 100.0, 250.0])
def test_a_pulse_is_left_as_it_is(bpm, rate):
    n = round(SECONDS * rate)
    t = np.arange(n) / rate
    x = np.interp(t, T, steady(bpm, SECONDS) + noise(1.0, SECONDS))
    assert without_light_steps(t, x, rate) is x


@pytest.mark.parametrize("times", [2, 4])
def test_so_is_one_whose_samples_are_held(times):
    x = np.repeat(steady(72.0, SECONDS)[::times], times)
    assert without_light_steps(T, x, RATE) is x


def test_so_is_one_with_samples_lost_while_it_rose():
    x = steady(60.0, SECONDS)
    rise = int(np.argmax(np.diff(x[500:600]))) + 500
    kept = np.r_[0 : rise - 5, rise + 6 : len(x)]
    seen = x[kept]
    assert without_light_steps(T[kept], seen, RATE) is seen


def test_nothing_is_said_of_what_is_level_or_short():
    for x in (np.full(len(T), 7.0), steady(60.0, SECONDS)[:200]):
        assert without_light_steps(T[: len(x)], x, RATE) is x


def test_before_a_step_nothing_is_touched_and_behind_it_all_by_the_same():
    x, at = steady(34.0, SECONDS), round(6.6 * RATE)
    stepped = x + 0.7 * (np.arange(len(x)) >= at)
    out = without_light_steps(T, stepped, RATE)
    assert out is not stepped
    assert np.array_equal(out[: at - 2], stepped[: at - 2])
    assert np.ptp((out - stepped)[at + 2 :]) < 1e-9


@pytest.mark.parametrize("height", [0.7, -0.7])
def test_a_step_of_which_an_end_hides_one_side_is_left(height):
    x = steady(34.0, SECONDS)
    for at in (1, 2, len(x) - 2, len(x) - 1):
        stepped = x + height * (np.arange(len(x)) >= at)
        assert without_light_steps(T, stepped, RATE) is stepped
