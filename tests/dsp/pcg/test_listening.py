"""One window of sound before and after the network: what is refused, and with which word."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.pcg import listening
from edge.dsp.pcg.dropout import filled
from edge.types import Window

RATE = 4000.0
T = np.arange(20_000) / RATE


def sound_of(x: np.ndarray) -> listening.Sound:
    sound, reason = listening.listen_to(x, RATE)
    assert sound is not None, reason
    return sound


def heart() -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 75.0)], 6.0, seed=3)
    return synthesis.pcg(beats, T, murmur=[], noise=0.02, seed=5)


def rubbing() -> np.ndarray:
    """Bursts of noise, stronger above than below, unevenly spaced, over quiet noise."""
    noise = np.random.default_rng(1).standard_normal(len(T))
    loud = sum(np.exp(-0.5 * ((T - at) / 0.12) ** 2) for at in (0.4, 0.9, 1.8, 2.1, 3.3, 4.4))
    return (noise + np.diff(noise, prepend=0.0)) * (0.01 + loud)


def test_a_heart_is_not_refused_unless_the_network_objects() -> None:
    assert listening.refusal(sound_of(heart()), 0.05, 0.3) == ""
    assert listening.refusal(sound_of(heart()), 0.3, 0.3) == "out_of_distribution"


def test_speech_beside_a_heart_is_refused_where_it_would_be_called_a_murmur() -> None:
    phase = 2 * np.pi * np.cumsum(140.0 + 15.0 * np.sin(2 * np.pi * 0.7 * T)) / RATE
    vowel = sum(np.sin(k * phase) / (1 + ((k * 140 - 500) / 150) ** 2) for k in range(1, 7))
    x = heart() + 0.2 * vowel * np.clip(np.sin(2 * np.pi * 0.8 * T), 0.0, None)
    assert [listening.refusal(sound_of(x), 0.05, 0.3, murmur=murmur) for murmur in (True, False)] == ["speech", ""]
    assert listening.refusal(sound_of(heart()), 0.05, 0.3, murmur=True) == ""


def test_rubbing_is_friction_and_a_tone_is_not() -> None:
    assert listening.refusal(sound_of(rubbing()), 0.9, 0.3) == "friction"
    tone = np.sin(2 * np.pi * 440 * T) + 0.001 * np.random.default_rng(2).standard_normal(len(T))
    assert listening.refusal(sound_of(tone), 0.9, 0.3) == "out_of_distribution"


def test_tones_are_no_heart_even_where_the_network_thinks_so() -> None:
    tones = np.sin(2 * np.pi * 100 * T) + 0.8 * np.sin(2 * np.pi * 101.3 * T)
    noise = 0.001 * np.random.default_rng(2).standard_normal(len(T))
    assert listening.refusal(sound_of(tones + noise), 0.05, 0.3) == "out_of_distribution"


def test_a_whistle_over_a_heart_is_no_friction() -> None:
    x = heart()
    assert (
        listening.refusal(sound_of(x + 1.4 * x.std() * np.sin(2 * np.pi * 440 * T)), 0.05, 0.3) == "out_of_distribution"
    )


def test_a_hole_written_as_zeros_is_filled_up_to_a_tenth_of_a_second() -> None:
    x = heart()
    x[6000:6400] = 0.0
    assert listening.refusal(sound_of(x), 0.05, 0.3) == ""
    x[14_000:14_100] = 0.0
    assert listening.listen_to(x, RATE) == (None, "gap")


@pytest.mark.parametrize(("first", "after"), [(6000, 6390), (19_700, 20_000), (1, 300)])
def test_lost_blocks_and_broken_samples_are_filled_as_written_holes_are(first: int, after: int) -> None:
    x = heart()
    there = np.delete(np.arange(len(x)), range(first, after))
    hole = ((first / RATE, after / RATE),)
    lost = Window("s/pcg", 0.0, 5.0, T[there], x[there, None], RATE, len(there) / len(x), hole)
    broken = x.copy()
    broken[first:after] = np.nan
    whole = Window("s/pcg", 0.0, 5.0, T, broken[:, None], RATE, 1.0, ())
    expected = filled(x, [(first, after)])
    for window in (lost, whole):
        heard, reason = listening.samples(window)
        assert heard is not None, reason
        assert np.array_equal(heard, expected)


@pytest.mark.parametrize(
    ("x", "rate", "reason"),
    [
        (T[: int(2.9 * RATE)], RATE, "too_short"),
        (np.zeros(20_000), RATE, "no_signal"),
        (np.sign(np.sin(2 * np.pi * 5 * T)) * np.linspace(0.99, 1, len(T)).clip(0.995), RATE, "saturated"),
        (T, 999.0, "low_quality"),
    ],
)
def test_no_picture_is_made_of_what_cannot_be_a_heart(x: np.ndarray, rate: float, reason: str) -> None:
    assert listening.listen_to(x, rate) == (None, reason)
