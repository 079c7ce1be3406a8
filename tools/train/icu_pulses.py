"""ICU pulses of CinC 2015 and what the ECG beside them says of atrial fibrillation: surely, surely not, or neither.

The records carry no rhythm labels. A minute of ECG intervals is judged by a logistic rule fitted to the annotated
records of ``ppg/rr``; minutes near neither end stay unknown. The ECG's beats are automatic and some are noise, so a
window also tells how far its pulse shows the beats of the ECG. Weak labels: good for comparing networks and for weak
training, no measure of accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from data_folder import DATA
from logistic import logistic
from numpy.typing import NDArray
from rhythm_data import Windows
from rhythm_fit import NOT_AF, Weak
from scipy.special import expit

from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import BeatList, Upright, find_beats
from edge.dsp.rhythm.decision import LABELS
from edge.dsp.rhythm.features import RATE_HZ, WINDOW_S, features, prepared
from edge.types import Window

Floats = NDArray[np.float64]

PLETH_HZ, ECG_HZ = 125.0, 250.0
SURE = 0.9
SURELY_NOT = 0.05
ALIKE = 0.8
_AF = LABELS.index("AF")
_IRREGULAR = 0.06
_BEATS = 60
_RIDGE = 1e-2
_STEP_S = 10
_EVENT_S = 190  # the alarm, and what may have caused it, lie in the last ten seconds
_NEAR_S = 0.12
_DELAYS_S = np.arange(0.0, 0.9, 0.03)


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """Answerable windows of another hospital, ``(n,)`` each: the record they are of, how surely the ECG looks like AF
    around them and in the whole record (the lower and the higher of the two), how alike pulse and ECG beat, and the
    spread of the ECG's intervals over their mean."""

    windows: Windows
    record: NDArray[np.int64]
    lower: Floats
    higher: Floats
    alike: Floats
    spread: Floats

    @property
    def looks_af(self) -> NDArray[np.bool_]:
        return self.lower > SURE

    @property
    def looks_other(self) -> NDArray[np.bool_]:
        return self.higher < 1 - SURE

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Foreign:
        kept = np.arange(len(self.record))[rows]
        numbers = (x[kept] for x in (self.lower, self.higher, self.alike, self.spread))
        return Foreign(self.windows.take(kept), self.record[kept], *numbers)

    def folds(self, count: int) -> NDArray[np.int64]:
        """Fold of each window: whole records, those that look like AF, those that do not and the rest dealt evenly."""
        of = {int(r): float(np.median(self.lower[self.record == r])) for r in np.unique(self.record)}
        dealt = sorted(of, key=lambda r: (of[r] > SURE, of[r] > 1 - SURE, (r * 7919) % 1009))
        fold_of = {r: i % count for i, r in enumerate(dealt)}
        return np.array([fold_of[int(r)] for r in self.record])

    def weak(self) -> Weak:
        """What may be trained on: AF, surely not AF, and of these the irregular ones; pulse and ECG beat alike."""
        af = self.looks_af & (self.alike >= ALIKE)
        other = (self.higher < SURELY_NOT) & (self.alike >= ALIKE)
        label = np.where(af, _AF, NOT_AF)
        groups = [
            [np.flatnonzero(mark & (self.record == r)) for r in np.unique(self.record[mark])]
            for mark in (af, other, other & (self.spread > _IRREGULAR))
        ]
        return Weak(Windows(self.windows.wave, self.windows.feature, label), tuple(groups))


def irregularity(rr: Floats) -> Floats:
    """Numbers of a minute of ECG intervals, s: jumps, spread of differences, entropy, turns, gathering, likeness."""
    mean, median = rr.mean(), np.median(rr)
    step = np.diff(rr) / mean
    share = np.histogram(rr / mean, bins=16, range=(0.3, 1.9))[0] / len(rr)
    seen = share[share > 0]
    alike = abs(rr[:, None] - rr[None, :]) < 0.06 * median
    again = np.triu(alike[:-1, :-1] & alike[1:, 1:], 1).sum() + 0.5
    return np.array(
        [
            np.mean(abs(step) > 0.1), np.median(abs(step)), min(step.std(), 1.0), -(seen * np.log(seen)).sum(),
            np.mean(step[1:] * step[:-1] < 0), np.mean(abs(rr / median - 1) < 0.05),
            -np.log(again / (np.triu(alike[:-1, :-1], 1).sum() + 1.0)), 1.0,
        ]
    )  # fmt: skip


