"""What drawing the fitted weights back towards the synthetic-only network costs at home and buys elsewhere.

    python tools/train/rhythm_general.py --work WORK      after tools/train/rhythm.py --cross-validate --work WORK

At home: cross-validated figures over Liu's people for several shares of the way (``rhythm_fit.between``). Elsewhere:
the ICU pulses of CinC 2015, which carry no rhythm labels. There, whether the ECG beside the pulse looks like atrial
fibrillation is judged from its intervals alone, a minute at a time, by a logistic rule fitted to the annotated records
of ``ppg/rr``; windows near neither end are left out. The ECG's beats are automatic, so this compares networks and is
no accuracy. Nothing of it is ever trained on.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import rhythm
from rhythm_data import DATA, Windows, auroc
from rhythm_fit import Scale, between, logits_of, scale_of
from rhythm_net import RhythmNet
from rhythm_report import calibrated, probabilities

from edge.analyzers.rhythm import INVERTED
from edge.dsp import ppg_quality as quality
from edge.dsp.beats import find_beats, polarity
from edge.dsp.rhythm_features import RATE_HZ, WINDOW_S, features, prepared
from edge.types import Window

Floats = NDArray[np.float64]

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.4, 0.0)
_BEATS = 60
_SURE = 0.9
_AF, _NONE = 5, 6


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """Answerable windows of another hospital: whether the ECG looks like AF, and which record each is of."""

    windows: Windows
    looks_af: NDArray[np.bool_]
    record: NDArray[np.int64]


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
    p = _sigmoid(x[test] @ _logistic(x[~test], y[~test]))
    called, true = p > _SURE, y[test] == 1
    print(
        f"the rule on {int(test.sum())} minutes of other records: AUROC {auroc(p, true):.3f}; surely AF in "
        f"{called[true].mean():.3f} of AF and {called[~true].mean():.4f} of the rest"
    )
    return _logistic(x, y)


def _logistic(x: Floats, y: Floats) -> Floats:
    w = np.zeros(x.shape[1])
    for _ in range(25):
        p = _sigmoid(x @ w)
        bend = (x * (p * (1 - p))[:, None]).T @ x + 1e-2 * np.eye(len(w))
        w = w + np.linalg.solve(bend, x.T @ (y - p) - 1e-2 * w)
    return np.asarray(w)


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -40, 40))))


def foreign(weights: Floats) -> Foreign:
    """Windows of CinC 2015 whose ECG surely looks like AF, or surely not, over the record and the minute around."""
    d = dict(np.load(DATA / "ppg" / "cinc2015.npz"))
    waves, numbers, looks, of = [], [], [], []
    for i, pleth in enumerate(d["pleth"]):
        beats = d["ecg_beats_250hz"][d["beat_offsets"][i] : d["beat_offsets"][i + 1]] / 250.0
        rr = np.diff(beats)
        if len(rr) < _BEATS:
            continue
        starts = np.arange(0, 190, 10)
        first = np.clip(np.searchsorted(beats, starts + 5.0) - _BEATS // 2, 0, len(rr) - _BEATS)
        p = np.array([_sigmoid(irregularity(rr[a : a + _BEATS]) @ weights) for a in first])
        usual = float(np.median(p))
        for start, at in zip(starts, p, strict=True):
            sure = min(usual, at) > _SURE or max(usual, at) < 1 - _SURE
            if sure and (made := _window(pleth[start * 125 : (start + 10) * 125])) is not None:
                waves.append(made[0])
                numbers.append(made[1])
                looks.append(usual > _SURE)
                of.append(i)
    label = np.array(looks)
    wave, feature = np.array(waves, dtype=np.float32), np.array(numbers, dtype=np.float32)
    return Foreign(Windows(wave, feature, label.astype(np.int64)), label, np.array(of))


def _window(samples: NDArray[np.int16]) -> tuple[Floats, Floats] | None:
    t = np.arange(len(samples)) / 125.0
    window = Window("icu/ppg", 0.0, WINDOW_S, t, samples.astype(np.float64)[:, None], 125.0, 1.0, ())
    signal = quality.usable(window, WINDOW_S, RATE_HZ)
    if signal.reason:
        return None
    wave = prepared(signal.x)
    wave = -wave if polarity(wave) < INVERTED else wave
    beats = find_beats(wave, RATE_HZ)
    if quality.noise_quality(signal.x, wave, beats, RATE_HZ) < quality.MIN_QUALITY:
        return None
    return wave, features(wave, beats)


def at_home(logits: Floats, label: NDArray[np.int64]) -> tuple[str, float, float]:
    """A line of figures, and the temperature and threshold that go with them."""
    temperature, threshold = calibrated(logits, label)
    p = probabilities(logits, temperature)
    guess, af = p.argmax(axis=1), label == _AF
    balanced = np.mean([np.mean(guess[label == c] == c) for c in range(6)])
    limit = np.quantile(p[af, _AF], 0.15)
    text = (
        f"{np.mean(guess == label):.3f} {balanced:.3f} {auroc(p[:, _AF], af):.4f} {np.mean(p[~af, _AF] < limit):.3f} "
        f"{np.mean(p[label == 2, _AF] >= limit):.3f} {np.mean(p[label == 1, _AF] >= limit):.3f} "
        f"{np.mean(p[af, _AF] >= threshold):.3f}"
    )
    return text, temperature, threshold


def elsewhere(networks: list[RhythmNet], scale: Scale, there: Foreign, temperature: float, threshold: float) -> str:
    """Means over the networks, each record counting once."""
    rows = []
    for network in networks:
        logits = logits_of(network, there.windows, scale)
        p = probabilities(logits, temperature)[:, _AF]
        called = (p >= threshold) & (logits.argmax(axis=1) != _NONE)
        shares = [
            np.mean([called[wanted & (there.record == r)].mean() for r in set(there.record[wanted].tolist())])
            for wanted in (there.looks_af, ~there.looks_af)
        ]
        rows.append([auroc(p, there.looks_af), *shares, np.mean(logits.argmax(axis=1) == _NONE)])
    return " ".join(f"{x:.3f}" for x in np.mean(rows, axis=0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "rhythm")
    args = parser.parse_args()
    torch.set_num_threads(1)
    there = foreign(fitted_rule(np.random.default_rng(rhythm.SEED)))
    for word, mark in (("looks like AF", there.looks_af), ("does not", ~there.looks_af)):
        print(f"elsewhere: {int(mark.sum())} windows of {len(set(there.record[mark]))} records whose ECG {word}")
    kept = np.load(args.work / "real.npz")
    real = Windows(kept["wave"], kept["feature"], kept["label"])
    fold = rhythm.folds(np.load(DATA / "ppg" / "liu2022.npz")["subject"].astype(np.int64), real.label)
    pool = np.load(args.work / "synthetic.npz")["feature"]
    scale = scale_of(pool)

    def network(name: str) -> RhythmNet:
        model = RhythmNet(pool.shape[1])
        model.load_state_dict(torch.load(args.work / f"{name}.pt", weights_only=True))
        return model.eval()

    start = network("pretrained")
    ends = {int(k): network(f"fold{k}") for k in np.unique(fold) if (args.work / f"fold{k}.pt").exists()}
    seen = np.isin(fold, list(ends))
    print(f"folds {sorted(ends)}")
    print("share | accuracy balanced AUROC spec@.85 PAC PVC sens@spec.94 | elsewhere: AUROC called-of-AF of-rest none")
    for share in SHARES:
        logits = np.zeros((len(fold), 7))
        networks = [between(start, end, share) for end in ends.values()]
        for k, model in zip(ends, networks, strict=True):
            logits[fold == k] = logits_of(model, real.take(np.flatnonzero(fold == k)), scale)
        text, temperature, threshold = at_home(logits[seen], real.label[seen])
        used = networks if share > 0 else networks[:1]
        print(f"{share:.1f} | {text} | {elsewhere(used, scale, there, temperature, threshold)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
