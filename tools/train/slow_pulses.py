#!/usr/bin/env python3
"""What noise in the long pauses of a slow heart does to its rate, with ``edge.dsp.ppg.slow_beats`` and without.

    python tools/train/slow_pulses.py                # a minute; prints the table of docs/pulse.md

Pulses of 30 to 38 a minute are drawn as in ``edge.dsp.synthesis`` under pink and a little white noise, each of its own
seed. Real ones are windows of CinC 2015 with a rate that the ECG confirms, whose pauses are made longer: what follows a
dicrotic wave is slowed down to the next foot, its ripple mirrored as it is. The price is measured on a weak pulse between
movements of a rate of their own, and on movements one to three seconds apart without a pulse, which end as they began or
settle slowly as a pulse does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import pulse_rule
import synthetic_ppg
from data_folder import DATA

from edge.dsp import synthesis
from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import Upright, band_passed, find_beats
from edge.dsp.ppg.pulse_rate import systolic_only
from edge.dsp.ppg.second_rise import last_dicrotic_s, smoothed
from edge.dsp.rest import look as rest_look
from edge.dsp.rest.rate import choose
from edge.types import Window

Floats = NDArray[np.float64]
RATE_HZ, SPAN_S = pulse_rule.GRID_HZ, pulse_rule.SPAN_S
N = round(RATE_HZ * SPAN_S)
PINK, WHITE = 0.1, 0.02  # of the height of a pulse
BPM = np.arange(30, 39)
SEEDS = 80
AMOUNTS = (0.5, 1.0, 1.5)
STRETCHED_BPM = (29.0, 41.0)
FASTER_BPM = 55.0  # what is stretched
FOOT_S, SHORTEST_S = 0.1, 0.05  # a pause ends so long before the next foot, and is at least so long
PERIODS_S, WEAK, WEAK_BPM = (1.3, 1.5, 1.7, 1.9), (0.2, 0.3, 0.4), tuple(range(62, 119, 8))
ALONE = 200


@dataclass(frozen=True, slots=True)
class Told:
    """Of ``windows``: how many have a rate, and how many of these a wrong one; the same without ``slow_beats``."""

    windows: int
    said: int
    wrong: int
    said_without: int
    wrong_without: int

    def line(self, name: str) -> str:
        shares = (self.said_without / self.windows, self.said / self.windows)
        return f"| {name} | {self.windows} | {shares[0]:.2f} | {self.wrong_without} | {shares[1]:.2f} | {self.wrong} |"


def told(cases: Iterator[tuple[Floats, float | None]]) -> Told:
    """What is said of waves at 100 Hz, each with its true rate, bpm; None where every rate is wrong."""
    count = np.zeros(5, dtype=int)
    for x, truth in cases:
        count[0] += 1
        for first, bpm in ((1, said(x)), (3, without(x))):
            count[first] += bpm is not None
            count[first + 1] += bpm is not None and (truth is None or abs(bpm - truth) > pulse_rule.RIGHT_BPM)
    return Told(*count.tolist())


def said(x: Floats) -> float | None:
    """The rate that the shipped rule says of 16 s at 100 Hz, bpm."""
    t = np.arange(len(x)) / RATE_HZ
    counts = pulse_rule.counted(Window("file/ppg", 0.0, SPAN_S, t, 60000.0 + 1500.0 * x[:, None], RATE_HZ, 1.0, ()))
    rate = choose(counts) if counts else None
    return None if rate is None or not rate.sure else rate.bpm


def without(x: Floats) -> float | None:
    with mock.patch.object(rest_look, "slow_beats", return_value=None):
        return said(x)


def noise(rng: np.random.Generator) -> Floats:
    return PINK * synthetic_ppg.coloured(rng, 1.0, N) + WHITE * rng.standard_normal(N)


def generated(amount: float) -> Iterator[tuple[Floats, float]]:
    """Slow pulses under so many times the noise."""
    t = np.arange(N) / RATE_HZ
    for bpm, seed in product(BPM.tolist(), range(SEEDS)):
        heart = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], SPAN_S + 4.0, seed=seed)
        late = heart.t[(heart.t >= SPAN_S - 6.0) & (heart.t < SPAN_S + 4.0)]
        wave = synthesis.ppg(heart, t + 4.0, noise=0.0, seed=seed)
        yield wave + amount * noise(np.random.default_rng([seed, bpm])), 60.0 / float(np.median(np.diff(late)))


def stretched(path: Path) -> Iterator[tuple[Floats, float]]:
    """Real pulses with longer pauses, where the ECG confirms the rate that is said."""
    for k, (_, _, truth, window) in enumerate(pulse_rule.windows(path)):
        if truth < FASTER_BPM:
            continue
        signal = quality.usable(window, SPAN_S, RATE_HZ)
        counts = None if signal.reason else pulse_rule.counted(window)
        rate = choose(counts) if counts else None
        if rate is None or not rate.sure or abs(rate.bpm - truth) > pulse_rule.RIGHT_BPM:
            continue
        share = float(np.random.default_rng(k).uniform(*STRETCHED_BPM)) / truth
        x = with_longer_pauses(signal.x, share)
        if x is not None:
            yield x, share * truth


def with_longer_pauses(x: Floats, share: float) -> Floats | None:
    """16 s of a pulse whose every interval is ``1 / share`` times as long; None where beats or their pauses are too few."""
    upright = Upright()
    beats = systolic_only(find_beats(upright(band_passed(x, RATE_HZ, hum=True)), RATE_HZ))
    x = upright.sign * (x - np.median(x)) / np.median(beats.amplitude)
    ripple = x - smoothed(x, RATE_HZ)
    foot = np.round((beats.onset - FOOT_S) * RATE_HZ).astype(np.int64)
    peak = np.round(beats.peak * RATE_HZ).astype(np.int64)
    made = x[foot[-1] :] if len(beats) else x[:0]
    for k in range(len(beats) - 2, -1, -1):
        begin = peak[k] + round(float(last_dicrotic_s(beats.ibi[k])) * RATE_HZ)
        size, longer = foot[k + 1] - begin, round((foot[k + 1] - foot[k]) * (1.0 / share - 1.0))
        if size < SHORTEST_S * RATE_HZ:
            return None
        at = np.linspace(begin, foot[k + 1], size + longer, endpoint=False)
        pause = np.interp(at, np.arange(len(x)), x - ripple)
        pause += np.pad(ripple[begin : foot[k + 1]], (0, longer), mode="symmetric")
        made = np.concatenate([x[max(0, foot[k]) : begin], pause, made])
        if len(made) >= N:
            return made[-N:]
    return None


def weak_beside_movement() -> Iterator[tuple[Floats, float]]:
    """A weak pulse between pulse-like movements of a slow rate of their own."""
    t = np.arange(N) / RATE_HZ
    for period_s, weak, bpm, seed in product(PERIODS_S, WEAK, WEAK_BPM, range(3)):
        rng = np.random.default_rng([round(10 * period_s), round(10 * weak), bpm, seed])
        heart = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], SPAN_S + 4.0, seed=seed)
        pulse = synthesis.ppg(heart, t + 4.0, noise=0.0, seed=seed)
        jerks = moved(np.arange(rng.uniform(-period_s, 0), SPAN_S, period_s), rng)
        yield jerks + weak * (pulse + noise(rng)), float(bpm)


def movements_alone(settling: bool) -> Iterator[tuple[Floats, None]]:
    """Single movements under noise."""
    for seed in range(ALONE):
        rng = np.random.default_rng([seed, 1])
        yield moved(np.cumsum(rng.uniform(1.0, 3.0, N)) - 3.0, rng, settling) + noise(rng), None


def moved(at_s: Floats, rng: np.random.Generator, settling: bool = True) -> Floats:
    """A hand that jerks, and settles, around ``at_s``: each time about as high as a pulse, and alike in form."""
    t = np.arange(N) / RATE_HZ
    width_s, later_s, later = rng.uniform(0.08, 0.16), rng.uniform(0.2, 0.35), settling * rng.uniform(0.2, 0.6)
    dt = t - at_s[at_s < SPAN_S + 1.0, None]
    wave = np.exp(-0.5 * (dt / width_s) ** 2) + later * np.exp(-0.5 * ((dt - later_s) / (1.4 * width_s)) ** 2)
    return np.exp(rng.normal(0.0, 0.2, len(dt))) @ wave


def table(cinc2015: Path) -> Iterator[str]:
    """The table of docs/pulse.md."""
    yield "| windows of 16 s | number | a rate is said without | wrong | with | wrong |\n|---|---|---|---|---|---|"
    for amount in AMOUNTS:
        yield told(generated(amount)).line(
            f"drawn at 30 to 38 bpm, pink noise {amount * PINK:.2f} of the pulse's height"
        )
    yield told(stretched(cinc2015)).line("real, pauses stretched to 29 to 41 bpm")
    yield told(weak_beside_movement()).line("a weak pulse between slow regular movements")
    yield told(movements_alone(False)).line("movements alone, which end as they began")
    yield told(movements_alone(True)).line("movements alone, which settle as a pulse does")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    for line in table(arguments.parse_args().data / "ppg" / "cinc2015.npz"):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
