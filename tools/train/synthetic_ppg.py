"""Ten-second pulse waves made from real heart-beat intervals, and things that are not a pulse.

Intervals, rhythms and beat types come from the ECG records of ``ppg/rr``. Each beat becomes a log-normal systolic and a
Gaussian diastolic wave whose width grows with a root of the interval and whose amplitude saturates with the filling
time before it; ventricular beats are weak and late, beats after a pause strong. Tachycardias are rare in the records,
so most of theirs are drawn. Used for training only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLASSES = ("SR", "PVC", "PAC", "VT", "SVT", "AF", "none")
RATE_HZ, SAMPLES, SPAN_S = 100.0, 1000, 10.0
_BEFORE_S, _AFTER_S = 3.0, 1.0
_ATRIAL, _VENTRICULAR = ("A", "a", "J", "S"), ("V", "E")
_SINUS = ("N", "B", "T", "SBR")


@dataclass(frozen=True, slots=True, eq=False)
class Train:
    """Beats of one window: times (s, 0 = window start), preceding intervals (s), early kind per beat (0 none, 1 atrial,
    2 ventricular), and whether the rhythm is AF."""

    t: Floats
    ibi: Floats
    kind: NDArray[np.int64]
    af: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Records of ``ppg/rr`` in one row: end time of each beat within its record, s, interval, class marks."""

    t: Floats
    ibi: Floats
    kind: NDArray[np.int64]
    pools: dict[str, NDArray[np.int64]]


