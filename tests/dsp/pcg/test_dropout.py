"""Holes that were written as sound are found and filled; the silence of coarse converters and of gates is none."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.pcg.dropout import filled, spans, written_holes

RATE = 4000.0
T = np.arange(20_000) / RATE


def heart(noise: float = 0.02) -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 75.0)], 6.0, seed=3)
    return np.round(8000 * synthesis.pcg(beats, T, murmur=[], noise=noise, seed=5))


def broken(x: np.ndarray, every: int, length: int, *, hold: bool) -> np.ndarray:
    y = x.copy()
    for at in range(every // 2, len(y) - length, every):
        y[at : at + length] = y[at - 1] if hold else 0.0
    return y


def lost_s(x: np.ndarray) -> float:
    return sum(b - a for a, b in written_holes(x, RATE)) / RATE


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize(("every", "length"), [(2000, 80), (4000, 400), (8000, 1200)])
@pytest.mark.parametrize("offset", [0, 30_000])
def test_zeros_and_held_samples_are_holes(every: int, length: int, hold: bool, offset: int) -> None:
    x = broken(heart(), every, length, hold=hold) + offset
    missing_s = len(range(every // 2, len(x) - length, every)) * length / RATE
    assert 0.85 * missing_s < lost_s(x) < 1.02 * missing_s  # where the sound is near zero a hole of zeros does no harm
    assert lost_s(x) > 0.1


def test_a_hole_is_filled_with_the_sound_around_it_and_the_rest_is_left_alone() -> None:
    x = heart()
    whole = x.copy()
    x[6001:6101] = 0
    assert written_holes(x, RATE) == [(6001, 6101)]
    y = filled(x, [(6001, 6101)])
    fade = np.arange(1, 101) / 101
    mirrored = (1 - fade) * whole[5901:6001][::-1] + fade * whole[6101:6201][::-1]
    assert np.array_equal(y[6001:6101], mirrored)
    assert np.array_equal(np.delete(y, range(6001, 6101)), np.delete(whole, range(6001, 6101)))
    assert np.array_equal(x[6001:6101], np.zeros(100))


@pytest.mark.parametrize(
    ("first", "after", "like"), [(0, 100, (199, 99)), (50, 150, (249, 149)), (900, 1000, (899, 799))]
)
def test_a_hole_at_the_edge_is_filled_from_its_other_side(first: int, after: int, like: tuple[int, int]) -> None:
    x = np.arange(1000.0) ** 2
    assert np.array_equal(filled(x, [(first, after)])[first:after], x[like[0] : like[1] : -1])


def test_spans_are_where_something_is_missing() -> None:
    assert spans(np.array([True, True, False, True, False])) == [(0, 2), (3, 4)]
    assert spans(np.zeros(5, bool)) == []


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize(("step", "silence"), [(80.0, 40), (400.0, 800)])
def test_silence_between_the_beats_of_a_coarse_converter_is_no_hole(step: float, silence: int, kind: type) -> None:
    x = np.round(heart(noise=0.003) / step).astype(kind)
    assert (np.diff(np.flatnonzero(np.diff(x))) > silence).sum() >= 5
    assert written_holes(x, RATE) == []


def test_a_gate_that_opens_for_the_beats_alone_cuts_holes_and_one_that_fades_does_not() -> None:
    x = heart()
    loud = np.sqrt(np.convolve(x**2, np.ones(200) / 200, "same")) > 800
    assert lost_s(np.where(loud, x, 0.0)) > 2.0
    faded = np.convolve(loud, np.hanning(300) / np.hanning(300).sum(), "same")
    gentle = np.round(x * np.where(faded > 1e-3, faded, 0.0))
    assert lost_s(gentle) == 0.0


@pytest.mark.parametrize("x", [np.zeros(20_000), np.arange(20_000.0), np.array([0.0] * 9000 + [1.0] * 9000)])
def test_all_constant_never_constant_and_one_step_are_left_alone(x: np.ndarray) -> None:
    assert written_holes(x, RATE) == []
