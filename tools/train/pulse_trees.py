#!/usr/bin/env python3
"""Grow the trees that say how likely a rate at rest is right where the network of ``pulse.py`` has a say; cross-validate.

    python tools/train/pulse_trees.py --out windows.csv    # figures of every kind of file, and trees.npz in --work

The windows and folds of ``pulse_rule.py``, each also with gaps, an arm that moves (``pulse_moving.py``), and the waves of
``pulse_foreign.py``; the network that reads a window never saw its record, and neither did the trees that judge it. Trees
may only be surer of a rate for more belief in it, for more beats alike and for more trust in the beats, and less sure for
more belief elsewhere or in none.
They are grown on what the int8 file says in ONNX Runtime, and judge what the others say as well.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import pulse_foreign
import pulse_irregular
import pulse_moving
import pulse_rule
from data_folder import DATA
from pulse_gaps import GAPS, dropped
from pulse_rule import LEAST_S, SPAN_S
from tree_tables import laid_out
from variants import VARIANTS

from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.rest import rule as rest_rule
from edge.dsp.rest.counts import FIGURES_BY_BELIEF
from edge.dsp.rest.rate import choose
from edge.types import Window

DEPTH = 3
GROWTH = {"max_iter": 120, "learning_rate": 0.06, "l2_regularization": 5.0}
FOREIGN = {
    "movement": 300, "noise": 600, "tones": 300, "lamps": 100, "extreme hearts": 200, "irregular hearts": 400,
    pulse_foreign.EVEN: 400,
}  # fmt: skip
FAR_BPM = 10.0
GAPPED = 0.3
"""What a window with gaps weighs, beside the same as it was."""
TONES = 0.5
"""What a steady tone weighs: some rise as a heart's wave that a pacemaker drives, which is not to lose its rate."""
MOVING = 0.2
"""What a window of an arm that moves weighs: they overlap by all but 2 s, and the program is for pulses at rest."""
LATE, GAP_S, EVERY_S = 0.4, (0.2, 1.4), (5.5, 9.0)
"""How many of these begin late; and of the others what is lost, of every so many seconds."""
ONLY_MORE, ONLY_LESS = ("alike", "trust_logit", "believed"), ("elsewhere", "nowhere")


def networks(work: Path, variant: str):
    """What reads the windows of each fold: the network fitted without them."""
    from quantize import LitertRunner, OnnxRunner

    runner = OnnxRunner if variant.startswith("onnx") else LitertRunner
    made = [runner((work / f"fold_{k}.{variant}").read_bytes()) for k in range(pulse_rule.FOLDS)]
    return [lambda x, run=run: np.asarray(run(x)[0]) for run in made]


def varied(window: Window, rng) -> Window:
    """The window as it is from a sensor that came late, or by a radio that drops now and then."""
    if rng.random() < LATE:
        return dropped(window, rng.uniform(0.5, SPAN_S - LEAST_S - 0.1), SPAN_S, 0.0)
    every_s = rng.uniform(*EVERY_S)
    return dropped(window, rng.uniform(*GAP_S), every_s, rng.uniform(0.0, every_s))


def lost(gap_s: float, every_s: float):
    """What a radio does that drops so much of every so many seconds."""
    return lambda window, rng: dropped(window, gap_s, every_s, rng.uniform(0.0, every_s))


def collect(path: Path, readers, change=lambda window, _: window):
    """``(fold, record, end, truth, counts)`` of every window that counts; change: what is done to it before, by chance."""
    windows = list(pulse_rule.windows(path))
    fold = pulse_rule.folds(np.array([w[0] for w in windows]))
    chances = (np.random.default_rng([pulse_rule.SEED, n]) for n in range(len(windows)))
    rows = zip(fold.tolist(), windows, chances, strict=True)
    return [(k, i, end, truth, pulse_rule.counted(change(w, rng), readers[k])) for k, (i, end, truth, w), rng in rows]


def collect_foreign(readers, seed: int):
    """``(kind, fold, truth, counts)`` of the waves of ``pulse_foreign``."""
    return [
        (kind, k % pulse_rule.FOLDS, bpm, pulse_rule.counted(w, readers[k % pulse_rule.FOLDS]))
        for kind, count in FOREIGN.items()
        for k, (bpm, w) in enumerate(pulse_foreign.windows(kind, count, seed))
    ]


def collect_irregular(path: Path, readers):
    """``(fold, alike, truth, counts)`` of the windows of ``pulse_irregular``."""
    found = list(pulse_irregular.windows(path))
    with np.load(path, allow_pickle=False) as file:
        fold = pulse_rule.folds(np.arange(len(file["pleth"])))
    return [(int(fold[i]), alike, bpm, pulse_rule.counted(w, readers[fold[i]])) for i, alike, bpm, w in found]


def collect_moving(folder: Path, readers):
    """``(fold, truth, counts)`` of the windows of ``pulse_moving``; whole recordings."""
    at = ((i % pulse_rule.FOLDS, bpm, w) for i, bpm, w in pulse_moving.windows(folder))
    return [(k, bpm, pulse_rule.counted(w, readers[k])) for k, bpm, w in at]


