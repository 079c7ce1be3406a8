"""Rate under motion: the step frequency is not taken for the heart, nothing comes from the future."""

import numpy as np
import pytest

from edge.dsp.motion_rate import MotionRate, evidence
from edge.dsp.motion_spectra import RATE_HZ, residual, spectra


def walk(seconds=60.0, heart_hz=2.0, step_hz=1.6, motion=3.0, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(0, seconds, 1 / RATE_HZ)
    phase = 2 * np.pi * step_hz * t + 0.3 * np.sin(0.2 * t)
    acc = np.stack([np.sin(phase), 0.5 * np.cos(2 * phase), 0.3 * np.sin(phase + 1)], axis=1)
    pulse = np.sin(2 * np.pi * heart_hz * t) + 0.3 * np.sin(4 * np.pi * heart_hz * t)
    shaken = motion * np.roll(acc[:, 0], 2) + 0.5 * motion * acc[:, 1]
    ppg = np.stack([pulse + shaken, 0.8 * pulse + 1.2 * shaken], axis=1)
    return ppg + 0.2 * rng.normal(size=ppg.shape), acc + 0.02 * rng.normal(size=acc.shape)


def follow(ppg, acc):
    rate, found = MotionRate(), []
    for end in range(200, len(ppg) + 1, 25):
        begin = max(0, end - 400)
        found.append(rate.update(ppg[begin:end], None if acc is None else acc[begin:end], 1.0))
    return np.array(found)


def test_the_heart_is_found_under_steps_three_times_as_strong():
    found = follow(*walk())
    assert abs(found[10:, 0] - 120).mean() < 2
    assert (found[10:, 1] < 8).all()


def test_without_an_accelerometer_a_still_wearer_is_read():
    ppg, _ = walk(motion=0.0)
    assert abs(follow(ppg, None)[5:, 0] - 120).mean() < 2


def test_the_future_changes_nothing():
    ppg, acc = walk(30.0)
    other_ppg, other_acc = ppg.copy(), acc.copy()
    other_ppg[500:] *= -7.0
    other_acc[500:] += 3.0
    here = (500 - 200) // 25 + 1
    assert np.array_equal(follow(ppg, acc)[:here], follow(other_ppg, other_acc)[:here])


def test_a_residual_holds_nothing_of_the_motion():
    ppg, acc = walk(16.0)
    left = residual(ppg[-400:], acc[-400:])
    assert left.std() < 0.5 * ppg[-200:].std()


def test_noise_leaves_doubt():
    rng = np.random.default_rng(3)
    found = follow(rng.normal(size=(1000, 1)), rng.normal(size=(1000, 3)))
    assert np.median(found[:, 1]) > 8


def test_silence_is_no_evidence():
    assert evidence(spectra(np.zeros((400, 1)), None)) == pytest.approx(np.ones(193))
