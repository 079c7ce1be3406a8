"""Recordings, targets, folds and cached pictures for training the murmur network.

Folds split CirCor by person (``subject``), stratified by label and murmur grade. Sets without person ids are left out
whole: each cinc2016 database and each PASCAL set belongs to one fold, so that its figures are those of an unseen set.
Pictures are computed once by the shipped front end and kept as float16 log power, ``(frames, 40)``.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp import synthesis
from edge.dsp.pcg import frontend

SET_FOLDS = {
    **{f"training-{db}": fold for fold, db in enumerate("abcdf")},
    "pascal2011_a": 2,
    "pascal2011_b": 3,
}
HEADS = ("murmur", "unknown", "foreign")
KINDS = ("noise", "speech", "music", "tone", "friction", "hum", "bursts", "clicks", "knocks", "breath")
SYNTHETIC_NEGATIVES = 80 * len(KINDS)
SYNTHETIC_HEARTS = 120
_LOG_FLOOR = 1e-7


@dataclass(slots=True)
class Corpus:
    """Rows of labels.csv (and synthetic ones), their targets and weights per head, folds, groups and pictures."""

    rows: list[dict[str, str]]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    fold: NDArray[np.int64]
    group: NDArray[np.str_]
    frames: NDArray[np.float16]
    offsets: NDArray[np.int64]


def load(data: Path, cache: Path, *, folds: int, seed: int, picture: str = "mel") -> Corpus:
    """Everything training needs; pictures are computed on first use and kept in ``cache``."""
    rows = read_labels(data) + synthetic_rows()
    frames, offsets = _pictures(data, rows, cache, picture)
    targets = np.zeros((len(rows), len(HEADS)), np.float32)
    weights = np.zeros((len(rows), len(HEADS)), np.float32)
    group = []
    for i, row in enumerate(rows):
        targets[i], weights[i], name = target_of(row)
        group.append(name)
    return Corpus(rows, targets, weights, assign_folds(rows, folds, seed), np.array(group), frames, offsets)


def read_labels(data: Path) -> list[dict[str, str]]:
    """The rows of ``data/labels.csv``."""
    with (data / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def synthetic_rows() -> list[dict[str, str]]:
    """Rows of the generated recordings: what is no heart sound, and plain heart sounds with and without murmur."""
    rows = [{"path": f"{KINDS[i % len(KINDS)]}/{i}", "dataset": "synthetic"} for i in range(SYNTHETIC_NEGATIVES)]
    return rows + [{"path": f"heart/{i}", "dataset": "synthetic"} for i in range(SYNTHETIC_HEARTS)]


def target_of(row: dict[str, str]) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Targets and weights of (murmur, unknown, foreign), and the sampling group, of one row."""
    dataset, label = row["dataset"], row.get("label", "")
    if dataset == "synthetic":
        if row["path"].startswith("heart/"):
            return (float(int(row["path"][6:]) % 2), 0.0, 0.0), (1.0, 0.0, 1.0), "synthetic_heart"
        return (0.0, 0.0, 1.0), (0.0, 0.0, 1.0), "foreign"
    if dataset == "circor2022":
        heard = row["label_recording"]
        if heard == "unknown":
            return (0.0, 1.0, 0.0), (0.0, 1.0, 1.0), "unknown"
        if heard == "absent_here":
            return (0.25, 0.0, 0.0), (0.5, 0.5, 1.0), "absent_here"
        return (float(heard == "present"), 0.0, 0.0), (1.0, 1.0, 1.0), heard
    if dataset == "cinc2016":
        if row["sqi"] == "0":
            return (0.0, 1.0, 0.0), (0.0, 0.5, 1.0), "noisy"
        if label == "normal":
            return (0.0, 0.0, 0.0), (0.6, 0.3, 1.0), "other_negative"
        # Abnormal is any disease: mostly of the valves it leans to murmur; coronary (b) it says nothing.
        return (0.75, 0.0, 0.0), (0.0 if row["db"] == "training-b" else 0.4, 0.3, 1.0), "other_positive"
    if label == "artifact":
        return (0.0, 0.0, 1.0), (0.0, 0.0, 1.0), "foreign"
    noisy = 0.3 if row.get("sublabel") == "noisy" else 0.0
    if label == "murmur":
        return (1.0, noisy, 0.0), (1.0, 0.3, 1.0), "other_positive"
    return (0.0, noisy, 0.0), (0.8, 0.3, 1.0), "other_negative"


