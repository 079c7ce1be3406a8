"""What boosted trees over the features alone would add to the rhythm network, at home and on ICU pulses.

    python tools/train/rhythm_trees.py --work WORK     after tools/train/rhythm.py --cross-validate --work WORK

Trees of each fold are grown on the features of the people (and of their variants) that its network was fitted to, and
``SHARE`` of their logits taken. The gain's interval is that of people drawn anew, the same for both. Not shipped: trees are
neither int8 nor in either runtime. Two minutes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import icu_pulses
import rhythm
from rhythm_fit import logits_of, scale_of
from rhythm_general import at_home
from rhythm_net import CLASSES, RhythmNet
from rhythm_report import probabilities
from roc import auroc

Floats = NDArray[np.float64]

SHARE = 0.3
_TREES = {"max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 15, "l2_regularization": 1.0, "max_features": 0.5}
_LEAST = 1e-6
_DRAWS = 400
_AF, _NONE = 5, CLASSES - 1


def blended(network: Floats, trees: Floats) -> Floats:
    """Logits of both; "not a pulse" is the network's alone."""
    mixed = (1.0 - SHARE) * network[:, :_NONE] + SHARE * trees
    return np.column_stack([mixed, network[:, _NONE]])


def gain(one: Floats, other: Floats, label: NDArray[np.int64], person: NDArray[np.int64], seed: int) -> Floats:
    """What ``other`` has more than ``one`` of accuracy and AF AUROC: 2.5 %, median and 97.5 % over people drawn anew."""
    before, after = probabilities(one, 1.0), probabilities(other, 1.0)
    rows = [np.flatnonzero(person == p) for p in np.unique(person)]
    rng = np.random.default_rng(seed)
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
    real, person = rhythm.real_windows(args.work)
    label, fold = real[0].label, rhythm.folds(person, real[0].label)
    there = icu_pulses.kept(args.work / "icu.npz", rhythm.SEED)
    icu_fold = there.folds(rhythm.FOLDS)
    with np.load(args.work / "synthetic.npz") as pool:
        scale = scale_of(pool["feature"])
    network, trees = np.zeros((len(label), CLASSES)), np.zeros((len(label), _NONE))
    icu_network, icu_trees = np.zeros((len(icu_fold), CLASSES)), np.zeros((len(icu_fold), _NONE))
    for k in range(rhythm.FOLDS):
        model = RhythmNet(real[0].feature.shape[1])
        model.load_state_dict(torch.load(args.work / f"fold{k}.pt", weights_only=True))
        model.eval()
        training, mine, theirs = np.flatnonzero(fold != k), np.flatnonzero(fold == k), np.flatnonzero(icu_fold == k)
        forest = HistGradientBoostingClassifier(**_TREES, random_state=0)
        forest.fit(np.concatenate([w.feature[training] for w in real]), np.tile(label[training], len(real)))
        network[mine] = logits_of(model, real[0].take(mine), scale)
        icu_network[theirs] = logits_of(model, there.windows.take(theirs), scale)
        trees[mine] = np.log(forest.predict_proba(real[0].feature[mine]) + _LEAST)
        icu_trees[theirs] = np.log(forest.predict_proba(there.windows.feature[theirs]) + _LEAST)
        print(f"fold {k}", flush=True)
    sure = (there.looks_af | there.looks_other) & (there.alike >= icu_pulses.ALIKE)
    print("accuracy balanced AUROC spec@.85 PAC PVC sens@spec.94 | ICU, pulse and ECG beat alike: AUROC")
    both, icu_both = blended(network, trees), blended(icu_network, icu_trees)
    alone, icu_alone = (np.column_stack([x, np.full(len(x), np.log(_LEAST))]) for x in (trees, icu_trees))
    for name, home, away in (
        ("network", network, icu_network), ("trees", alone, icu_alone), ("both", both, icu_both),
    ):  # fmt: skip
        ranks = auroc(probabilities(away, 1.0)[sure, _AF], there.looks_af[sure])
        print(f"{name}: {at_home(home, label)[0]} | {ranks:.4f}")
    low, middle, high = gain(network, both, label, person, rhythm.SEED)
    for word, at in (("accuracy", 0), ("AF AUROC", 1)):
        print(f"gain of {word}: {middle[at]:.4f} ({low[at]:.4f} to {high[at]:.4f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
