#!/usr/bin/env python3
"""Grow the trees that say how likely a rate at rest is right where the network of ``pulse.py`` has a say; cross-validate.

    python tools/train/pulse_trees.py --out windows.csv    # figures of every kind of file, and trees.npz in --work

The windows, folds and movement of ``pulse_rule.py``; the network that reads a window never saw its record, and neither
did the trees that judge it. Trees may only be surer of a rate for more belief in it, for more beats alike and for more
trust in the beats, and less sure for more belief elsewhere or in none. They are grown on what the int8 file says in ONNX
Runtime, and judge what the others say as well.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import pulse_rule
from data_folder import DATA
from tree_tables import laid_out

from edge.dsp import rest_belief, rest_rule
from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.rest_rate import choose

VARIANTS = ("onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32")
DEPTH = 3
GROWTH = {"max_iter": 120, "learning_rate": 0.06, "l2_regularization": 5.0}
FIGURES = (*rest_rule.FIGURES, *rest_belief.FIGURES)
ONLY_MORE, ONLY_LESS = ("alike", "trust_logit", "believed"), ("elsewhere", "nowhere")


def networks(work: Path, variant: str):
    """What reads the windows of each fold: the network fitted without them."""
    from quantize import LitertRunner, OnnxRunner

    runner = OnnxRunner if variant.startswith("onnx") else LitertRunner
    made = [runner((work / f"fold_{k}.{variant}").read_bytes()) for k in range(pulse_rule.FOLDS)]
    return [lambda x, run=run: np.asarray(run(x)[0]) for run in made]


def collect(path: Path, readers):
    """``(fold, record, end, truth, counts)`` of every window that counts, and ``(fold, counts)`` of movement."""
    windows = list(pulse_rule.windows(path))
    fold = pulse_rule.folds(np.array([w[0] for w in windows]))
    found = [(int(k), i, end, truth, pulse_rule.counted(w, readers[k])) for k, (i, end, truth, w) in zip(fold, windows, strict=True)]  # fmt: skip
    dead = enumerate(pulse_rule.dead_windows())
    return found, [(k % pulse_rule.FOLDS, pulse_rule.counted(w, readers[k % pulse_rule.FOLDS])) for k, w in dead]


def examples(found, dead):
    """Figures of every count, whether it is right, and its fold; those of windows the network could not read are left
    out."""
    rows, right, at = [], [], []
    for fold, truth, counts in (*((f[0], f[3], f[4]) for f in found), *((k, None, c) for k, c in dead)):
        for bpm, figures in counts.candidates if counts else ():
            if len(figures) == len(FIGURES):
                rows.append(figures)
                right.append(truth is not None and abs(bpm - truth) <= pulse_rule.RIGHT_BPM)
                at.append(fold)
    return np.array(rows), np.array(right), np.array(at)


def grown(rows, right) -> BoostedTrees:
    from sklearn.ensemble import HistGradientBoostingClassifier

    direction = [(name in ONLY_MORE) - (name in ONLY_LESS) for name in FIGURES]
    forest = HistGradientBoostingClassifier(
        **GROWTH, max_depth=DEPTH, monotonic_cst=direction, random_state=pulse_rule.SEED
    )
    forest.fit(rows, right)
    trees = [tree.nodes for stage in forest._predictors for tree in stage]
    return laid_out(trees, np.ravel(forest._baseline_prediction), DEPTH)


def quality_of(counts, trees: BoostedTrees):
    """``(bpm, quality)`` as the program says them."""
    if counts is None:
        return float("nan"), 0.0
    learned = all(len(figures) == len(FIGURES) for _, figures in counts.candidates)
    best = choose(counts, rest_rule.by_trees(trees) if learned else rest_rule.COUNTED)
    return best.bpm, best.quality


def judged(found, by_fold):
    """``(record, end, truth, bpm, quality)`` of every window, by the trees of the other folds."""
    return [(i, end, truth, *quality_of(counts, by_fold[k])) for k, i, end, truth, counts in found]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument(
        "--work", type=Path, default=ROOT / ".cache" / "pulse", help="where pulse.py keeps its networks"
    )
    arguments.add_argument("--out", type=Path, help="CSV of every window by the folds that never saw its record")
    options = arguments.parse_args()
    path = options.data / "ppg" / "cinc2015.npz"
    found, dead = collect(path, networks(options.work, VARIANTS[0]))
    rows, right, at = examples(found, dead)
    by_fold = [grown(rows[at != k], right[at != k]) for k in range(pulse_rule.FOLDS)]
    answers = judged(found, by_fold)
    print(f"{len(answers)} windows of {len({a[0] for a in answers})} records")
    for line in pulse_rule.lines(answers):
        print(line)
    said = np.mean([quality_of(counts, by_fold[k])[1] >= rest_rule.ENOUGH for k, counts in dead])
    print(f"of {len(dead)} windows of movement a rate is said in {said:.3f}")
    (options.work / "trees.npz").write_bytes(grown(rows, right).as_bytes())
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["record", "t", "reference", "bpm", "quality"], *answers])
    for variant in VARIANTS:
        said = answers if variant == VARIANTS[0] else judged(collect(path, networks(options.work, variant))[0], by_fold)
        words = list(pulse_rule.lines(said))[pulse_rule.LIMITS.index(rest_rule.ENOUGH)]
        print(f"{variant}: {words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
