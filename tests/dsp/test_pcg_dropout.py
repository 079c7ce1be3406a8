"""Holes that were written as sound are found and bridged; the silence of coarse converters and of gates is none."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.pcg_dropout import without_holes

RATE = 4000.0
T = np.arange(20_000) / RATE


def heart(noise: float = 0.02) -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 75.0)], 6.0, seed=3)
    return np.round(8000 * synthesis.pcg(beats, T, murmur=[], noise=noise, seed=5))


def filled(x: np.ndarray, every: int, length: int, *, hold: bool) -> np.ndarray:
    y = x.copy()
    for at in range(every // 2, len(y) - length, every):
        y[at : at + length] = y[at - 1] if hold else 0.0
    return y


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize(("every", "length"), [(2000, 80), (4000, 400), (8000, 1200)])
@pytest.mark.parametrize("offset", [0, 30_000])
def test_zeros_and_held_samples_are_holes(every: int, length: int, hold: bool, offset: int) -> None:
    x = filled(heart(), every, length, hold=hold) + offset
    y, lost_s = without_holes(x, RATE)
    missing_s = len(range(every // 2, len(x) - length, every)) * length / RATE
    assert 0.85 * missing_s < lost_s < 1.02 * missing_s  # where the sound is near zero a hole of zeros does no harm
    assert lost_s > 0.1
    assert len(y) == len(x)


def test_a_hole_is_bridged_by_a_straight_line_and_the_rest_is_left_alone() -> None:
    x = heart()
    x[6000], x[6101] = -500, 510
    x[6001:6101] = 0
    y, lost_s = without_holes(x, RATE)
    assert lost_s == 0.025
    assert np.array_equal(y[6000:6102], np.linspace(-500, 510, 102))
    assert np.array_equal(np.delete(y, range(6001, 6101)), np.delete(x, range(6001, 6101)))


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize(("step", "silence"), [(80.0, 40), (400.0, 800)])
def test_silence_between_the_beats_of_a_coarse_converter_is_no_hole(step: float, silence: int, kind: type) -> None:
    x = np.round(heart(noise=0.003) / step).astype(kind)
    assert (np.diff(np.flatnonzero(np.diff(x))) > silence).sum() >= 5
    y, lost_s = without_holes(x, RATE)
    assert lost_s == 0.0
    assert np.array_equal(y, x)


def test_a_gate_that_opens_for_the_beats_alone_cuts_holes_and_one_that_fades_does_not() -> None:
    x = heart()
    loud = np.sqrt(np.convolve(x**2, np.ones(200) / 200, "same")) > 800
    assert without_holes(np.where(loud, x, 0.0), RATE)[1] > 2.0
    faded = np.convolve(loud, np.hanning(300) / np.hanning(300).sum(), "same")
    gentle = np.round(x * np.where(faded > 1e-3, faded, 0.0))
    assert without_holes(gentle, RATE)[1] == 0.0


@pytest.mark.parametrize("x", [np.zeros(20_000), np.arange(20_000.0), np.array([0.0] * 9000 + [1.0] * 9000)])
def test_all_constant_never_constant_and_one_step_are_left_alone(x: np.ndarray) -> None:
    y, lost_s = without_holes(x, RATE)
    assert lost_s == 0.0
    assert np.array_equal(y, x)