def load_intervals(folder: Path) -> Intervals:
    """Beats of the four archives, and for each class the beats a window of that class may begin at."""
    ibi, kind, rhythm, start = [], [], [], []
    for name in ("afdb", "ltafdb", "mitdb"):
        d = np.load(folder / f"{name}.npz")
        names = np.array([str(x) for x in d["rhythm_names"]])
        ibi.append(d["rr_ms"] / 1000.0)
        kind.append(
            np.where(np.isin(d["beat_type"], _ATRIAL), 1, np.where(np.isin(d["beat_type"], _VENTRICULAR), 2, 0))
        )
        word = names[d["rhythm"]]
        typed = "N" if name != "afdb" else "n"  # without beat types a window may hide ectopy: not used as sinus
        rhythm.append(np.where(np.isin(word, _SINUS), typed, word))
        first = np.zeros(len(d["rr_ms"]), dtype=bool)
        first[d["offsets"][:-1]] = True
        start.append(first)
    r, k, w, first = (np.concatenate(x) for x in (ibi, kind, rhythm, start))
    bad = (r < 0.25) | (r > 3.0) | first
    t = np.cumsum(np.where(bad, 1.0, r))
    end = np.searchsorted(t, t + SPAN_S)
    before = np.searchsorted(t, t - _BEFORE_S)
    last = len(t) - 1
    until = np.minimum(np.searchsorted(t, t + SPAN_S + _AFTER_S), last)

    def count(mark: NDArray[np.bool_], a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        total = np.concatenate([[0], np.cumsum(mark)])
        return np.asarray(total[b] - total[a])

    here = np.arange(len(t))
    usable = (count(bad, before, until) == 0) & (end < last)
    beats = np.maximum(end - here, 1)
    share = {name: count(w == name, here, end) / beats for name in ("N", "AFIB", "VT", "SVTA")}
    v, a = count(k == 2, here, end), count(k == 1, here, end)
    run3 = np.zeros(len(k), dtype=bool)
    run3[2:] = (k[2:] == 2) & (k[1:-1] == 2) & (k[:-2] == 2)
    runs = count(run3, here, end)
    sinus = usable & (share["N"] == 1.0)
    pools = {
        "SR": sinus & (v == 0) & (a == 0),
        "PVC": sinus & (v > 0) & (a == 0) & (runs == 0),
        "PAC": sinus & (a > 0) & (v == 0),
        "VT": usable & (share["AFIB"] == 0) & ((runs > 0) | (share["VT"] > 0.3)),
        "SVT": usable & (share["SVTA"] > 0.5),
        "AF": usable & (share["AFIB"] == 1.0),
    }
    return Intervals(t, r, k, {name: np.flatnonzero(x) for name, x in pools.items()})


def drawn_train(records: Intervals, label: str, rng: np.random.Generator, *, seconds: float = SPAN_S) -> Train:
    """Beats of a random window of that class; longer than 10 s only of those that are drawn from records."""
    if label in ("VT", "SVT") and rng.random() < 0.8:
        return _tachycardia(label, rng)
    first = int(rng.choice(records.pools[label]))
    origin = records.t[first] - rng.uniform(0.0, records.ibi[first])
    a, b = np.searchsorted(records.t, (origin - _BEFORE_S, origin + seconds + _AFTER_S))
    stretch = float(np.exp(rng.normal(0.0, 0.06)))
    part = slice(int(a), int(b))
    return Train((records.t[part] - origin) * stretch, records.ibi[part] * stretch, records.kind[part], label == "AF")


def _tachycardia(label: str, rng: np.random.Generator) -> Train:
    """A fast rhythm all through, beginning or ending inside, or (ventricular) a run of three or more."""
    base = 60.0 / rng.uniform(60, 105)
    fast = 60.0 / (rng.uniform(120, 210) if label == "VT" else rng.uniform(105, 200))
    vary = rng.uniform(0.005, 0.05 if label == "VT" else 0.02)
    shape = rng.random()
    begin, end = -9.0, 99.0
    if shape > 0.5:
        begin = rng.uniform(0.0, 5.0)
        if shape > 0.7:
            end = begin + max(rng.uniform(3, 14) * fast, 2.0 if label == "SVT" else 0.0)
    elif shape > 0.35:
        end = rng.uniform(5.0, 9.0)
    times: list[float] = []
    steps: list[float] = []
    kinds: list[int] = []
    t = -_BEFORE_S
    while t < SPAN_S + _AFTER_S:
        inside = begin <= t < end
        step = (fast if inside else base) * (1 + (vary if inside else 0.02) * rng.standard_normal())
        if times and kinds[-1] == 2 and not inside:
            step *= 1.3
        t += max(step, 0.25)
        times.append(t)
        steps.append(step)
        kinds.append(2 if inside and label == "VT" else 0)
    return Train(np.array(times), np.array(steps), np.array(kinds))


def render(train: Train, rng: np.random.Generator, *, seconds: float = SPAN_S) -> Floats:
    """The pulse wave of a train of beats at 100 Hz, ``(1000,)``, with breathing, wander and noise, of a random person."""
    if len(train.t) < 2:
        return noise_like(rng)
    usual = float(np.median(train.ibi))
    filling = train.ibi / usual
    steep = rng.uniform(0.8, 3.0)
    amplitude = (1.0 - np.exp(-steep * filling)) / (1.0 - np.exp(-steep))
    floor = rng.uniform(0.0, 0.4)
    amplitude = np.maximum(amplitude - floor * np.maximum(0.0, 1.0 - filling) * 2.0, 0.02)
    early = train.kind > 0
    weak = np.where(train.kind == 2, rng.uniform(0.1, 0.9), np.where(train.kind == 1, rng.uniform(0.6, 1.0), 1.0))
    amplitude *= weak
    amplitude[1:] *= np.where(early[:-1] & ~early[1:], rng.uniform(1.0, 1.25), 1.0)
    amplitude *= np.exp(rng.normal(0.0, rng.uniform(0.02, 0.12 if train.af else 0.06), len(train.t)))
    breath = 2 * np.pi * rng.uniform(0.15, 0.4) * train.t + rng.uniform(0, 6.3)
    amplitude *= 1.0 + rng.uniform(0.0, 0.15) * np.sin(breath)
    delay = 0.2 + rng.uniform(0.0, 0.06) * np.maximum(0.0, 1.0 - filling) + rng.normal(0.0, 0.004, len(train.t))
    width = (np.clip(train.ibi, 0.3, 1.6) / 0.8) ** rng.uniform(0.25, 0.5)
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    u = (t[None, :] - (train.t + delay)[:, None]) / width[:, None] + 0.12
    peak_s, spread = rng.uniform(0.12, 0.22), rng.uniform(0.35, 0.65)
    safe = np.maximum(u, 1e-3)
    wave = np.where(u > 0, np.exp(-0.5 * (np.log(safe / peak_s) / spread) ** 2), 0.0)
    wave += rng.uniform(0.0, 0.6) * np.exp(-0.5 * ((u - rng.uniform(0.36, 0.5)) / rng.uniform(0.05, 0.12)) ** 2)
    wave += rng.uniform(0.0, 0.5) * np.where(
        u > 0, (1 - np.exp(-safe / 0.05)) * np.exp(-safe / rng.uniform(0.25, 0.5)), 0.0
    )
    out = (amplitude[:, None] * wave).sum(axis=0)
    out += rng.uniform(0, 0.25) * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * t + rng.uniform(0, 6.3))
    return out + coloured(rng, rng.uniform(0.5, 2.0), len(t)) * 10 ** rng.uniform(-2.5, -0.9)


