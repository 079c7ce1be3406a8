"""Steps and drums against hearts: sounds that start at once and die away."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.pcg import listening
from edge.dsp.pcg.struck import MAX_SKEWNESS, is_struck, skewness

RATE = 4000.0
T = np.arange(20_000) / RATE
NOISE = np.random.default_rng(4).standard_normal(len(T))


def struck(x: np.ndarray) -> bool:
    sound, reason = listening.listen_to(x, RATE)
    assert sound is not None, reason
    assert sound.struck == is_struck(np.exp(sound.picture))
    return sound.struck


def blows(every_s: float, hz: float, dies_s: float, *, rises_s: float = 0.005, after_s: float = 0.0) -> np.ndarray:
    s = np.mod(T - after_s, every_s)
    return np.sin(2 * np.pi * hz * s) * np.exp(-s / dies_s) * np.minimum(1.0, s / rises_s)


@pytest.mark.parametrize(
    "x",
    [
        blows(0.55, 40.0, 0.05),
        blows(0.55, 40.0, 0.05, rises_s=0.02) + 0.5 * blows(0.55, 55.0, 0.04, after_s=0.15),
        blows(0.5, 57.0, 0.08),
        blows(1.2, 70.0, 0.08, rises_s=0.02),
        sum(blows(0.75, 65.4 * k, 0.25) / k**1.3 for k in range(1, 6)),
    ],
    ids=["steps", "heel and toe", "drum", "slow drum", "string"],
)
@pytest.mark.parametrize("below_db", [25.0, 50.0])
def test_what_is_struck_is_no_heart_in_a_quiet_or_a_noisy_room(x: np.ndarray, below_db: float) -> None:
    noise = NOISE * x.std() * 10 ** (-below_db / 20)
    assert struck(x + noise)
    sound, _ = listening.listen_to((x + noise)[:14_000], RATE)
    assert sound is not None
    assert listening.refusal(sound, 0.0, 0.5) == "out_of_distribution"


@pytest.mark.parametrize("bpm", [35.0, 45.0, 75.0, 110.0, 150.0, 190.0])
@pytest.mark.parametrize("noise", [0.001, 0.03])
def test_hearts_are_not_struck_with_or_without_a_murmur(bpm: float, noise: float) -> None:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], 6.0, seed=3)
    for spans in ([], [(0.0, 99.0)]):
        assert not struck(synthesis.pcg(beats, T, murmur=spans, noise=noise, seed=5))


def test_neither_a_steady_sound_nor_noise_nor_its_level_is_skewed() -> None:
    assert skewness(np.ones((40, 250), np.float32)) == 0.0
    noise = np.random.default_rng(2).exponential(size=(40, 250)).astype(np.float32)
    assert abs(skewness(noise)) < 0.5
    assert skewness(np.float32(1e-6) * noise) == pytest.approx(skewness(noise), rel=1e-3)


def test_what_swells_slowly_and_ends_at_once_is_not_struck() -> None:
    power = np.tile(np.exp(-np.arange(25) / 4.0), 10)[None].repeat(40, axis=0).astype(np.float32)
    assert skewness(power) > MAX_SKEWNESS
    assert skewness(power[:, ::-1]) < -MAX_SKEWNESS


def test_real_hearts_are_hardly_ever_struck(data_dir: Path) -> None:
    import soundfile

    with (data_dir / "pcg" / "labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["label"] != "artifact"][::40]
    told = []
    for row in rows:
        x, rate = soundfile.read(data_dir / "pcg" / row["path"])
        for start in range(0, len(x) - int(5 * rate) + 1, int(5 * rate)):
            sound, _ = listening.listen_to(x[start : start + int(5 * rate)], float(rate))
            told += [sound.struck] if sound is not None else []
    assert len(told) > 200
    assert sum(told) <= 0.002 * len(told)
