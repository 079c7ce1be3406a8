"""Pre-training with a second task: which ICU windows are of one record. What it is worth, for one tower.

    python tools/train/rhythm_alike.py --work W           # an hour of one core; W as that of tools/train/rhythm.py

A tower learns the classes of synthetic pulses and, beside that, to know another window of a real record, or a variant of
the same one, among those of 31 other records (Chen et al., ICML 2020; a record for a person, as Abbaspourazad et al., ICLR
2024). That takes no rhythm label. Then it is fitted to the folds as ever. Printed with the second task and without it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import icu_pulses
import rhythm
import rhythm_report
from rhythm_data import cached, synthetic
from rhythm_fit import fit, logits_of, scale_of
from rhythm_pretrain import Records, pretrained

from edge.dsp.rhythm_features import FEATURES

_HARD_FOLDS = (1, 2, 3, 5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "rhythm")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    key = f"{rhythm.PER_CLASS}/{rhythm.SEED}/{len(FEATURES)}"
    pool = cached(args.work / "synthetic.npz", key, lambda: synthetic(rhythm.PER_CLASS, rhythm.SEED))
    real, person = rhythm.real_windows(args.work)
    icu = icu_pulses.kept(args.work / "icu.npz", rhythm.SEED)
    scale = scale_of(pool.feature)
    fold, icu_fold = rhythm.folds(person, real[0].label), icu.folds(rhythm.FOLDS)
    records = Records(args.work / "icu_variants.npz", icu, rhythm.SEED)
    for name, beside in (("with", records), ("without", None)):
        start = pretrained(pool, beside, scale=scale, seed=rhythm.SEED, log=f"{name} pairs")
        told: list[tuple[NDArray[np.float64], NDArray[np.int64]]] = []
        for k in _HARD_FOLDS:
            training, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            tower = fit(
                start, [w.take(training) for w in real], pool, scale=scale, seed=rhythm.SEED, log=f"{name} {k}",
                weak=icu.take(icu_fold != k).weak(), weakly=rhythm.WEAKLY, **rhythm.FINE,
            )  # fmt: skip
            told.append((logits_of(tower, real[0].take(test), scale), real[0].label[test]))
            print(rhythm_report.line(f"{name}, fold {k}", *told[-1]), flush=True)
        logits, label = (np.concatenate(part) for part in zip(*told, strict=True))
        print(rhythm_report.line(f"{name}, all four", logits, label), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
