"""What fitting, and the trees beside it, do to the rhythm network at home and elsewhere.

    python tools/train/rhythm_general.py --work WORK      after tools/train/rhythm.py --cross-validate --work WORK

At home: cross-validated figures over Liu's people. Elsewhere: the ICU pulses of CinC 2015 by what the ECG beside them
surely shows (``icu_pulses``), each record by the one network that was not fitted to it; a record counts once. All sure
windows, and those whose pulse shows the beats of the ECG. The share is of the way from the pre-trained weights to the
fitted ones (``rhythm_fit.between``). Last, what the trees gain over the network, with people drawn anew, the same for both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import icu_pulses
import rhythm
from data_folder import DATA
from rhythm_data import Windows
from rhythm_fit import Scale, between, logits_of, scale_of
from rhythm_net import RhythmNet
from rhythm_report import calibrated, probabilities
from rhythm_trees import Both, network_of, said
from roc import auroc

from edge.dsp.boosted_trees import BoostedTrees

Floats = NDArray[np.float64]

Judge = Callable[[Windows], Floats]
"""Windows to logits ``(n, 7)``."""

SHARES = (1.0, 0.9, 0.8, 0.6, 0.0)
_DRAWS = 400
_AF, _NONE = 5, 6


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


def elsewhere(
    judges: dict[int, Judge], scale: Scale, there: icu_pulses.Foreign, temperature: float, threshold: float
) -> str:
    """AUROC, windows called AF where the ECG looks like it and where not, and "not a pulse": each record counts once."""
    fold = there.folds(rhythm.FOLDS)
    sure = (there.looks_af | there.looks_other) & np.isin(fold, list(judges))
    logits = np.zeros((len(fold), _NONE + 1))
    for k, judge in judges.items():
        mine = np.flatnonzero(sure & (fold == k))
        logits[mine] = judge(there.windows.take(mine))
    p, none = probabilities(logits, temperature)[:, _AF], logits.argmax(axis=1) == _NONE
    called = (p >= threshold) & ~none
    told = []
    for rows in (sure, sure & (there.alike >= icu_pulses.ALIKE)):
        means = [by_record(called, there.record, rows & mark) for mark in (there.looks_af, there.looks_other)]
        figures = [auroc(p[rows], there.looks_af[rows]), *means, by_record(none, there.record, rows)]
        told.append(" ".join(f"{x:.3f}" for x in figures))
    far = sure & (there.alike >= icu_pulses.ALIKE) & unlike(there, fold, scale)
    return " | ".join([*told, f"{auroc(p[far], there.looks_af[far]):.3f}"])


def unlike(there: icu_pulses.Foreign, fold: NDArray[np.int64], scale: Scale) -> NDArray[np.bool_]:
    """Windows of the half of the records least like any record of another fold, by the mean of their features.

    Nobody knows which records are of one person; a gain that were memory of persons would not show here.
    """
    records = np.unique(there.record)
    numbers = scale(there.windows.feature)
    mean = np.stack([numbers[there.record == r].mean(axis=0) for r in records])
    of = np.array([fold[there.record == r][0] for r in records])
    apart = np.sqrt(((mean[:, None] - mean[None]) ** 2).sum(axis=-1))
    apart[of[:, None] == of[None]] = np.inf
    nearest = apart.min(axis=1)
    return np.isin(there.record, records[nearest >= np.median(nearest)])


def by_record(mark: NDArray[np.bool_], record: NDArray[np.int64], rows: NDArray[np.bool_]) -> float:
    """Mean over records of the share of their ``rows`` that are marked."""
    return float(np.mean([mark[rows & (record == r)].mean() for r in np.unique(record[rows])]))


def network_alone(network: RhythmNet, scale: Scale) -> Judge:
    return lambda windows: logits_of(network, windows, scale)


def trees_alone(trees: BoostedTrees) -> Judge:
    return lambda windows: said(trees, windows)


def gain(one: Floats, other: Floats, label: NDArray[np.int64], person: NDArray[np.int64]) -> Floats:
    """What ``other`` has more than ``one`` of accuracy and AF AUROC: 2.5 %, median and 97.5 % over people drawn anew."""
    before, after = probabilities(one, 1.0), probabilities(other, 1.0)
    rows = [np.flatnonzero(person == p) for p in np.unique(person)]
    rng = np.random.default_rng(rhythm.SEED)
    found = []
    for _ in range(_DRAWS):
        drawn = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        y = label[drawn]
        right = [np.mean(p[drawn].argmax(axis=1) == y) for p in (before, after)]
        ranks = [auroc(p[drawn, _AF], y == _AF) for p in (before, after)]
        found.append((right[1] - right[0], ranks[1] - ranks[0]))
    return np.quantile(found, [0.025, 0.5, 0.975], axis=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "rhythm")
    args = parser.parse_args()
    torch.set_num_threads(1)
    there = icu_pulses.kept(args.work / "icu.npz", rhythm.SEED)
    for word, mark in (("looks like AF", there.looks_af), ("does not", there.looks_other)):
        alike = mark & (there.alike >= icu_pulses.ALIKE)
        print(
            f"elsewhere: {int(mark.sum())} windows of {len(set(there.record[mark]))} records whose ECG {word}; pulse "
            f"and ECG beat alike in {int(alike.sum())} of {len(set(there.record[alike]))}"
        )
    kept = np.load(args.work / "real.npz")
    real = Windows(kept["wave"], kept["feature"], kept["label"])
    person = np.load(DATA / "ppg" / "liu2022.npz")["subject"].astype(np.int64)
    fold = rhythm.folds(person, real.label)
    scale = scale_of(np.load(args.work / "synthetic.npz")["feature"])

    start = network_of(args.work / "pretrained.pt", len(scale.mean))
    ends = {int(k): Both.kept(args.work, f"fold{k}", scale) for k in np.unique(fold)}
    rows: dict[str, dict[int, Judge]] = {
        f"{share:.1f}": {k: network_alone(between(start, end.network, share), scale) for k, end in ends.items()}
        for share in SHARES
    }
    rows["trees"] = {k: trees_alone(end.trees) for k, end in ends.items()}
    rows["both"] = {k: end.logits for k, end in ends.items()}
    print("share | accuracy balanced AUROC spec@.85 PAC PVC sens@spec.945 | elsewhere: AUROC, called AF where the ECG")
    print("looks like AF and where not, not a pulse | the same where pulse and ECG beat alike | AUROC there, far half")
    home = {}
    for name, judges in rows.items():
        logits = np.zeros((len(fold), _NONE + 1))
        for k, judge in judges.items():
            logits[fold == k] = judge(real.take(np.flatnonzero(fold == k)))
        text, temperature, threshold = at_home(logits, real.label)
        home[name] = logits
        print(f"{name} | {text} | {elsewhere(judges, scale, there, temperature, threshold)}", flush=True)
    low, middle, high = gain(home["1.0"], home["both"], real.label, person)
    for word, at in (("accuracy", 0), ("AF AUROC", 1)):
        print(f"what trees gain of {word}: {middle[at]:.4f} ({low[at]:.4f} to {high[at]:.4f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
