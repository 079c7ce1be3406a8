#!/usr/bin/env python3
"""What noise does to the answers: people with and without a murmur, each heard by the network that never saw them.

    python tools/train/murmur_noise.py --work W     # two minutes, after tools/train/murmur.py --cross-validate --work W

One recording of each of at most 130 people, windows 2 s apart, noise generated anew for each recording and so many dB
under its sounds. Prints, for each noise, how many with a murmur are called absent and how many without one present: by
the same scores without the rules for noise (a window refused for speech stays refused), with them, and in the light of
the person's other recordings, to which nothing was added. Then how many with and without a murmur are called so together.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import murmur_data
from data_folder import DATA

from edge import inference
from edge.analyzers import murmur
from edge.dsp.pcg.decision import Calibration, Verdict, judge_recording, judge_together
from edge.lane import Lane
from edge.types import Block

Floats = NDArray[np.float64]
PEOPLE, SEED, HOP_S = 130, 7, 2.0


def coloured(n: int, fs: float, rng: np.random.Generator, slope: float) -> Floats:
    hz = np.fft.rfftfreq(n, 1 / fs)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * np.where(hz < 20, 0, np.maximum(hz, 20) ** -slope), n)


def between(n: int, fs: float, rng: np.random.Generator, low_hz: float, high_hz: float) -> Floats:
    x = sosfilt(butter(2, low_hz, "high", fs=fs, output="sos"), rng.standard_normal(n))
    return np.asarray(sosfilt(butter(2, high_hz, "low", fs=fs, output="sos"), x) if high_hz < 0.495 * fs else x)


def now_and_then(n: int, fs: float, rng: np.random.Generator, on: Any, off: Any) -> Floats:
    gate, t = np.zeros(n), rng.uniform(0, off[1])
    while t < n / fs:
        lasts = rng.uniform(*on)
        gate[int(t * fs) : int((t + lasts) * fs)] = 1
        t += lasts + rng.uniform(*off)
    ramp = np.hanning(int(0.05 * fs) + 3)
    return np.convolve(gate, ramp / ramp.sum(), "same")


def breath(n: int, fs: float, rng: np.random.Generator, rate_hz: float) -> Floats:
    """Breathing in, and half as loud out."""
    swing = np.sin(2 * np.pi * rate_hz * np.arange(n) / fs + rng.uniform(0, 6))
    return between(n, fs, rng, 100, 500) * (np.clip(swing, 0, None) ** 0.7 + 0.5 * np.clip(-swing, 0, None))


def ventilator(n: int, fs: float, rng: np.random.Generator) -> Floats:
    t, rate_hz = np.arange(n) / fs, rng.uniform(0.25, 0.7)
    swing = np.sin(2 * np.pi * rate_hz * t)
    hz = rng.uniform(80, 110)
    flow = between(n, fs, rng, 60, 700) * (0.25 + np.clip(swing, 0, 1) ** 0.3)
    return flow / flow.std() + 0.5 * sum(np.sin(2 * np.pi * hz * k * t + k) / k for k in range(1, 5))


def speech(n: int, fs: float, rng: np.random.Generator) -> Floats:
    """Three formants of a voice whose pitch and loudness change."""
    t = np.arange(n) / fs
    pitch = rng.uniform(95, 240) * (1 + 0.1 * np.sin(np.pi * t) + 0.03 * np.sin(3.4 * np.pi * t + 1))
    source, voice = np.diff(np.cumsum(pitch / fs) % 1, prepend=0.0), np.zeros(n)
    for hz, width_hz in ((500, 80), (1200, 100), (1700, 120)):
        r = np.exp(-np.pi * width_hz / fs)
        voice += lfilter([1], [1, -2 * r * np.cos(2 * np.pi * hz / fs), r * r], source) / (hz / 600)
    syllables = np.clip(np.sin(np.pi * rng.uniform(3, 5) * t + rng.uniform(0, 6)) + 0.5, 0, None)
    return voice * syllables * now_and_then(n, fs, rng, (0.8, 2.5), (0.2, 0.8))


def pump(n: int, fs: float, rng: np.random.Generator) -> Floats:
    t, hz = np.arange(n) / fs, rng.uniform(17, 38)
    wander = 0.06 * np.cumsum(rng.standard_normal(n)) / np.sqrt(fs)
    tones = sum(np.sin(2 * np.pi * hz * k * t + k * k + k * wander) / k**0.7 for k in range(1, 12))
    return np.asarray(tones * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.5, 3) * t)))


def rubbing(n: int, fs: float, rng: np.random.Generator) -> Floats:
    strokes = now_and_then(n, fs, rng, (0.2, 0.6), (0.2, 1.5))
    return between(n, fs, rng, 60, 800) * strokes * (1 + 0.5 * rng.standard_normal(n))


Noise = Callable[[int, float, np.random.Generator], Floats]
NOISES: dict[str, tuple[Noise, tuple[int, ...]]] = {
    "white": (lambda n, fs, rng: coloured(n, fs, rng, 0.0), (5, 10)),
    "rumble (brown)": (lambda n, fs, rng: coloured(n, fs, rng, 1.0), (5, 10)),
    "slow breath, 18 a minute": (lambda n, fs, rng: breath(n, fs, rng, 0.3), (5, 10)),
    "ventilator": (ventilator, (0, 10)),
    "fast breath, 42 a minute": (lambda n, fs, rng: breath(n, fs, rng, 0.7), (5, 10)),
    "panting, 66 a minute": (lambda n, fs, rng: breath(n, fs, rng, 1.1), (5,)),
    "speech": (speech, (10, 0)),
    "pump of 17 to 38 Hz": (pump, (0,)),
    "a stethoscope that rubs now and then": (rubbing, (0,)),
}


def chosen(rows: list[dict[str, str]], label: str) -> list[int]:
    """Places of one recording of each of at most ``PEOPLE`` people with or without a murmur."""
    rng = np.random.default_rng(SEED)
    seen: set[str] = set()
    places: list[int] = []
    fit = [
        k for k, row in enumerate(rows)
        if row["dataset"] == "circor2022" and row["label_recording"] == label and label in ("present", row["label"])
    ]  # fmt: skip
    for k in rng.permutation(fit):
        if rows[k]["subject"] not in seen and len(places) < PEOPLE:
            seen.add(rows[k]["subject"])
            places.append(int(k))
    return places


@dataclass(frozen=True)
class Ward:
    """CirCor's recordings, and for each person the network that never saw them."""

    data: Path
    rows: list[dict[str, str]]
    models: list[inference.Model]
    folds: NDArray[np.int64]
    calibration: Calibration

    def heard(self, k: int, name: str = "", noise: Noise | None = None, below_db: int = 0) -> Verdict:
        """What recording ``k`` says by itself, under noise of that name, so many dB under its sounds."""
        samples, fs = murmur_data.samples_of(self.data, self.rows[k])
        x = np.asarray(samples, np.float64)
        if noise is not None:
            rng = np.random.default_rng([zlib.crc32(self.rows[k]["path"].encode()), zlib.crc32(name.encode())])
            added = noise(len(x), float(fs), rng)
            x = x + added / added.std() * x.std() * 10 ** (-below_db / 20)
        analyzer = murmur.build(models=lambda _: self.models[self.folds[k]], hop_s=HOP_S)
        lane = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": analyzer})
        readings = [*lane.feed(Block("s/pcg", 0, 0.0, float(fs), x[:, None])), *lane.finish()]
        return murmur.recording_verdict(readings, self.calibration)

    def others(self, k: int) -> list[Verdict]:
        """The same person's other recordings, as they are."""
        who = self.rows[k]["patient"]
        return [self.heard(j) for j, row in enumerate(self.rows) if j != k and row["patient"] == who]

    def decisions(self, own: Verdict, others: list[Verdict]) -> tuple[str, str, str]:
        """What is said without the rules for noise, with them, and beside the others; "refused" where it is."""
        if own.scores is None or own.p is None:
            return "refused", "refused", "refused"
        plain = judge_recording([replace(own.scores, hidden=0.0, feigned=0.0)], self.calibration)
        return plain.decision, own.decision, judge_together([own, *others], self.calibration)[0].decision


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--work", type=Path, required=True, help="work folder of tools/train/murmur.py")
    arguments.add_argument("--data", type=Path, default=DATA)
    options = arguments.parse_args()
    rows = murmur_data.read_labels(options.data / "pcg")
    models = [inference.load("murmur", root=options.work / f"models{k}", variant="onnx-fp32") for k in range(5)]
    calibration = Calibration.from_card(inference.load("murmur").card)
    ward = Ward(options.data / "pcg", rows, models, murmur_data.assign_folds(rows, 5, 1), calibration)
    places = {label: chosen(rows, label) for label in ("present", "absent")}
    print(f"{len(places['present'])} people with a murmur, {len(places['absent'])} without")
    others = {k: ward.others(k) for of_label in places.values() for k in of_label}
    print("| noise | with a murmur, called absent | without one, called present | together called so: with, without |")
    print("|---|---|---|---|")
    cases = [("none", None, 0), *((f"{n}, {db} dB", f, db) for n, (f, all_db) in NOISES.items() for db in all_db)]
    for name, noise, below_db in cases:
        said = {
            label: [ward.decisions(ward.heard(k, name, noise, below_db), others[k]) for k in places[label]]
            for label in places
        }
        missed, false = (
            ", ".join(str(sum(one[way] == wrong for one in said[label])) for way in range(3))
            for label, wrong in (("present", "absent"), ("absent", "present"))
        )
        right = ", ".join(str(sum(one[2] == label for one in said[label])) for label in said)
        print(f"| {name} | {missed} | {false} | {right} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
