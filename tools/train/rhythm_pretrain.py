"""Pre-training of the rhythm network: the classes of synthetic pulses and, beside them, which ICU windows are of one record.

The second task takes no rhythm label: it learns to know another window of a real record, or a variant of the same
one, among those of 31 other records (Chen et al., ICML 2020; a record for a person, as Abbaspourazad et al., ICLR 2024).
``tools/train/rhythm_alike.py`` measures what it is worth.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path

import icu_pulses
import numpy as np
import torch
from rhythm_data import Windows, varied
from rhythm_fit import BATCH, Scale, blend, loss_of
from rhythm_net import RhythmNet
from torch import nn
from torch.nn import functional

from edge.dsp.rhythm.features import prepared

EPOCHS = 10
RECORDS = 32
"""Records of a batch, two windows of each."""
SHARE = 0.3
"""Of the second task in the loss."""
_VARIANTS = 3
_SAME = 0.5  # how often the second window of a record is a variant of the first
_SHARPNESS = 0.1
_RATE = 3e-3
_MIXUP = 0.2
_AVERAGE = 0.995


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


def pretrained(pool: Windows, records: Records | None, *, scale: Scale, seed: int, log: str) -> RhythmNet:
    """A network after ``EPOCHS`` of synthetic pulses, beside which it learnt to know ``records``; None = without these."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = RhythmNet(len(scale.mean)).to(memory_format=torch.channels_last)
    head = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64))
    average = copy.deepcopy(model)
    weights = [*model.parameters(), *head.parameters()]
    steps = EPOCHS * (len(pool) // BATCH)
    optimiser = torch.optim.AdamW(weights, lr=_RATE, weight_decay=0.02, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.2)
    began, step = time.time(), 0
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
            blend(average, model, min(_AVERAGE, step / (step + 19)))
        print(f"{log}: epoch {epoch} of {EPOCHS}, {time.time() - began:.0f} s", flush=True)
    return average.eval()


def _of_classes(
    model: RhythmNet, part: Windows, scale: Scale, rng: np.random.Generator, *, mixed: bool
) -> torch.Tensor:
    wave, feature = torch.from_numpy(part.wave)[:, None, None], torch.from_numpy(scale(part.feature))
    label, share, other = torch.from_numpy(part.label), 1.0, torch.arange(len(part))
    if mixed:
        share, other = float(rng.beta(_MIXUP, _MIXUP)), torch.from_numpy(rng.permutation(len(part)))
        wave, feature = share * wave + (1 - share) * wave[other], share * feature + (1 - share) * feature[other]
    logits = model(wave.contiguous(memory_format=torch.channels_last), feature)
    return share * loss_of(logits, label) + (1 - share) * loss_of(logits, label[other])


def _of_pairs(z: torch.Tensor) -> torch.Tensor:
    """How badly each row of ``z (2 n, m)`` knows its other one among all."""
    alike = z @ z.T / _SHARPNESS
    alike.fill_diagonal_(-1e9)
    return functional.cross_entropy(alike, torch.arange(len(z)).roll(len(z) // 2))