def assign_folds(rows: list[dict[str, str]], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each row: persons dealt out within strata of label and grade; -1 = in every training set."""
    stratum: dict[str, str] = {}
    for row in rows:
        if row["dataset"] == "circor2022":
            worst = max(stratum.get(row["subject"], ""), _stratum(row))
            stratum[row["subject"]] = worst
    by: dict[str, list[str]] = defaultdict(list)
    for subject in sorted(stratum):
        by[stratum[subject]].append(subject)
    rng = np.random.default_rng(seed)
    of: dict[str, int] = {}
    dealt = 0
    for name in sorted(by):
        for subject in rng.permutation(by[name]):
            of[str(subject)] = dealt % folds
            dealt += 1
    out = []
    for row in rows:
        if row["dataset"] == "circor2022":
            out.append(of[row["subject"]])
        else:
            name = row["db"] if row["dataset"] == "cinc2016" else row["dataset"]
            out.append(SET_FOLDS[name] % folds if name in SET_FOLDS else -1)
    return np.array(out)


def _stratum(row: dict[str, str]) -> str:
    order = {"absent": "0", "unknown": "1", "present": "2"}
    grade = row["systolic_grade"] if row["label"] == "present" else ""
    return order[row["label"]] + grade


def _pictures(
    data: Path, rows: list[dict[str, str]], cache: Path, picture: str
) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    file = cache / f"{picture}-{len(rows)}.npz"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pictures = [picture_of(samples_of(data, row), picture) for row in rows]
        offsets = np.concatenate([[0], np.cumsum([len(p) for p in pictures])])
        np.savez(file, frames=np.concatenate(pictures), offsets=offsets)
    stored = np.load(file)
    return stored["frames"], stored["offsets"]


def picture_of(samples: tuple[NDArray[Any], float], picture: str = "mel") -> NDArray[np.float16]:
    """Log power of a whole recording, ``(frames, 40)``, without the window's own floor and scale."""
    y, _ = frontend.remove_spikes(frontend.to_internal(*samples))
    power = frontend.mel_power(y) if picture == "mel" else frontend.wavelet_power(y)
    return np.log(power / max(float(power.mean()), 1e-30) + _LOG_FLOOR).T.astype(np.float16)


def samples_of(data: Path, row: dict[str, str]) -> tuple[NDArray[Any], float]:
    """Samples and rate of one row, real or synthetic."""
    if row["dataset"] == "synthetic":
        kind, _, number = row["path"].partition("/")
        rng = np.random.default_rng([7, int(number)])
        rate = 4000.0 if kind == "heart" else 2000.0
        return (heart(rng, rate, int(number)) if kind == "heart" else not_a_heart(kind, rng, rate)), rate
    import soundfile

    samples, rate = soundfile.read(data / row["path"], dtype="float32", always_2d=True)
    return samples[:, 0], float(rate)


def heart(rng: np.random.Generator, rate_hz: float, number: int) -> NDArray[np.float64]:
    """12 s of the product's own synthetic heart sound; odd numbers have a murmur."""
    t = np.arange(round(12 * rate_hz)) / rate_hz
    seed = int(rng.integers(1 << 30))
    rhythm = str(rng.choice(["sinus", "sinus", "af", "pvc"]))
    beats = synthesis.beats([synthesis.Episode(0.0, rhythm, float(rng.uniform(50, 140)))], 14.0, seed=seed)
    spans = [(0.0, 14.0)] if number % 2 else []
    return synthesis.pcg(beats, t, murmur=spans, noise=float(10 ** rng.uniform(-2.5, -1.3)), seed=seed)


def not_a_heart(kind: str, rng: np.random.Generator, rate_hz: float) -> NDArray[np.float64]:
    """12 s of one of ``KINDS``: noise, speech-like or music-like sound, tones, friction, mains hum, noise that comes and
    goes, ticks, knocks, or breath."""
    n = round(12 * rate_hz)
    t = np.arange(n) / rate_hz
    noise = coloured(rng, n, rng.uniform(0, 2))
    if kind == "noise":
        slow = np.interp(t, np.arange(0, 14, 2), rng.uniform(0.3, 1.0, 7))
        return noise * slow
    if kind == "tone":
        f = rng.uniform(30, 700, rng.integers(1, 4))
        return np.sum([np.sin(2 * np.pi * (x * t + rng.uniform())) for x in f], axis=0) + 0.02 * noise
    if kind == "hum":
        base = rng.choice([50.0, 60.0, 100.0])
        tones = [rng.uniform(0, 1) / k * np.sin(2 * np.pi * (base * k * t + rng.uniform())) for k in range(1, 8)]
        return np.sum(tones, axis=0) + 10 ** rng.uniform(-2, -0.5) * noise
    if kind == "friction":
        out = 0.02 * noise
        for at in np.sort(rng.uniform(0, 12, rng.integers(4, 40))):
            width = rng.uniform(0.02, 0.6)
            out = out + rng.uniform(0.2, 1) * np.exp(-0.5 * ((t - at) / width) ** 2) * coloured(
                rng, n, rng.uniform(0, 1)
            )
        return out
    if kind in ("bursts", "clicks", "knocks"):
        return _repeated(rng, t, kind) + 10 ** rng.uniform(-3, -1.3) * noise
    if kind == "breath":
        return _breath(rng, t) + 10 ** rng.uniform(-3, -1.3) * noise
    voices = _speech(rng, t) if kind == "speech" else _music(rng, t)
    return voices + 10 ** rng.uniform(-2.5, -1) * noise


def _repeated(rng: np.random.Generator, t: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Bursts of nearly white noise or short ticks, as regular as a clock or not at all, 40 to 220 a minute; or dull
    knocks, which as regular ones could be a heart's and are always irregular."""
    rate = 1.0 / (t[1] - t[0])
    out = np.zeros(len(t))
    pause = 60.0 / rng.uniform(40, 240)
    unsteady = 1.0 if kind == "knocks" else rng.choice([0.0, 0.05, 0.3, 1.0])
    colour = rng.uniform(1.2, 2.5) if kind == "knocks" else rng.uniform(0, 0.6)
    at = rng.uniform(0, pause)
    while at < t[-1]:
        length = rng.uniform(0.001, 0.012) if kind == "clicks" else rng.uniform(0.03, 0.3)
        a, n = int(at * rate), max(4, int(length * rate))
        shape = np.exp(-6.0 * np.arange(n) / n) if kind == "clicks" else np.hanning(n + 2)[1:-1]
        sound = coloured(rng, n, colour) * shape * rng.uniform(0.5, 1.0)
        out[a : a + n] += sound[: len(out) - a]
        at += pause * (1.0 - unsteady + unsteady * rng.exponential()) + 0.02
    return out


def _breath(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise of 100 to 700 Hz that swells and fades, in and out, 10 to 40 breaths a minute, sometimes with a wheeze."""
    rate = 1.0 / (t[1] - t[0])
    phase = rng.uniform(10, 40) / 60.0 * t + rng.uniform() + 0.05 * np.sin(0.3 * t)
    swell = np.maximum(0.0, np.sin(2 * np.pi * phase)) + rng.uniform(0, 0.8) * np.maximum(
        0.0, -np.sin(2 * np.pi * phase)
    )
    spectrum = np.fft.rfft(rng.standard_normal(len(t)))
    f = np.fft.rfftfreq(len(t), 1.0 / rate)
    low, high = rng.uniform(60, 200), rng.uniform(300, 900)
    air = np.fft.irfft(spectrum / (1.0 + (low / np.maximum(f, 1.0)) ** 4) / (1.0 + (f / high) ** 4), len(t))
    wheeze = np.sin(2 * np.pi * rng.uniform(150, 600) * t) * rng.uniform(0, 1.5) * (rng.uniform() < 0.3)
    return np.asarray(swell * (air / air.std() + wheeze))


def coloured(rng: np.random.Generator, n: int, slope: float) -> NDArray[np.float64]:
    """Noise of unit deviation whose power falls with frequency to the power ``slope``."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.maximum(np.arange(len(spectrum)), n / 400) ** (slope / 2)
    x = np.fft.irfft(spectrum, n)
    return np.asarray(x / x.std())


def _speech(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    rate = 1.0 / (t[1] - t[0])
    out = np.zeros(len(t))
    pitch = rng.uniform(90, 260)
    at = rng.uniform(0, 0.3)
    while at < t[-1]:
        length = rng.uniform(0.12, 0.45)
        a, b = int(at * rate), min(len(t), int((at + length) * rate))
        if b - a > 20:
            s = np.linspace(0, 1, b - a)
            f0 = pitch * (1 + rng.uniform(-0.15, 0.15) + rng.uniform(-0.15, 0.15) * s)
            phase = np.cumsum(f0) / rate
            formants = (rng.uniform(280, 800), rng.uniform(800, 2000))
            sound = np.zeros(b - a)
            for k in range(1, int(900 / pitch) + 1):
                gain = sum(1 / (1 + ((k * pitch - f) / 120) ** 2) for f in formants) + 0.08
                sound += gain * np.sin(2 * np.pi * k * phase)
            out[a:b] += rng.uniform(0.4, 1) * np.sin(np.pi * s) ** 0.6 * sound
        at += length + (rng.uniform(0.02, 0.15) if rng.uniform() < 0.8 else rng.uniform(0.3, 0.9))
    return out


def _music(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    rate = 1.0 / (t[1] - t[0])
    out = np.zeros(len(t))
    beat = 60 / rng.uniform(60, 160)
    root = rng.uniform(60, 220)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    at = 0.0
    while at < t[-1]:
        length = beat * rng.choice([0.5, 1, 2])
        a = int(at * rate)
        s = t[a : a + int(length * rate * 1.5)] - t[a]
        for degree in rng.choice(scale, rng.integers(1, 4)):
            f = root * 2 ** (degree / 12)
            sound = sum(np.sin(2 * np.pi * f * k * s) / k**1.2 for k in range(1, 6) if f * k < 950)
            out[a : a + len(s)] += np.minimum(1, s / 0.01) * np.exp(-s / rng.uniform(0.2, 0.8)) * sound
        if rng.uniform() < 0.5:
            drum = coloured(rng, len(s), 1.0) * np.exp(-s / 0.04) if len(s) > 8 else np.zeros(len(s))
            out[a : a + len(s)] += rng.uniform(0, 1) * drum
        at += length
    return out
