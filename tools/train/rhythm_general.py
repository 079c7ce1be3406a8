"""What fitting, and the trees beside it, do to the rhythm network at home and elsewhere.

    python tools/train/rhythm_general.py --work WORK      after tools/train/rhythm.py --cross-validate --work WORK

At home: cross-validated figures over Liu's people. Elsewhere: the ICU pulses of CinC 2015 by what the ECG beside them
surely shows (``icu_pulses``), each record by the one network that was not fitted to it; a record counts once. All sure
windows, and those whose pulse shows the beats of the ECG. The share is of the way from the pre-trained weights to the
fitted ones (``rhythm_fit.between``). Windows by themselves, at the threshold that keeps 0.945 of home's others, but for
the rows "in context": there at the card's specificity as well. Last, what the trees gain over the network, and the windows
before over both, with people drawn anew, the same for both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import icu_pulses
import rhythm
from data_folder import DATA
from rhythm_context import SPECIFICITY, Constants, alone, cross_fitted, temperature_of
from rhythm_data import Windows
from rhythm_fit import Scale, between, logits_of, scale_of
from rhythm_net import RhythmNet
from rhythm_trees import Both, network_of, said
from roc import auroc

from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.rhythm.decision import LABELS

Floats = NDArray[np.float64]

Judge = Callable[[Windows], Floats]
"""Windows to logits ``(n, 7)``."""

SHARES = (1.0, 0.9, 0.8, 0.6, 0.0)
_OF_THEMSELVES = 0.945
"""Specificity of the threshold in the tables of windows by themselves, since 1.5.0."""
_DRAWS = 400
_AF, _NONE = LABELS.index("AF"), len(LABELS)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Probabilities of six rhythms ``(n, 6)`` of windows at home and elsewhere, and which of the latter are no pulse."""

    home: Floats
    there: Floats
    none: NDArray[np.bool_]


def by_unfitted(judges: dict[int, Judge], windows: Windows, fold: NDArray[np.int64]) -> Floats:
    """Logits ``(n, 7)`` of each window by the judge of its fold."""
    logits = np.zeros((len(fold), _NONE + 1))
    for k, judge in judges.items():
        logits[fold == k] = judge(windows.take(np.flatnonzero(fold == k)))
    return logits


def by_themselves(home: Floats, there: Floats, label: NDArray[np.int64]) -> Told:
    temperature = temperature_of(home, label)
    at_home, elsewhere = (np.exp(alone(x, temperature)) for x in (home, there))
    return Told(at_home, elsewhere, there.argmax(axis=1) == _NONE)


def at_home(p: Floats, label: NDArray[np.int64], threshold: float) -> str:
    """A line of figures."""
    guess, af = p.argmax(axis=1), label == _AF
    balanced = np.mean([np.mean(guess[label == c] == c) for c in range(6)])
    limit = np.quantile(p[af, _AF], 0.15)
    return (
        f"{np.mean(guess == label):.3f} {balanced:.3f} {auroc(p[:, _AF], af):.4f} {np.mean(p[~af, _AF] < limit):.3f} "
        f"{np.mean(p[label == 2, _AF] >= limit):.3f} {np.mean(p[label == 1, _AF] >= limit):.3f} "
        f"{np.mean(p[af, _AF] >= threshold):.3f}"
    )


def elsewhere(told: Told, there: icu_pulses.Foreign, far: NDArray[np.bool_], threshold: float) -> str:
    """AUROC, windows called AF where the ECG looks like it and where not, and "not a pulse": each record counts once."""
    sure, p = there.looks_af | there.looks_other, told.there[:, _AF]
    called = (p >= threshold) & ~told.none
    texts = []
    for rows in (sure, sure & (there.alike >= icu_pulses.ALIKE)):
        means = [by_record(called, there.record, rows & mark) for mark in (there.looks_af, there.looks_other)]
        figures = [auroc(p[rows], there.looks_af[rows]), *means, by_record(told.none, there.record, rows)]
        texts.append(" ".join(f"{x:.3f}" for x in figures))
    far = sure & (there.alike >= icu_pulses.ALIKE) & far
    return " | ".join([*texts, f"{auroc(p[far], there.looks_af[far]):.3f}"])


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


def gain(before: Floats, after: Floats, label: NDArray[np.int64], person: NDArray[np.int64]) -> Floats:
    """What ``after`` has more than ``before`` of accuracy and AF AUROC: 2.5 %, median and 97.5 % over people drawn anew."""
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
    label, person = real.label, np.load(DATA / "ppg" / "liu2022.npz")["subject"].astype(np.int64)
    fold, there_fold = rhythm.folds(person, label), there.folds(rhythm.FOLDS)
    scale = scale_of(np.load(args.work / "synthetic.npz")["feature"])
    far = unlike(there, there_fold, scale)

    start = network_of(args.work / "pretrained.pt", len(scale.mean))
    ends = {int(k): Both.kept(args.work, f"fold{k}", scale) for k in np.unique(fold)}
    judges: dict[str, dict[int, Judge]] = {
        f"{share:.1f}": {k: network_alone(between(start, end.network, share), scale) for k, end in ends.items()}
        for share in SHARES
    }
    judges["trees"] = {k: trees_alone(end.trees) for k, end in ends.items()}
    judges["both"] = {k: end.logits for k, end in ends.items()}
    print("share | accuracy balanced AUROC spec@.85 PAC PVC sens@spec | elsewhere: AUROC, called AF where the ECG")
    print("looks like AF and where not, not a pulse | the same where pulse and ECG beat alike | AUROC there, far half")

    def line(name: str, told: Told, specificity: float) -> None:
        threshold = float(np.quantile(told.home[label != _AF, _AF], specificity))
        text = at_home(told.home, label, threshold)
        print(f"{name} | {text} | {elsewhere(told, there, far, threshold)}", flush=True)

    rows, logits = {}, {}
    for name, of_fold in judges.items():
        home, away = by_unfitted(of_fold, real, fold), by_unfitted(of_fold, there.windows, there_fold)
        rows[name], logits[name] = by_themselves(home, away, label), (home, away)
        line(name, rows[name], _OF_THEMSELVES)
    home, away = logits["both"]
    in_context = Constants.fitted(home, label, person).judged(away, there.record)
    rows["in context"] = Told(np.exp(cross_fitted(home, label, person, fold)), np.exp(in_context), rows["both"].none)
    for specificity in (_OF_THEMSELVES, SPECIFICITY):
        line(f"in context, specificity {specificity}", rows["in context"], specificity)
    for gained, less, more in (("trees", "1.0", "both"), ("the windows before", "both", "in context")):
        low, middle, high = gain(rows[less].home, rows[more].home, label, person)
        for word, at in (("accuracy", 0), ("AF AUROC", 1)):
            print(f"what {gained} gain of {word}: {middle[at]:.4f} ({low[at]:.4f} to {high[at]:.4f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
