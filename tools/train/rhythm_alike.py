"""What the second task of pre-training is worth (``rhythm_pretrain``): cross-validated figures with it and without it.

    python tools/train/rhythm_alike.py --work W           # two hours of one core; W as that of tools/train/rhythm.py
    python tools/train/rhythm_alike.py --work W --folds 1 2 3 5

Of the network alone, without trees.
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

import icu_pulses
import rhythm
import rhythm_report
from rhythm_data import Windows, cached, synthetic
from rhythm_fit import Scale, fit, logits_of, scale_of
from rhythm_pretrain import Records, pretrained

from edge.dsp.rhythm.features import FEATURES


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What ``tools/train/rhythm.py`` prepares: real windows and variants with their folds, synthetic and ICU ones."""

    real: list[Windows]
    fold: NDArray[np.int64]
    pool: Windows
    scale: Scale
    icu: icu_pulses.Foreign
    icu_fold: NDArray[np.int64]

    @classmethod
    def prepared(cls, work: Path) -> Data:
        key = f"{rhythm.PER_CLASS}/{rhythm.SEED}/{len(FEATURES)}"
        pool = cached(work / "synthetic.npz", key, lambda: synthetic(rhythm.PER_CLASS, rhythm.SEED))
        real, person = rhythm.real_windows(work)
        icu = icu_pulses.kept(work / "icu.npz", rhythm.SEED)
        fold = rhythm.folds(person, real[0].label)
        return cls(real, fold, pool, scale_of(pool.feature), icu, icu.folds(rhythm.FOLDS))


def cross_validated(name: str, beside: Records | None, data: Data, folds: list[int]) -> None:
    """Print the figures of the network, without trees, over ``folds``."""
    start = pretrained(data.pool, beside, scale=data.scale, seed=rhythm.SEED, log=name)
    told: list[NDArray[np.float64]] = []
    label = [data.real[0].label[data.fold == k] for k in folds]
    for k, truth in zip(folds, label, strict=True):
        training, test = np.flatnonzero(data.fold != k), np.flatnonzero(data.fold == k)
        network = fit(
            start, [w.take(training) for w in data.real], data.pool, scale=data.scale, seed=rhythm.SEED,
            log=f"{name} {k}", weak=data.icu.take(data.icu_fold != k).weak(), weakly=rhythm.WEAKLY, **rhythm.FINE,
        )  # fmt: skip
        told.append(logits_of(network, data.real[0].take(test), data.scale))
        print(rhythm_report.line(f"{name}, fold {k}", told[-1], truth), flush=True)
    print(rhythm_report.line(name, np.concatenate(told), np.concatenate(label)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "rhythm")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(rhythm.FOLDS)))
    parser.add_argument("--variants", type=int, default=rhythm.SEED, help="seed of the windows' variants")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    data = Data.prepared(args.work)
    records = Records(args.work / f"icu_variants{args.variants}.npz", data.icu, args.variants)
    for name, beside in (("with", records), ("without", None)):
        cross_validated(name, beside, data, args.folds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