def coloured(rng: np.random.Generator, slope: float, n: int = SAMPLES) -> Floats:
    """Noise whose amplitude falls as 1/f^slope/2, ``(n,)``, of unit deviation."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 0.1) ** (-slope / 2)
    x = np.fft.irfft(spectrum, n)
    return np.asarray(x / x.std())


def _bumps(rng: np.random.Generator) -> Floats:
    t = np.arange(SAMPLES) / RATE_HZ
    x = np.zeros(SAMPLES)
    for _ in range(int(rng.integers(3, 14))):
        x += rng.normal() * np.exp(-0.5 * ((t - rng.uniform(0, 10)) / rng.uniform(0.08, 1.0)) ** 2)
    return x + 0.03 * coloured(rng, 1.0)


def _steps(rng: np.random.Generator) -> Floats:
    x = np.zeros(SAMPLES)
    for at in rng.integers(0, SAMPLES, int(rng.integers(1, 6))):
        x[at:] += rng.normal() * np.exp(-np.arange(SAMPLES - at) / rng.uniform(20, 1e4))
    return x + 10 ** rng.uniform(-3, -1) * coloured(rng, rng.uniform(0, 2))


def _tone(rng: np.random.Generator) -> Floats:
    """One pure tone too regular, too slow or too fast for a heart: hum folded down, a fan, breathing."""
    t = np.arange(SAMPLES) / RATE_HZ
    hz = rng.uniform(0.1, 0.4) if rng.random() < 0.4 else rng.uniform(4.2, 12.0)
    return np.sin(2 * np.pi * hz * t + rng.uniform(0, 6.3)) + 10 ** rng.uniform(-3, -0.7) * coloured(rng, 1.0)


def _spikes(rng: np.random.Generator) -> Floats:
    x = 0.02 * coloured(rng, 1.0)
    x[rng.integers(0, SAMPLES, int(rng.integers(1, 25)))] += rng.normal(size=1) * 3
    return x


def wander(rng: np.random.Generator, n: int = SAMPLES) -> Floats:
    """A hand that moves or a sensor that hangs loose: noise as slow as hearts, of no one rate, often with crests higher
    than its troughs, ``(n,)``."""
    hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    centre, width = np.exp(rng.uniform(np.log(0.7), np.log(3.0))), rng.uniform(0.35, 1.0)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.exp(-0.5 * ((hz - centre) / (width * centre)) ** rng.choice([2, 4])) * (hz > 0.3)
    x = np.fft.irfft(spectrum, n)
    x = x / x.std()
    if rng.random() < 0.4:
        x = np.exp(rng.uniform(0.3, 1.0) * x)
        x = (x - x.mean()) / x.std()
    return np.asarray(x + 10 ** rng.uniform(-3, -0.4) * coloured(rng, rng.uniform(0, 2), n))


def _taps(rng: np.random.Generator) -> Floats:
    """Knocks on the sensor or its cable at uneven times, each dying away."""
    x = 10 ** rng.uniform(-2.5, -1) * coloured(rng, rng.uniform(0, 2))
    at, least = 0.0, rng.uniform(0.1, 0.4)
    while (at := at + least + rng.exponential(rng.uniform(0.2, 0.8))) < SPAN_S:
        first = int(at * RATE_HZ)
        n = np.arange(SAMPLES - first) / RATE_HZ
        ring = np.cos(2 * np.pi * rng.uniform(0, 4) * n)
        x[first:] += rng.uniform(0.3, 1.0) * np.exp(-n / rng.uniform(0.05, 0.4)) * ring
    return x


_NOISES: tuple[Callable[[np.random.Generator], Floats], ...] = (
    lambda rng: coloured(rng, 0.0),
    lambda rng: coloured(rng, rng.uniform(0.3, 3.0)),
    _bumps,
    _steps,
    _tone,
    _spikes,
    wander,
    wander,
    _taps,
)


def noise_like(rng: np.random.Generator) -> Floats:
    """Something that is not a pulse, ``(1000,)``."""
    x = _NOISES[int(rng.integers(len(_NOISES)))](rng)
    return np.asarray(x * np.interp(np.arange(SAMPLES), [0, 400, 700, 999], rng.uniform(0.2, 1.0, 4)))


def windows(records: Intervals, label: str, count: int, rng: np.random.Generator) -> Floats:
    """``(count, 1000)`` windows of one class of ``CLASSES``."""
    if label == "none":
        return np.stack([noise_like(rng) for _ in range(count)])
    return np.stack([render(drawn_train(records, label, rng), rng) for _ in range(count)])
