"""Pre-training with a second task: which ICU windows are of one record. What it is worth, by tower and for two.

    python tools/train/rhythm_alike.py --work W           # four hours of one core; W as that of tools/train/rhythm.py
    python tools/train/rhythm_alike.py --work W --folds 1 2 3 5

A tower learns the classes of synthetic pulses and, beside that, to know another window of a real record, or a variant of
the same one, among those of 31 other records (Chen et al., ICML 2020; a record for a person, as Abbaspourazad et al., ICLR
2024). That takes no rhythm label. Then it is fitted to the folds as ever. Printed with the second task and without it.
"""

from __future__ import annotations

import argparse
import copy
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import icu_pulses
import rhythm
import rhythm_report
from rhythm_data import Windows, cached, synthetic, varied
from rhythm_fit import BATCH, Scale, blend, fit, logits_of, loss_of, scale_of
from rhythm_net import RhythmNet, Tower

from edge.dsp.rhythm_features import FEATURES, prepared

EPOCHS = 10
RECORDS = 32
"""Records of a batch, two windows of each."""
SHARE = 0.3
"""Of the second task in the loss."""
_VARIANTS = 3
_SAME = 0.5  # how often the second window of a record is a variant of the first
_SHARPNESS = 0.1


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


class Records:
    """Pairs of ICU windows of one record, whatever is known of its rhythm."""

    def __init__(self, path: Path, icu: icu_pulses.Foreign, seed: int) -> None:
        if not path.exists():
            rng = np.random.default_rng(seed)
            copies = [[prepared(varied(x.astype(float), rng)) for _ in range(_VARIANTS)] for x in icu.windows.wave]
            np.savez(path, wave=np.array(copies, dtype=np.float32))
        with np.load(path) as d:
            self._waves = np.concatenate([icu.windows.wave[:, None], d["wave"]], axis=1)
        rows = [np.flatnonzero(icu.record == r) for r in np.unique(icu.record)]
        self._rows = [r for r in rows if len(r) > 1]

    def drawn(self, rng: np.random.Generator) -> torch.Tensor:
        """Waves of ``RECORDS`` windows, and then of one more of each record, ``(2 n, 1, 1, 1000)``."""
        first, second = [], []
        for record in rng.choice(len(self._rows), RECORDS, replace=False):
            one, other = rng.choice(self._rows[record], 2, replace=False)
            other = one if rng.random() < _SAME else other
            first.append(self._waves[one, rng.integers(1 + _VARIANTS)])
            second.append(self._waves[other, rng.integers(1, 1 + _VARIANTS)])
        return torch.from_numpy(np.stack(first + second))[:, None, None].contiguous(memory_format=torch.channels_last)


def pretrained(pool: Windows, records: Records | None, scale: Scale, seed: int) -> Tower:
    """A tower after ``EPOCHS`` of synthetic pulses, beside which it learnt to know ``records``; None = without these."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Tower(pool.feature.shape[1]).to(memory_format=torch.channels_last)
    head = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64))
    average = copy.deepcopy(model)
    weights = [*model.parameters(), *head.parameters()]
    steps = EPOCHS * (len(pool) // BATCH)
    optimiser = torch.optim.AdamW(weights, lr=3e-3, weight_decay=0.02, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.2)
    step = 0
    for epoch in range(1, EPOCHS + 1):
        order = rng.permutation(len(pool))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            loss = _of_classes(model, pool.take(order[first : first + BATCH]), scale, rng, mixed=step % 2 == 1)
            if records is not None:
                loss = loss + SHARE * _of_pairs(functional.normalize(head(model.seen(records.drawn(rng))), dim=1))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            cycle.step()
            step += 1
            blend(average, model, min(0.995, step / (step + 19)))
        print(f"epoch {epoch} of {EPOCHS}", flush=True)
    return average.eval()


def _of_classes(model: Tower, part: Windows, scale: Scale, rng: np.random.Generator, *, mixed: bool) -> torch.Tensor:
    wave, feature = torch.from_numpy(part.wave)[:, None, None], torch.from_numpy(scale(part.feature))
    label, share, other = torch.from_numpy(part.label), 1.0, torch.arange(len(part))
    if mixed:
        share, other = float(rng.beta(0.2, 0.2)), torch.from_numpy(rng.permutation(len(part)))
        wave, feature = share * wave + (1 - share) * wave[other], share * feature + (1 - share) * feature[other]
    logits = model(wave.contiguous(memory_format=torch.channels_last), feature)
    return share * loss_of(logits, label) + (1 - share) * loss_of(logits, label[other])


def _of_pairs(z: torch.Tensor) -> torch.Tensor:
    """How badly each row of ``z (2 n, m)`` knows its other one among all."""
    alike = z @ z.T / _SHARPNESS
    alike.fill_diagonal_(-1e9)
    return functional.cross_entropy(alike, torch.arange(len(z)).roll(len(z) // 2))


def cross_validated(name: str, beside: Records | None, data: Data, folds: list[int]) -> None:
    """Print the figures of a tower of each seed, and of all as one network, over ``folds``."""
    starts = [pretrained(data.pool, beside, data.scale, seed) for seed in rhythm.SEEDS]
    told: dict[str, list[NDArray[np.float64]]] = {}
    for k in folds:
        training, test = np.flatnonzero(data.fold != k), np.flatnonzero(data.fold == k)
        towers = []
        for seed, start in zip(rhythm.SEEDS, starts, strict=True):
            tower = fit(
                start, [w.take(training) for w in data.real], data.pool, scale=data.scale, seed=seed, log=f"{name} {k}",
                weak=data.icu.take(data.icu_fold != k).weak(), weakly=rhythm.WEAKLY, **rhythm.FINE,
            )  # fmt: skip
            towers.append(logits_of(alone(tower), data.real[0].take(test), data.scale))
            told.setdefault(f"tower {seed}", []).append(towers[-1])
        told.setdefault("all towers", []).append(np.mean(towers, axis=0))
        for who, logits in told.items():
            print(rhythm_report.line(f"{name}, fold {k}, {who}", logits[-1], data.real[0].label[test]), flush=True)
    label = np.concatenate([data.real[0].label[data.fold == k] for k in folds])
    for who, logits in told.items():
        print(rhythm_report.line(f"{name}, {who}", np.concatenate(logits), label), flush=True)


def alone(tower: Tower) -> RhythmNet:
    """A network of one tower."""
    net = RhythmNet(tower.beside[0].in_features)
    net.towers = nn.ModuleList([tower])
    return net.eval()


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
