"""Train the rhythm network and the trees beside it: cross-validate, fit, export.

    python tools/train/rhythm.py                                       fit on everybody and write models/rhythm
    python tools/train/rhythm.py --cross-validate --out predictions.csv   every person by a network that never saw them

From ``ppg/liu2022.npz``, ``ppg/cinc2015.npz`` and ``ppg/rr``. One seed, fixed beforehand. Pre-training sees no window
of Liu's people, so one serves every fold. Each fold also leaves out a seventh of the ICU records, so that nothing is
judged on a record whose weak label it was fitted to. Work that is done is kept in ``--work`` and taken up again;
delete it to begin afresh.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import icu_pulses
import rhythm_report
import rhythm_trees
from data_folder import DATA
from rhythm_data import Windows, cached, made, synthetic, varied
from rhythm_fit import Scale, Weak, fit, scale_of
from rhythm_net import CLASSES, RhythmNet
from rhythm_pretrain import Records, pretrained
from rhythm_trees import Both

from edge.dsp.rhythm.features import FEATURES

SEED = 20221
FOLDS = 7
PER_CLASS = 3500
VARIANTS = 2
FINE: dict[str, Any] = {"epochs": 28, "rate": 2e-3, "mixed": 5, "none": 3, "average": 0.998, "mixup": 0.3}
WEAKLY = (2, 1, 3)
"""ICU windows added to a batch of fine-tuning: AF, not AF, not AF though irregular."""


def real_windows(work: Path) -> tuple[list[Windows], NDArray[np.int64]]:
    """Liu's windows and ``VARIANTS`` variants of them, and whose they are."""
    d = np.load(DATA / "ppg" / "liu2022.npz")
    raw, label, person = d["ppg"].astype(np.float64), d["label"].astype(np.int64), d["subject"].astype(np.int64)

    def variant(k: int) -> Windows:
        rng = np.random.default_rng(SEED + k)
        return made(np.stack([varied(x, rng) for x in raw]), label)

    key = str(len(FEATURES))
    found = [cached(work / "real.npz", key, lambda: made(raw, label))]
    found += [cached(work / f"variant{k}.npz", key, lambda k=k: variant(k)) for k in range(1, VARIANTS + 1)]
    return found, person


def folds(person: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold of each window: whole people, dealt so that every fold gets its share of every class."""
    people = np.unique(person)
    counts = np.stack([np.bincount(label[person == p], minlength=6) for p in people]).astype(float)
    weight = counts / counts.sum(axis=0)
    filled = np.zeros((FOLDS, 6))
    size = np.zeros(FOLDS, dtype=int)
    fold_of: dict[int, int] = {}
    for i in np.argsort(-weight.max(axis=1), kind="stable"):
        room = np.flatnonzero(size < int(np.ceil(len(people) / FOLDS)))
        cost = [((filled[f] + weight[i]) ** 2).sum() - (filled[f] ** 2).sum() for f in room]
        best = int(room[int(np.argmin(cost))])
        filled[best] += weight[i]
        size[best] += 1
        fold_of[int(people[i])] = best
    return np.array([fold_of[int(p)] for p in person])


def started(pool: Windows, records: Records, scale: Scale, work: Path) -> RhythmNet:
    """The network before any rhythm label of a real pulse, kept in ``work``."""
    model, path = RhythmNet(len(scale.mean)), work / "pretrained.pt"
    if not path.exists():
        torch.save(pretrained(pool, records, scale=scale, seed=SEED, log=path.stem).state_dict(), path)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def fitted(
    name: str, start: RhythmNet, real: list[Windows], pool: Windows, weak: Weak, scale: Scale, work: Path
) -> Both:
    """``start`` fitted to ``real`` and ``weak``, and trees grown on them, kept under ``name``."""
    path = work / f"{name}.pt"
    if not path.exists():
        model = fit(start, real, pool, scale=scale, seed=SEED, log=name, weak=weak, weakly=WEAKLY, **FINE)
        torch.save(model.state_dict(), path)
    network = rhythm_trees.network_of(path, len(scale.mean))
    trees = work / f"{name}-trees.npz"
    if not trees.exists():
        nothing = pool.take(np.flatnonzero(pool.label == CLASSES - 1))
        grown = rhythm_trees.grown(real[0], nothing, weak, network, scale, seed=SEED)
        trees.write_bytes(grown.as_bytes())
    return Both.kept(work, name, scale)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cross-validate", action="store_true")
    parser.add_argument("--out", type=Path, help="where --cross-validate writes its predictions")
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "rhythm")
    parser.add_argument("--models", type=Path, default=ROOT / "models" / "rhythm")
    parser.add_argument(
        "--only", default="", help="prepare, pretrain, final or the number of a fold: fit this part and stop"
    )
    parser.add_argument("--threads", type=int, default=1, help="of training; another number ends in other weights")
    args = parser.parse_args()
    if args.cross_validate and args.out is None:
        parser.error("--cross-validate needs --out")
    torch.set_num_threads(args.threads)
    began = time.time()
    args.work.mkdir(parents=True, exist_ok=True)
    pool = cached(
        args.work / "synthetic.npz", f"{PER_CLASS}/{SEED}/{len(FEATURES)}", lambda: synthetic(PER_CLASS, SEED)
    )
    real, person = real_windows(args.work)
    icu = icu_pulses.kept(args.work / "icu.npz", SEED)
    records = Records(args.work / "icu_variants.npz", icu, SEED + 9)
    if args.only == "prepare":
        return 0
    scale = scale_of(pool.feature)
    start = started(pool, records, scale, args.work)
    if args.only == "pretrain":
        return 0
    if args.cross_validate:
        fold, icu_fold = folds(person, real[0].label), icu.folds(FOLDS)
        logits = np.zeros((len(fold), 7))
        for k in range(FOLDS):
            if args.only not in ("", str(k)):
                continue
            training = np.flatnonzero(fold != k)
            weak = icu.take(icu_fold != k).weak()
            both = fitted(f"fold{k}", start, [w.take(training) for w in real], pool, weak, scale, args.work)
            test = np.flatnonzero(fold == k)
            logits[test] = both.logits(real[0].take(test))
            print(rhythm_report.line(f"fold {k}", logits[test], real[0].label[test]), flush=True)
        if args.only:
            return 0
        np.savez(args.work / "cross.npz", logits=logits, fold=fold, person=person, label=real[0].label)
        rhythm_report.export_folds(args.work, logits, fold, person, real[0], pool, scale, SEED)
        rhythm_report.write_cross_validation(args.out, fold, args.work)
        figures = rhythm_report.figures_of_variants(args.work, fold, person, real[0], scale)
        (args.work / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        print(json.dumps(figures, indent=1))
    else:
        both = fitted("final", start, real, pool, icu.weak(), scale, args.work)
        if args.only:
            return 0
        rhythm_report.export(both, real[0], pool, args.work, args.models, SEED)
    print(f"{time.time() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
