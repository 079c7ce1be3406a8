"""Movement by the accelerometer, and what is remembered of it when it falls silent."""

import numpy as np
import pytest

from edge.dsp.ppg.movement import HOLD_S, SHAKEN, Movement
from edge.types import Window

RATE = 100.0
STILL = np.tile([0.0, 0.0, 9.81], (800, 1))


def window(x, end=8.0):
    return Window("n/acc", end - 8.0, end, end - 8.0 + np.arange(800) / RATE, x, RATE, 1.0, ())


def noisy(amount, seed=0):
    return STILL + amount * np.random.default_rng(seed).normal(size=STILL.shape)


def look(x, movement=None, t=8.0):
    return (movement or Movement()).look({} if x is None else {"acc": window(x, t)}, 8.0, t)


@pytest.mark.parametrize("scale", [1.0, 1 / 9.81, 1000.0])
def test_movement_is_relative_to_gravity(scale):
    assert look(scale * noisy(0.01))[0] == pytest.approx(0.01 * 3**0.5 / 9.81, rel=0.1)
    assert look(scale * noisy(3.0))[0] > SHAKEN


@pytest.mark.parametrize("dead", [0.0 * STILL, np.nan * STILL, np.full((800, 3), 32767.0), None])
def test_a_dead_accelerometer_says_nothing(dead):
    assert look(dead) == (None, False)


def test_one_axis_may_be_dead():
    x = noisy(3.0)
    x[:, 1] = 0.0
    assert look(x)[0] > SHAKEN


def test_a_coarse_one_at_rest_shows_gravity_and_one_that_hangs_does_not():
    movement = Movement()
    assert look(np.round(noisy(3.0)), movement)[0] > SHAKEN
    assert look(np.round(STILL), movement, 9.0) == (0.0, False)
    assert look(np.round(1.5 * STILL), movement, 10.0) == (None, False)


@pytest.mark.parametrize("step", [9.81 / 16, 9.81 / 64])
@pytest.mark.parametrize("sideways", [5.0, 10.0, 15.0])
def test_a_coarse_one_is_at_rest_after_the_wildest_movement(step, sideways):
    movement = Movement()
    t = np.arange(800) / RATE
    wild = STILL + sideways * np.sin(2 * np.pi * 2.0 * t)[:, None] * [1.0, 0.5, 0.2]
    assert look(step * np.round(wild / step), movement, 16.0)[0] > SHAKEN
    assert look(step * np.round(STILL / step), movement, 24.0) == (0.0, False)


def test_what_dies_at_rest_did_not_move():
    movement = Movement()
    assert look(noisy(0.01), movement)[1] is False
    for t in range(9, 20):
        x = noisy(0.01)
        x[-100 * (t - 8) :] = 0.0
        assert look(x, movement, float(t)) == (None, False)


@pytest.mark.parametrize("dead", [None, 1.5 * STILL, 0.0 * STILL, np.nan * STILL])
def test_who_moved_when_it_fell_silent_may_move_on(dead):
    movement = Movement()

    assert look(noisy(0.01), movement, 8.0)[1] is False
    assert look(noisy(3.0), movement, 9.0)[1] is False
    assert look(dead, movement, 10.0) == (None, True)
    assert look(dead, movement, 9.0 + HOLD_S) == (None, True)
    assert look(dead, movement, 10.0 + HOLD_S) == (None, False)
    assert look(noisy(3.0), movement, 700.0)[1] is False
    assert look(noisy(0.01), movement, 701.0)[1] is False
    assert look(dead, movement, 702.0) == (None, False)


def test_the_memory_goes_on_from_its_state():
    one, two = Movement(), Movement()
    one.look({"acc": window(noisy(3.0))}, 8.0, 8.0)
    two.restore(one.state())
    assert two.look({}, 8.0, 9.0) == (None, True)
    two.reset()
    assert two.look({}, 8.0, 9.0) == (None, False)


@pytest.mark.parametrize(("swing", "bpm", "told"), [(0.3, 110.0, True), (0.3, 80.0, False), (0.05, 110.0, False)])
def test_a_gentle_movement_keeps_time_with_its_own_rate_from_the_hundredth_of_gravity_on(swing, bpm, told):
    t = np.arange(800) / RATE
    x = noisy(0.01) + swing * np.sin(2 * np.pi * 110.0 / 60.0 * t)[:, None] * [0.2, 0.4, 1.0]
    assert Movement().keeps_time(window(x), 8.0, bpm) == told


def test_movement_of_every_rate_keeps_no_time():
    assert not any(Movement().keeps_time(window(noisy(1.0, seed)), 8.0, 90.0) for seed in range(20))
