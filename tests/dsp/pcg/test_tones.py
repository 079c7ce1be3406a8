"""Tones, notes, machines and knocks stand in lines; hearts, murmurs and what is left of a hum do not."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.pcg import listening
from edge.dsp.pcg.tones import is_tonal

RATE = 2000.0
T = np.arange(10_000) / RATE
NOISE = 0.001 * np.random.default_rng(1).standard_normal(len(T))


def tonal(x: np.ndarray) -> bool:
    sound, reason = listening.listen_to(x + NOISE[: len(x)], RATE)
    assert sound is not None, reason
    assert sound.tonal == is_tonal(sound.y)
    return sound.tonal


def heart(*, has_murmur: bool, bpm: float = 75.0) -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], 6.0, seed=3)
    return synthesis.pcg(beats, T, murmur=[(0.0, 99.0)] if has_murmur else [], noise=0.02, seed=5)


def sine(hz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hz * T)


def repeated(every_s: float, one: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``one`` of the time since it began, over and over, each ended by the next."""
    return one(np.mod(T, every_s))


def motor(hz: float) -> np.ndarray:
    return sum((np.sin(2 * np.pi * hz * k * T + k) / k for k in range(1, 20)), np.zeros(len(T)))


def pump(hz: float) -> np.ndarray:
    wander = 0.06 * np.cumsum(np.random.default_rng(1).standard_normal(len(T))) / np.sqrt(RATE)
    return sum((np.sin(2 * np.pi * hz * k * T + k * k + k * wander) / k**0.7 for k in range(1, 12)), np.zeros(len(T)))


def note(hz: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda s: sum(np.sin(2 * np.pi * hz * k * s) / k**1.3 for k in range(1, 6)) * np.exp(-s / 0.3)


@pytest.mark.parametrize(
    "x",
    [
        sine(40) + 0.8 * sine(41.3),
        sine(100) + 0.8 * sine(101.3),
        sine(300) + 0.8 * sine(302),
        repeated(0.8, lambda s: np.sin(2 * np.pi * 200 * s) * (s < 0.15)),
        repeated(1.0, lambda s: np.sin(2 * np.pi * 80 * s) * (s < 0.15)),
        sine(60) * np.maximum(0.0, np.sin(2 * np.pi * 1.3 * T)) ** 4,
        repeated(0.75, note(65.4)),
        repeated(0.75, note(130.8)),
        motor(25) * (1 + 0.8 * np.sin(2 * np.pi * 1.1 * T)),
        pump(18) * (1 + 0.2 * np.sin(2 * np.pi * 1.3 * T)),
        pump(37.4) * (1 + 0.2 * np.sin(2 * np.pi * 2.1 * T)),
        sum(np.sin(2 * np.pi * 49 * k * T) / k**1.3 for k in range(1, 6)) * np.exp(-np.mod(T, 0.3) / 0.2),
        motor(47.3) * (1 + 0.8 * np.sin(2 * np.pi * 1.2 * T)),
        repeated(0.667, lambda s: np.sin(2 * np.pi * 180 * s) * np.exp(-s / 0.02)),
        repeated(0.8, lambda s: np.sin(2 * np.pi * 120 * s) * np.exp(-s / 0.03)),
    ],
    ids=[
        "41 Hz",
        "101 Hz",
        "301 Hz",
        "beep",
        "low beep",
        "swelling 60 Hz",
        "C2",
        "C3",
        "motor",
        "pump",
        "faster pump",
        "bass",
        "faster motor",
        "knock",
        "deeper knock",
    ],
)
def test_tones_notes_machines_and_knocks_are_tonal(x: np.ndarray) -> None:
    assert tonal(x)
    assert tonal(x[:6000])


@pytest.mark.parametrize("has_murmur", [True, False])
@pytest.mark.parametrize("bpm", [45.0, 75.0, 150.0])
def test_hearts_are_not_tonal_with_or_without_a_hum(has_murmur: bool, bpm: float) -> None:
    x = heart(has_murmur=has_murmur, bpm=bpm)
    assert not tonal(x)
    for hz in (50.0, 60.0):
        assert not tonal(x + 30 * x.std() * sine(hz))


def test_a_musical_murmur_as_loud_as_the_heart_is_not_tonal() -> None:
    x = heart(has_murmur=False)
    systole = np.mod(T, 0.8) - 0.15
    coo = np.where((systole > 0) & (systole < 0.2), np.sin(np.pi * systole / 0.2), 0.0) * sine(220)
    assert not tonal(x + x.std() / coo.std() * 0.7 * coo)


def test_a_murmur_that_sings_is_not_tonal_where_a_filter_took_s1_and_s2() -> None:
    rng = np.random.default_rng(2)
    systole = np.mod(T, 0.8) - 0.15
    gate = np.where((systole > 0) & (systole < 0.25), np.sin(np.pi * systole / 0.25), 0.0)
    wander = 2 * np.pi * np.cumsum(330 + 12 * np.sin(2 * np.pi * 1.7 * T)) / RATE
    broad = np.convolve(rng.standard_normal(len(T)), [1.0, -0.5], "same")
    assert not tonal(gate * (np.sin(wander) + 0.4 * broad))


def test_real_hearts_are_seldom_tonal(data_dir: Path) -> None:
    import soundfile

    with (data_dir / "pcg" / "labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["label_recording"] == "present"][::12]
    told = []
    for row in rows:
        x, rate = soundfile.read(data_dir / "pcg" / row["path"])
        for start in range(0, len(x) - int(5 * rate) + 1, int(5 * rate)):
            sound, _ = listening.listen_to(x[start : start + int(5 * rate)], float(rate))
            told += [sound.tonal] if sound is not None else []
    assert len(told) > 60
    assert sum(told) <= 0.01 * len(told)