def examples(found, gapped, foreign, irregular, moving):
    """Figures of every count, whether it is right, its fold and its weight."""
    rows, right, at, weight = [], [], [], []
    groups = [(1.0, k, truth, counts) for k, _, _, truth, counts in found]
    groups += [(GAPPED, k, truth, counts) for k, _, _, truth, counts in gapped]
    groups += [(TONES if kind == "tones" else 1.0, k, truth, counts) for kind, k, truth, counts in foreign]
    sure = pulse_irregular.SURELY_ALIKE
    groups += [(1.0, k, truth, counts) for k, alike, truth, counts in irregular if alike >= sure]
    groups += [(MOVING, k, truth, counts) for k, truth, counts in moving]
    for much, fold, truth, counts in groups:
        for bpm, figures, _ in counts.candidates if counts else ():
            rows.append(figures)
            right.append(abs(bpm - truth) <= pulse_rule.RIGHT_BPM)
            at.append(fold)
            weight.append(much)
    return np.array(rows), np.array(right), np.array(at), np.array(weight)


def grown(rows, right, weight) -> BoostedTrees:
    from sklearn.ensemble import HistGradientBoostingClassifier

    direction = [(name in ONLY_MORE) - (name in ONLY_LESS) for name in FIGURES_BY_BELIEF]
    forest = HistGradientBoostingClassifier(
        **GROWTH, max_depth=DEPTH, monotonic_cst=direction, random_state=pulse_rule.SEED
    )
    forest.fit(rows, right, sample_weight=weight)
    trees = [tree.nodes for stage in forest._predictors for tree in stage]
    return laid_out(trees, np.ravel(forest._baseline_prediction), DEPTH)


def quality_of(counts, rule: rest_rule.Rule):
    """``(bpm, quality)`` as the program says them."""
    if counts is None:
        return float("nan"), 0.0
    best = choose(counts, rule)
    return best.bpm, best.quality


def at_enough(answers) -> str:
    """What is said and how right it is, from the likelihood on from which the program says it."""
    return list(pulse_rule.lines(answers))[pulse_rule.LIMITS.index(rest_rule.ENOUGH_BY_TREES)]


def silence(told, rule: rest_rule.Rule) -> str:
    """Of ``(truth, bpm, quality)`` by ``rule``: how often a rate is said, a wrong one, and one far off."""
    said = np.array([quality >= rule.enough for *_, quality in told])
    off, far = (
        np.array([not abs(bpm - truth) <= most for truth, bpm, _ in told]) for most in (pulse_rule.RIGHT_BPM, FAR_BPM)
    )
    return f"said {said.mean():.3f}, wrong {(said & off).mean():.3f}, over {FAR_BPM:g} bpm {(said & far).mean():.3f}"


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
    readers = networks(options.work, VARIANTS[0])
    found, gapped = collect(path, readers), collect(path, readers, varied)
    spc = options.data / "pulse" / "spc2015"
    irregular, moving = collect_irregular(path, readers), collect_moving(spc, readers)
    foreign = collect_foreign(readers, pulse_rule.SEED)
    *table, at, weight = examples(found, gapped, foreign, irregular, moving)
    learned = [*table, weight]
    by_fold = [rest_rule.by_trees(grown(*(x[at != k] for x in learned))) for k in range(pulse_rule.FOLDS)]
    answers = judged(found, by_fold)
    print(f"{len(answers)} windows of {len({a[0] for a in answers})} records")
    for line in pulse_rule.lines(answers):
        print(line)
    worst = pulse_rule.worst_record(answers, rest_rule.ENOUGH_BY_TREES)
    others = [a for a in answers if a[0] != worst]
    surest, without = pulse_rule.surest(answers), pulse_rule.surest(others)
    print(
        f"surest share with {pulse_rule.RIGHT_SHARE:g} within 5 bpm: {surest:.3f}; without record {worst}: {without:.3f}"
    )
    print(f"late or with gaps: {at_enough(judged(gapped, by_fold))}")
    for gap_s, every_s in GAPS[1:]:
        said = at_enough(judged(collect(path, readers, lost(gap_s, every_s)), by_fold))
        print(f"{gap_s:g} s of {every_s:g}: {said}")
    alone = [None] * pulse_rule.FOLDS, [rest_rule.COUNTED] * pulse_rule.FOLDS
    for ways, (read, rules) in (("counts alone", alone), ("network", (readers, by_fold))):
        others = collect_foreign(read, pulse_rule.SEED + 1)
        for kind in FOREIGN:
            told = [(truth, *quality_of(c, rules[k])) for name, k, truth, c in others if name == kind]
            print(f"{ways}, of {len(told)} {kind}: {silence(told, rules[0])}")
        seen = irregular if read is readers else collect_irregular(path, read)
        for least in (pulse_irregular.ALIKE, pulse_irregular.SURELY_ALIKE):
            told = [(truth, *quality_of(c, rules[k])) for k, alike, truth, c in seen if alike >= least]
            print(f"{ways}, of {len(told)} irregular of the ICU alike from {least:g}: {silence(told, rules[0])}")
        arm = moving if read is readers else collect_moving(spc, read)
        told = [(truth, *quality_of(c, rules[k])) for k, truth, c in arm]
        print(f"{ways}, of {len(told)} of an arm that moves: {silence(told, rules[0])}")
    (options.work / "trees.npz").write_bytes(grown(*learned).as_bytes())
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["record", "t", "reference", "bpm", "quality"], *answers])
    for variant in VARIANTS:
        said = answers if variant == VARIANTS[0] else judged(collect(path, networks(options.work, variant)), by_fold)
        print(f"{variant}: {at_enough(said)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