def fitted_rule(rng: np.random.Generator) -> Floats:
    """Weights of the logistic rule; prints what it does on a quarter of the records that it was not fitted to."""
    rows, labels, records = [], [], []
    for name in ("afdb", "ltafdb", "mitdb"):
        d = dict(np.load(DATA / "ppg" / "rr" / f"{name}.npz"))
        words = np.array([str(x) for x in d["rhythm_names"]])
        for i, (a, b) in enumerate(zip(d["offsets"][:-1], d["offsets"][1:], strict=True)):
            rr, word = d["rr_ms"][a:b] / 1000.0, words[d["rhythm"][a:b]]
            for s in rng.integers(1, max(2, len(rr) - _BEATS), 80):
                part, told = rr[s : s + _BEATS], set(word[s : s + _BEATS].tolist())
                mixed = "AFL" in told or ("AFIB" in told and len(told) > 1)
                if len(part) == _BEATS and part.min() >= 0.25 and part.max() <= 3.0 and not mixed:
                    rows.append(irregularity(part))
                    labels.append("AFIB" in told)
                    records.append(f"{name} {i}")
    x, y, of = np.array(rows), np.array(labels, dtype=float), np.array(records)
    kept = np.unique(of)
    test = np.isin(of, rng.permutation(kept)[: len(kept) // 4])
    p, true = expit(x[test] @ logistic(x[~test], y[~test], _RIDGE)), y[test] == 1
    print(
        f"the rule on {int(test.sum())} minutes of other records: surely AF in {np.mean(p[true] > SURE):.3f} of AF and "
        f"{np.mean(p[~true] > SURE):.4f} of the rest; so surely not that it is trained on in "
        f"{np.mean(p[true] < SURELY_NOT):.4f} and {np.mean(p[~true] < SURELY_NOT):.3f}"
    )
    return logistic(x, y, _RIDGE)


def minutes(beats: Floats, starts: Floats, rule: Floats) -> Floats | None:
    """How surely the minute of ECG around each window looks like AF, 0 to 1; None with too few beats."""
    rr = np.diff(beats)
    if len(rr) < _BEATS:
        return None
    first = np.clip(np.searchsorted(beats, starts + WINDOW_S / 2) - _BEATS // 2, 0, len(rr) - _BEATS)
    return np.array([expit(irregularity(rr[a : a + _BEATS]) @ rule) for a in first])


def likeness(ecg: Floats, pulse: Floats) -> float:
    """F1 of the beats of a window's ECG and of its pulse, s from the window's start, at the best delay of the pulse."""
    if len(ecg) < 3 or len(pulse) < 3:
        return 0.0
    best = 0.0
    for delay in _DELAYS_S:
        there = ecg[ecg + delay < WINDOW_S] + delay
        seen = pulse[pulse >= there[0] - _NEAR_S]
        hits = int((abs(pulse[None] - there[:, None]).min(axis=1) < _NEAR_S).sum())
        best = max(best, 2 * hits / (len(there) + len(seen)))
    return best


def kept(path: Path, seed: int) -> Foreign:
    """``foreign`` by the rule of ``seed``, kept in ``path``."""
    if not path.exists():
        found = foreign(fitted_rule(np.random.default_rng(seed)))
        arrays = {name: getattr(found, name) for name in ("record", "lower", "higher", "alike", "spread")}
        np.savez(path, wave=found.windows.wave, feature=found.windows.feature, **arrays)
    d = np.load(path)
    windows = Windows(d["wave"], d["feature"], np.full(len(d["record"]), NOT_AF))
    return Foreign(windows, d["record"], d["lower"], d["higher"], d["alike"], d["spread"])


def foreign(rule: Floats) -> Foreign:
    """Every answerable window of CinC 2015, ten seconds apart, of the records with a minute of ECG."""
    d = dict(np.load(DATA / "ppg" / "cinc2015.npz"))
    starts = np.arange(0.0, _EVENT_S, _STEP_S)
    waves, numbers, rows = [], [], []
    for i, pleth in enumerate(d["pleth"]):
        beats = d["ecg_beats_250hz"][d["beat_offsets"][i] : d["beat_offsets"][i + 1]] / ECG_HZ
        p = minutes(beats, starts, rule)
        if p is None:
            continue
        usual = float(np.median(p))
        for start, at in zip(starts, p, strict=True):
            a, b = (int(t * PLETH_HZ) for t in (start, start + WINDOW_S))
            made = _window(pleth[a:b])
            if made is None:
                continue
            wave, pulse = made
            near = beats[(beats >= start) & (beats < start + WINDOW_S)] - start
            waves.append(wave.astype(np.float32))
            numbers.append(features(wave, pulse).astype(np.float32))
            rows.append((i, min(usual, at), max(usual, at), likeness(near, pulse.peak), _spread(beats, start)))
    record, *numbers_ = np.array(rows).T
    windows = Windows(np.array(waves), np.array(numbers), np.full(len(rows), NOT_AF))
    return Foreign(windows, record.astype(np.int64), *numbers_)


def _spread(beats: Floats, start: float) -> float:
    rr = np.diff(beats[(beats >= start - 1.0) & (beats < start + WINDOW_S + 1.0)])
    return float(rr.std() / rr.mean()) if len(rr) else 0.0


def _window(samples: NDArray[np.int16]) -> tuple[Floats, BeatList] | None:
    t = np.arange(len(samples)) / PLETH_HZ
    window = Window("icu/ppg", 0.0, WINDOW_S, t, samples.astype(np.float64)[:, None], PLETH_HZ, 1.0, ())
    signal = quality.usable(window, WINDOW_S, RATE_HZ)
    if signal.reason:
        return None
    wave = prepared(signal.x)
    wave = Upright()(wave)
    beats = find_beats(wave, RATE_HZ)
    if quality.noise_quality(signal.x, wave, beats, RATE_HZ) < quality.MIN_QUALITY:
        return None
    return wave, beats
