#!/usr/bin/env python3
"""What the shipped analyzer makes of sounds beside a bed that it never learnt: steps, drums, music, machines, rubbing.

    python tools/train/murmur_foreign.py

24 generated recordings of 12 s a kind and level of room noise. Prints the share of windows that are answered, the
share that says "present", and the share that has a heart rate; the first of two figures is that without the rules for
what is struck and for a pitch that lasts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from murmur_noise import between, coloured, pump, rubbing

from edge import inference
from edge.analyzers import murmur
from edge.dsp.pcg import struck, tones
from edge.lane import Lane
from edge.types import Block

Floats = NDArray[np.float64]
Kind = Callable[[int, float, np.random.Generator], Floats]
RECORDINGS, SECONDS, RATE_HZ, SEED = 24, 12.0, 4000.0, 11
ROOM_DB = (30.0, 15.0)


def blow(fs: float, hz: float, dies_s: float, *, rises_s: float, falls: float = 0.0) -> Floats:
    """What is struck: there after ``rises_s``, dying away in ``dies_s``; falls: from how much higher its pitch comes."""
    t = np.arange(int(6 * dies_s * fs)) / fs
    turns = hz * (t - 0.03 * falls * np.exp(-t / 0.03))
    return np.asarray(np.sin(2 * np.pi * turns) * np.exp(-t / dies_s) * np.minimum(1.0, t / rises_s))


def placed(n: int, fs: float, at_s: Sequence[float] | Floats, one: Callable[[], Floats]) -> Floats:
    x = np.zeros(n)
    for at in at_s:
        first, sound = int(at * fs), one()
        x[first : first + len(sound)] += sound[: max(0, n - first)]
    return x


def steps(n: int, fs: float, rng: np.random.Generator) -> Floats:
    """80 to 125 a minute, most with heel and toe."""
    every, hz, rises, toe = (
        rng.uniform(0.48, 0.75),
        rng.uniform(30, 70),
        rng.uniform(0.004, 0.02),
        rng.uniform(0.08, 0.2),
    )
    at = np.arange(rng.uniform(0, every), n / fs - 1, every)
    at += 0.02 * rng.standard_normal(len(at)).clip(-2, 2)

    def one(part: float) -> Floats:
        return part * rng.normal(1, 0.15) * blow(fs, hz * rng.uniform(0.9, 1.1), rng.uniform(0.03, 0.06), rises_s=rises)

    x = placed(n, fs, np.abs(at), lambda: one(1.0))
    return x + (placed(n, fs, np.abs(at + toe), lambda: one(0.5)) if rng.uniform() < 0.6 else 0.0)


def drum(n: int, fs: float, rng: np.random.Generator) -> Floats:
    every, hz, dies = 60 / rng.uniform(60, 140), rng.uniform(45, 80), rng.uniform(0.06, 0.1)
    at = np.arange(rng.uniform(0, every), n / fs, every)
    return placed(n, fs, at, lambda: blow(fs, hz, dies, rises_s=0.004, falls=1.5))


def drums(n: int, fs: float, rng: np.random.Generator) -> Floats:
    """Bass drum, snare and hi-hat in turns."""
    every, hz = 60 / rng.uniform(80, 140), rng.uniform(45, 80)
    x = placed(n, fs, np.arange(0.1, n / fs, 2 * every), lambda: blow(fs, hz, 0.08, rises_s=0.004, falls=1.5))
    s = np.arange(int(0.2 * fs)) / fs
    shell = 0.5 * np.sin(2 * np.pi * 190 * s)
    x += placed(
        n,
        fs,
        np.arange(0.1 + every, n / fs, 2 * every),
        lambda: np.exp(-s / 0.05) * (0.5 * rng.standard_normal(len(s)) + shell),
    )
    return x + placed(
        n,
        fs,
        np.arange(0.1, n / fs, every / 2),
        lambda: 0.15 * np.exp(-s / 0.01) * rng.standard_normal(len(s)),
    )


def bass(n: int, fs: float, rng: np.random.Generator) -> Floats:
    """Plucked notes of a few tones, one or two a beat."""
    every, root = 60 / rng.uniform(70, 140) / rng.choice([1, 2]), rng.uniform(41, 82)
    s = np.arange(int(every * fs)) / fs

    def note() -> Floats:
        hz = root * 2 ** (rng.choice([0, 0, 0, 3, 5, 7]) / 12)
        tones = sum((np.sin(2 * np.pi * hz * k * s) / k**1.3 for k in range(1, 6)), np.zeros(len(s)))
        return tones * np.exp(-s / rng.uniform(0.15, 0.4)) * np.minimum(1.0, s / 0.01)

    return placed(n, fs, np.arange(rng.uniform(0, every), n / fs, every), note)


def music(n: int, fs: float, rng: np.random.Generator) -> Floats:
    return bass(n, fs, rng) + rng.uniform(0.3, 1) * drums(n, fs, rng)


def fan(n: int, fs: float, rng: np.random.Generator) -> Floats:
    """Dull noise that swells 48 to 180 times a minute."""
    swell = np.sin(2 * np.pi * rng.uniform(0.8, 3) * np.arange(n) / fs)
    return between(n, fs, rng, 30, rng.uniform(100, 600)) * (1 + 0.8 * swell)


KINDS: dict[str, Kind] = {
    "steps": steps,
    "a drum": drum,
    "drums": drums,
    "a bass": bass,
    "bass and drums": music,
    "a pump of 17 to 38 Hz": pump,
    "rubbing now and then": rubbing,
    "dull noise that swells": fan,
}


def shares(kind: Kind, room_db: float, model: inference.Model) -> tuple[float, float, float]:
    """Of full windows: answered, "present", with a heart rate."""
    windows = answered = present = rates = 0
    for number in range(RECORDINGS):
        rng = np.random.default_rng([SEED, number])
        x = kind(int(SECONDS * RATE_HZ), RATE_HZ, rng)
        room = coloured(len(x), RATE_HZ, rng, 1.0)
        x = x + room / room.std() * x.std() * 10 ** (-room_db / 20)
        analyzer = murmur.build(models=lambda _: model)
        lane = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": analyzer})
        for r in lane.feed(Block("s/pcg", 0, 0.0, RATE_HZ, 8000 * x[:, None])):
            if r.t >= murmur.WINDOW_S and r.metric == "pcg.murmur":
                windows, answered = windows + 1, answered + (r.value is not None)
                present += r.value is not None and r.detail["decision"] == "present"
            rates += r.t >= murmur.WINDOW_S and r.metric == "pcg.hr" and r.value is not None
    return answered / windows, present / windows, rates / windows


def main() -> int:
    model = inference.load("murmur")
    limits = struck.MAX_SKEWNESS, tones.MAX_LASTING
    print('| sound | room noise | answered | "present" | with a rate |\n|---|---|---|---|---|')
    for name, kind in KINDS.items():
        for room_db in ROOM_DB:
            struck.MAX_SKEWNESS, tones.MAX_LASTING = np.inf, np.inf
            without = shares(kind, room_db, model)
            struck.MAX_SKEWNESS, tones.MAX_LASTING = limits
            both = zip(without, shares(kind, room_db, model), strict=True)
            cells = " | ".join(f"{a:.2f}, {b:.2f}" for a, b in both)
            print(f"| {name} | {room_db:.0f} dB below | {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
