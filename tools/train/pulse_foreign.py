"""Waves that are no pulse (movement, noise, what repeats itself as a lamp or a machine does), and hearts that the regular
windows of CinC 2015 do not hold: very slow and very fast ones, irregular ones, and those that a pacemaker or a patient
simulator drives, as even as a machine. ``pulse_trees.py`` learns from them where to be silent and where not, and judges
others of the kind.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import synthetic_ppg
from data_folder import DATA
from pulse_rule import FOLDS, GRID_HZ, SPAN_S

from edge.dsp import synthesis
from edge.dsp.ppg.beats import band_passed, find_beats
from edge.types import Window

MEAN_S = 10.0
N = round(GRID_HZ * SPAN_S)
T = np.arange(N) / GRID_HZ
NO_BPM = float("nan")
SLOWEST_HZ, FASTEST_HZ = 0.55, 3.7
EVEN_BPM = (35.0, 200.0)
SHAPES_EVERY, SHAPE_STEPS, LEAST_BEATS = 8, 200, 5
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
    x = x * _breath(rng, 0.4)
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


def even(rng, fold: int):
    """One beat over and over, of a real pulse in sinus rhythm of somebody of that fold, under some noise."""
    bpm = float(np.exp(rng.uniform(*np.log(EVEN_BPM))))
    turns = (bpm / 60.0 * T + rng.random()) % 1.0
    shapes, of = _shapes()
    shape = rng.choice(shapes[of == fold])
    x = np.interp(turns, np.linspace(0.0, 1.0, len(shape)), shape)
    x = x * _breath(rng, 0.3)
    return bpm, x + 10 ** rng.uniform(-3.0, -0.7) * synthetic_ppg.coloured(rng, rng.uniform(0.0, 1.5), N)


KINDS = {
    "movement": movement,
    "noise": noise,
    "tones": tone,
    "lamps": lamp,
    "extreme hearts": extreme,
    "irregular hearts": irregular,
}
EVEN = "even hearts"


def windows(kind: str, count: int, seed: int) -> list[tuple[float, Window]]:
    """So many windows of one of ``KINDS`` or ``EVEN``, each behind its rate, bpm, ``NO_BPM`` for none; the k-th is for fold
    k modulo ``FOLDS``."""
    number = [*KINDS, EVEN].index(kind)
    chances = [np.random.default_rng([seed, number, k]) for k in range(count)]
    drawn = [even(rng, k % FOLDS) if kind == EVEN else KINDS[kind](rng) for k, rng in enumerate(chances)]
    return [(bpm, Window("file/ppg", 0.0, SPAN_S, T, 5e4 + 1e3 * x[:, None], GRID_HZ, 1.0, ())) for bpm, x in drawn]


@cache
def _records() -> synthetic_ppg.Intervals:
    return synthetic_ppg.load_intervals(DATA / "ppg" / "rr")


@cache
def _shapes():
    """The median beat of every so many windows in sinus rhythm of Liu 2022, from 0 at its onsets to 1, ``(n, SHAPE_STEPS)``,
    and the fold of whose it is."""
    with np.load(DATA / "ppg" / "liu2022.npz", allow_pickle=False) as file:
        calm = np.flatnonzero(file["label"] == list(file["label_names"]).index("SR"))[::SHAPES_EVERY]
        waves, subject, rate_hz = file["ppg"][calm].astype(np.float64), file["subject"][calm], float(file["fs"])
    found, fold = [], []
    for wave, person in zip(waves, subject, strict=True):
        onset = np.round(find_beats(band_passed(wave, rate_hz), rate_hz).onset * rate_hz).astype(int)
        if len(onset) <= LEAST_BEATS:
            continue
        at = np.linspace(onset[:-1], onset[1:], SHAPE_STEPS, axis=1)
        beat = np.median(np.interp(at, np.arange(len(wave)), wave), axis=0)
        beat -= np.linspace(beat[0], beat[-1], SHAPE_STEPS)
        found.append(beat / np.ptp(beat))
        fold.append(person % FOLDS)
    return np.array(found), np.array(fold)


def _breath(rng, share: float):
    """What a breath makes of the height: 1, but in so many waves it comes and goes by up to as much."""
    if rng.random() >= share:
        return 1.0
    return 1.0 + rng.uniform(0.05, share) * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * T + rng.uniform(0.0, 6.3))


def _hz(rng) -> float:
    return float(np.exp(rng.uniform(np.log(SLOWEST_HZ), np.log(FASTEST_HZ))))
