"""Signals of known truth: a heart that beats to a script, as a finger clip, a microphone and an accelerometer see it.

Everything is a pure function of time, so any chunking of sample times gives the same samples. Used by the demo's
patient, the synthetic source and tests; never a substitute for recordings when accuracy is measured.

Pulse shape: a log-normal systolic wave and a Gaussian diastolic one (as in Tang et al., Sci Rep 2020;10:7841), each
stretched by a root of the preceding interval, with an amplitude that grows with it: early beats are weak. Heart
sounds: damped tones at the beat (S1) and at the end of systole (S2, systole by Bazett's root), with an optional
diamond-shaped band of noise between them (a systolic murmur).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RHYTHMS = ("sinus", "af", "pvc", "pac", "asystole")
_NOISE_LENGTH = 1 << 15
_BAND_HZ, _BAND_RATE_HZ = (90.0, 320.0), 4000.0  # of a murmur, and of the table it is read from
_TAIL_BEATS = 4  # a pulse wave still shows after so many further beats at 220 bpm


@dataclass(frozen=True, slots=True)
class Episode:
    """From ``start_s`` on the heart beats like this, until the next episode."""

    start_s: float
    rhythm: str = "sinus"
    rate_bpm: float = 70.0

    def __post_init__(self) -> None:
        if self.rhythm not in RHYTHMS:
            raise ValueError(f"unknown rhythm {self.rhythm!r}; rhythms: {', '.join(RHYTHMS)}")
        if not 20.0 <= self.rate_bpm <= 240.0:
            raise ValueError("rate_bpm must lie in 20..240")


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """The truth: time of each beat, s; the interval before it, s; pulse amplitude, 1 = a usual one; kind N, V, A, F."""

    t: Floats
    interval_s: Floats
    amplitude: Floats
    kind: tuple[str, ...]

    def rate_bpm(self, start: float, end: float) -> float | None:
        """Mean rate of the beats in ``[start, end)``, 1/min; None with fewer than two."""
        inside = self.t[(self.t >= start) & (self.t < end)]
        return None if len(inside) < 2 else float(60.0 * (len(inside) - 1) / (inside[-1] - inside[0]))


def beats(script: Sequence[Episode], seconds: float, *, seed: int = 0) -> Beats:
    """The beats of a script over ``seconds``.

    Sinus varies with breathing and a little at random; AF intervals are irregular without memory; a premature beat
    (pvc: with a full compensatory pause, pac: without) comes every fourth to sixth time.
    """
    rng = np.random.default_rng(seed)
    script = sorted(script, key=lambda e: e.start_s)
    times, intervals, amplitudes, kinds = [], [], [], []
    t, until_premature, pause = 0.0, 4, 0.0
    while True:
        episode = [e for e in script if e.start_s <= t] or [script[0]]
        now = episode[-1]
        mean_s = 60.0 / now.rate_bpm
        kind = "N"
        if now.rhythm == "asystole":
            later = [e.start_s for e in script if e.start_s > t]
            if not later:
                break
            t = later[0]
            continue
        if now.rhythm == "af":
            kind, step = "F", mean_s * float(np.clip(rng.normal(1.0, 0.24), 0.5, 1.8))
        else:
            breath = 0.03 * np.sin(2 * np.pi * 0.25 * t)
            step = mean_s * (1.0 + breath + 0.012 * rng.standard_normal())
            until_premature -= 1
            if pause:
                step, pause = pause, 0.0
            elif now.rhythm in ("pvc", "pac") and until_premature <= 0:
                early = rng.uniform(0.58, 0.7)
                kind = "V" if now.rhythm == "pvc" else "A"
                pause = mean_s * (2.0 - early) if kind == "V" else mean_s * 1.05
                step, until_premature = mean_s * early, int(rng.integers(4, 7))
        t += step
        if t >= seconds:
            break
        filling = step / mean_s
        amplitude = np.clip(1.25 * (1.0 - np.exp(-1.6 * filling)), 0.1, 1.4)
        if kind == "V":
            amplitude *= 0.55
        elif kind == "F":
            amplitude *= rng.uniform(0.85, 1.15)
        times.append(t)
        intervals.append(step)
        amplitudes.append(float(amplitude))
        kinds.append(kind)
    return Beats(np.array(times), np.array(intervals), np.array(amplitudes), tuple(kinds))


def ppg(heart: Beats, t: Floats, *, noise: float = 0.01, baseline: float = 0.05, seed: int = 0) -> Floats:
    """Pulse wave at times ``t``, ``(n,)``; peak about 1 for a usual beat, with breathing and noise."""
    out = np.zeros(len(t))
    last = np.searchsorted(heart.t, t, side="right") - 1
    for back in range(_TAIL_BEATS):
        index = last - back
        valid = index >= 0
        index = np.maximum(index, 0)
        if not len(heart.t):
            break
        stretch = np.clip(heart.interval_s[index], 0.35, 1.6) ** 0.35
        dt = (t - heart.t[index]) / stretch
        out += np.where(valid, heart.amplitude[index] * _pulse(dt), 0.0)
    out += baseline * np.sin(2 * np.pi * 0.25 * t)
    return out + noise * _noise(t, 100.0, seed)


def pcg(
    heart: Beats, t: Floats, *, murmur: Sequence[tuple[float, float]] = (), noise: float = 0.01, seed: int = 0
) -> Floats:
    """Heart sound at times ``t``, ``(n,)``; S1 peaks near 1. murmur: spans ``(start, end)`` s that have one."""
    out = noise * _noise(t, 4000.0, seed)
    if not len(heart.t):
        return out
    last = np.searchsorted(heart.t, t + 0.03, side="right") - 1
    valid = last >= 0
    beat = np.maximum(last, 0)
    dt = t - heart.t[beat]
    systole_s = 0.32 * np.sqrt(np.clip(heart.interval_s[beat], 0.35, 1.4))
    out += np.where(valid, _tone(dt, (38.0, 55.0), 0.035), 0.0)
    out += np.where(valid, 0.7 * _tone(dt - systole_s, (52.0, 78.0), 0.025), 0.0)
    if murmur:
        phase = np.clip((dt - 0.05) / np.maximum(systole_s - 0.08, 0.05), 0.0, 1.0)
        heard = np.zeros(len(t), bool)
        for start, end in murmur:
            heard |= (t >= start) & (t < end)
        diamond = 1.0 - np.abs(2.0 * phase - 1.0)
        out += np.where(heard & valid, 0.45 * diamond * _band_noise(t, seed), 0.0)
    return out


def acceleration(t: Floats, *, motion: Sequence[tuple[float, float]] = (), seed: int = 0) -> Floats:
    """Acceleration at times ``t``, ``(n, 3)`` mg: gravity, a little noise, and waving about at 1.7 Hz in ``motion``."""
    out = np.stack([4.0 * _noise(t, 100.0, seed + 11 + axis) for axis in range(3)], axis=1)
    out[:, 2] += 1000.0
    for start, end in motion:
        moving = (t >= start) & (t < end)
        wave = np.sin(2 * np.pi * 1.7 * t) + 0.5 * np.sin(2 * np.pi * 3.1 * t + 0.7)
        out += np.where(moving, 400.0 * wave, 0.0)[:, None] * np.array([1.0, 0.6, 0.3])
    return out


def _pulse(dt: Floats) -> Floats:
    """The wave of one beat ``dt`` s after its onset: rises in 0.15 s, dicrotic wave at 0.42 s."""
    after = np.maximum(dt, 1e-6)
    systolic = np.exp(-0.5 * (np.log(after / 0.19) / 0.42) ** 2)
    diastolic = 0.35 * np.exp(-0.5 * ((dt - 0.45) / 0.1) ** 2)
    return np.where(dt > 0, systolic + diastolic, 0.0)


def _tone(dt: Floats, frequencies_hz: Sequence[float], width_s: float) -> Floats:
    envelope = np.exp(-0.5 * ((dt - width_s) / (0.5 * width_s)) ** 2)
    tones = [np.sin(2 * np.pi * f * dt) for f in frequencies_hz]
    return np.asarray(envelope * np.sum(tones, axis=0) / len(frequencies_hz))


@lru_cache(maxsize=16)
def _table(seed: int) -> Floats:
    return np.random.default_rng([seed, 1]).standard_normal(_NOISE_LENGTH)


def _noise(t: Floats, rate_hz: float, seed: int) -> Floats:
    """White noise that is a function of time: one table, read at whole samples of ``rate_hz``."""
    index = np.round(t * rate_hz).astype(np.int64) % _NOISE_LENGTH
    return _table(seed)[index]


def _band_noise(t: Floats, seed: int) -> Floats:
    index = np.round(t * _BAND_RATE_HZ).astype(np.int64) % _NOISE_LENGTH
    return np.asarray(_band_table(seed + 1)[index])


@lru_cache(maxsize=8)
def _band_table(seed: int) -> Floats:
    spectrum = np.fft.rfft(_table(seed))
    frequency = np.fft.rfftfreq(_NOISE_LENGTH, 1.0 / _BAND_RATE_HZ)
    spectrum[(frequency < _BAND_HZ[0]) | (frequency > _BAND_HZ[1])] = 0.0
    table = np.fft.irfft(spectrum, _NOISE_LENGTH)
    return np.asarray(0.5 * table / table.std())
