"""Coarse converters: seen by their steps, and hidden by noise that depends on the window alone."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.pcg import listening, steps
from edge.dsp.pcg.frontend import log_mel, to_internal

RATE = 4000
_HEART = synthesis.beats([synthesis.Episode(0.0, "sinus", 80.0)], 8.0, seed=2)
_SOUND = synthesis.pcg(_HEART, np.arange(5 * RATE) / RATE, noise=0.02, seed=3)


def rounded(x: np.ndarray, steps: int) -> np.ndarray:
    return np.round(x / np.abs(x).max() * steps)


@pytest.mark.parametrize(
    ("x", "step"),
    [
        (_SOUND, 0.0),
        (rounded(_SOUND, 2000), 0.0),
        (rounded(_SOUND, 16), 1.0),
        (rounded(_SOUND, 16) / 128 + 5, 1 / 128),
        (rounded(_SOUND, 16).astype(np.int8), 1.0),
        (np.zeros(5 * RATE), 0.0),
    ],
    ids=["float", "16 bit", "8 bit", "8 bit in full scale, with DC", "int8", "constant"],
)
def test_a_coarse_step_is_found(x: np.ndarray, step: float) -> None:
    assert steps.coarse_step(x) == pytest.approx(step, abs=1e-9)


def test_sound_that_rests_where_one_looks_first_is_looked_at_whole() -> None:
    x = np.concatenate([np.repeat([0.0, 1.0], 500), rounded(_SOUND, 2000)])
    assert steps.coarse_step(x) == 0.0


def test_the_silence_between_beats_becomes_noise_of_the_step() -> None:
    y = np.zeros(10_000, np.float32)
    assert steps.with_steps_hidden(y, 0.0) is y
    noisy = steps.with_steps_hidden(y, 2.0)
    assert np.abs(noisy).max() <= 1.0
    assert noisy.std() == pytest.approx(2.0 / np.sqrt(12), rel=0.02)
    assert np.array_equal(noisy, steps.with_steps_hidden(y, 2.0))


def test_gaps_that_were_exactly_constant_are_no_longer_at_the_floor_of_the_picture() -> None:
    quiet = rounded(synthesis.pcg(_HEART, np.arange(5 * RATE) / RATE, noise=0.005, seed=3), 16)
    floor = np.log(1e-5) + 0.5
    assert (log_mel(to_internal(quiet, RATE)) < floor).mean() > 0.05
    heard, reason = listening.listen_to(quiet, RATE)
    assert heard is not None, reason
    assert not (heard.picture < floor).any()
