"""The murmur analyzer before what is no heart: no number of it, and which word."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge import inference
from edge.inference import Model
from murmur_readings import RATE, readings_of


@pytest.fixture(scope="module")
def model() -> Model:
    return inference.load("murmur")


def test_what_is_no_heart_gets_no_number(model: Model) -> None:
    rng = np.random.default_rng(2)
    t = np.arange(int(9 * RATE)) / RATE
    tone = np.sin(2 * np.pi * 440 * t) + 0.001 * rng.standard_normal(len(t))
    noise = rng.standard_normal(len(t))
    chords = np.zeros(len(t))
    for k, at in enumerate(np.arange(0, 9, 0.43)):
        s = t - at
        for f in (220.0, 277.2, 329.6, 440.0 * 2 ** ((k * 5 % 12) / 12)):
            chords += np.where(s > 0, np.exp(-np.maximum(s, 0) / 0.3) * np.sin(2 * np.pi * f * s), 0.0)
    chords += 0.003 * noise
    for x in (tone, noise, chords):
        values = [r for r in readings_of(x, model) if r.metric == "pcg.murmur" and r.t >= 5]
        assert all(r.value is None for r in values)
        assert {r.reason for r in values} <= {"out_of_distribution", "no_signal", "speech", "friction"}


def repeated(sound: Callable[[np.random.Generator], np.ndarray], every_s: float, jitter_s: float) -> np.ndarray:
    """12 s of a short sound, as regular as ``jitter_s`` lets it be, over a little noise."""
    rng = np.random.default_rng(11)
    x = 0.01 * rng.standard_normal(round(12 * RATE))
    at = 0.2
    while at < 11.3:
        one = sound(rng)
        x[round(at * RATE) :][: len(one)] += one
        at += every_s + jitter_s * rng.exponential()
    return 8000 * x


def burst(rng: np.random.Generator) -> np.ndarray:
    n = round(rng.uniform(0.06, 0.2) * RATE)
    return rng.standard_normal(n) * np.hanning(n)


def tick(rng: np.random.Generator) -> np.ndarray:
    n = round(0.008 * RATE)
    return rng.standard_normal(n) * np.exp(-np.arange(n) / (0.002 * RATE))


def scratch(rng: np.random.Generator) -> np.ndarray:
    n = round(rng.uniform(0.2, 0.5) * RATE)
    return rng.standard_normal(n) * np.minimum(1.0, np.arange(n) / (0.05 * RATE))[::-1]


@pytest.mark.parametrize(("sound", "at_most"), [(burst, 0), (tick, 2), (scratch, 4)])
def test_bursts_ticks_and_scratches_are_seldom_a_heart_however_regular(
    model: Model, sound: Callable[[np.random.Generator], np.ndarray], at_most: int
) -> None:
    told = windows = 0
    for every_s, jitter_s in ((0.8, 0.0), (0.5, 0.03), (0.3, 0.6)):
        readings = readings_of(repeated(sound, every_s, jitter_s), model)
        values = [r.value for r in readings if r.metric == "pcg.murmur" and r.t >= 5]
        windows, told = windows + len(values), told + sum(v is not None for v in values)
    assert windows == 24
    assert told <= at_most


def step(rng: np.random.Generator) -> np.ndarray:
    """Heel and toe on a floor."""
    t = np.arange(round(0.4 * RATE)) / RATE
    heel = np.sin(2 * np.pi * rng.uniform(36, 44) * t) * np.exp(-t / 0.05) * np.minimum(1.0, t / 0.01)
    return rng.normal(1.0, 0.1) * (heel + 0.5 * np.roll(heel, round(0.15 * RATE)) * (t > 0.15))


def drum(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(round(0.4 * RATE)) / RATE
    return np.sin(2 * np.pi * (57 * t - 2.6 * np.exp(-t / 0.03))) * np.exp(-t / 0.08) * np.minimum(1.0, t / 0.004)


def test_steps_drums_and_pumps_are_no_hearts(model: Model) -> None:
    t = np.arange(int(12 * RATE)) / RATE
    pump = sum(np.sin(2 * np.pi * 21 * k * t + k * k) / k**0.7 for k in range(1, 12))
    for x in (repeated(step, 0.54, 0.02), repeated(drum, 0.5, 0.0), 8000 * pump * (1 + 0.2 * np.sin(8 * t))):
        late = [r for r in readings_of(x, model) if r.t >= 5]
        assert {(r.value, r.reason) for r in late if r.metric != "pcg.quality"} == {(None, "out_of_distribution")}
