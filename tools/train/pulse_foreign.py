"""Waves that are no pulse (movement, noise, what repeats itself as a lamp or a machine does), and hearts that the regular
windows of CinC 2015 do not hold: very slow and very fast ones, and irregular ones. ``pulse_trees.py`` learns from them where
to be silent, and judges others of the kind.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import synthetic_ppg
from data_folder import DATA
from pulse_rule import GRID_HZ, SPAN_S

from edge.dsp import synthesis
from edge.types import Window

MEAN_S = 10.0
N = round(GRID_HZ * SPAN_S)
T = np.arange(N) / GRID_HZ
NO_BPM = float("nan")
SLOWEST_HZ, FASTEST_HZ = 0.55, 3.7
TOO_SLOW_BPM, TOO_FAST_BPM = (20.0, 27.0), (232.0, 240.0)


def movement(rng):
    return NO_BPM, synthetic_ppg.wander(rng, N)


def noise(rng):
    """White to drifting, or what the rhythm's network learns as no pulse."""
    if rng.random() < 0.5:
        return NO_BPM, synthetic_ppg.coloured(rng, rng.uniform(0.0, 3.0), N)
    return NO_BPM, np.concatenate([synthetic_ppg.noise_like(rng), synthetic_ppg.noise_like(rng)])[-N:]


def tone(rng):
    """A steady rate with none to two harmonics, whose height may come and go as a breath does, under some noise."""
    turns = 2 * np.pi * _hz(rng) * T + rng.uniform(0.0, 6.3)
    x = np.sin(turns)
    for k in range(2, 2 + int(rng.integers(0, 3))):
        x = x + rng.uniform(0.05, 0.7) / (k - 1) * np.sin(k * turns + rng.uniform(0.0, 6.3))
    if rng.random() < 0.4:
        x = x * (1.0 + rng.uniform(0.05, 0.4) * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * T + rng.uniform(0.0, 6.3)))
    return NO_BPM, x + 10 ** rng.uniform(-3.0, -0.5) * rng.standard_normal(N)


def lamp(rng):
    """On for some share of each turn, or a triangle."""
    turns = (_hz(rng) * T + rng.random()) % 1.0
    x = 1.0 * (turns < rng.uniform(0.2, 0.8)) if rng.random() < 0.6 else 2.0 * abs(2.0 * turns - 1.0)
    return NO_BPM, x + 10 ** rng.uniform(-3.0, -0.7) * synthetic_ppg.coloured(rng, rng.uniform(0.0, 1.5), N)


def extreme(rng):
    """A pulse as slow or as fast as hearts ever are."""
    bpm = rng.uniform(*(TOO_SLOW_BPM if rng.random() < 0.5 else TOO_FAST_BPM))
    seed = int(rng.integers(1 << 30))
    heart = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], SPAN_S + 10.0, seed=seed)
    return bpm, synthesis.ppg(heart, 8.0 + T, noise=10 ** rng.uniform(-3.0, -0.7), seed=seed)


def irregular(rng):
    """A pulse of real intervals in fibrillation or with early beats; its rate is the mean of the last 10 s."""
    train = synthetic_ppg.drawn_train(_records(), str(rng.choice(("AF", "AF", "PAC", "PVC"))), rng, seconds=SPAN_S)
    late = train.t[(train.t > SPAN_S - MEAN_S) & (train.t <= SPAN_S)]
    return 60.0 / float(np.diff(late).mean()), synthetic_ppg.render(train, rng, seconds=SPAN_S)


KINDS = {
    "movement": movement,
    "noise": noise,
    "tones": tone,
    "lamps": lamp,
    "extreme hearts": extreme,
    "irregular hearts": irregular,
}


def windows(kind: str, count: int, seed: int) -> list[tuple[float, Window]]:
    """So many windows of one of ``KINDS``, each behind its rate, bpm, ``NO_BPM`` for none."""
    number = list(KINDS).index(kind)
    drawn = (KINDS[kind](np.random.default_rng([seed, number, k])) for k in range(count))
    return [(bpm, Window("file/ppg", 0.0, SPAN_S, T, 5e4 + 1e3 * x[:, None], GRID_HZ, 1.0, ())) for bpm, x in drawn]


@cache
def _records() -> synthetic_ppg.Intervals:
    return synthetic_ppg.load_intervals(DATA / "ppg" / "rr")


def _hz(rng) -> float:
    return float(np.exp(rng.uniform(np.log(SLOWEST_HZ), np.log(FASTEST_HZ))))
