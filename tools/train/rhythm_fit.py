"""Fitting the rhythm network to real windows, with synthetic and weakly labelled ones mixed in."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rhythm_data import Windows
from rhythm_net import CLASSES, RhythmNet
from torch import nn
from torch.nn import functional

from edge.dsp.rhythm.features import TOLD

BATCH = 64
_SMOOTHING = 0.05
_SYNTHETIC_SHARES = (0.25, 0.2, 0.2, 0.03, 0.04, 0.28)
"""Of the synthetic pulses mixed into fine-tuning: which classes. Drawn tachycardias are the least like real ones."""
NOT_AF = -1
"""Label of a window of which no more is known than that it is a pulse and not atrial fibrillation."""
_NEITHER = slice(0, CLASSES - 2)  # all classes but AF and "not a pulse"


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """How raw features become inputs: those that the network is told, their centre, spread, and a limit of 4."""

    mean: NDArray[np.float32]
    sd: NDArray[np.float32]

    def __call__(self, feature: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.clip((feature[..., : len(self.mean)] - self.mean) / self.sd, -4, 4).astype(np.float32)


def scale_of(feature: NDArray[np.float32]) -> Scale:
    told = feature[:, : len(TOLD)]
    return Scale(told.mean(axis=0), np.maximum(told.std(axis=0), 1e-3))


@dataclass(frozen=True, slots=True, eq=False)
class Weak:
    """Windows labelled AF or ``NOT_AF`` by what stood beside the pulse; ``groups`` of them: rows of each record."""

    windows: Windows
    groups: tuple[list[NDArray[np.int64]], ...]

    def drawn(self, counts: tuple[int, ...], rng: np.random.Generator) -> Windows:
        """``counts`` windows of each group, a record first and then a window of it: no record weighs more."""
        rows = [
            int(rng.choice(group[rng.integers(len(group))]))
            for group, count in zip(self.groups, counts, strict=True)
            for _ in range(count)
        ]
        return self.windows.take(np.array(rows))


class _Draw:
    """Rows of real windows, their variants, synthetic pulses and what is not a pulse, in fixed shares of a batch."""

    def __init__(
        self,
        real: list[Windows],
        synthetic: Windows,
        mixed: int,
        none: int,
        weak: Weak | None,
        counts: tuple[int, ...],
        scale: Scale,
        seed: int,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._real, self._synthetic = real, synthetic
        self._weak, self._counts = weak, counts
        self._mixed, self._none = mixed, none
        self._scale = scale
        self._by_class = [np.flatnonzero(synthetic.label == c) for c in range(CLASSES)]

    def __call__(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rng = self._rng
        copy_ = np.where(rng.random(len(rows)) < 0.5, 0, 1 + rng.integers(0, max(1, len(self._real) - 1), len(rows)))
        copy_ = np.minimum(copy_, len(self._real) - 1)
        parts = [self._real[c].take(rows[copy_ == c]) for c in range(len(self._real))]
        picked = rng.choice(CLASSES - 1, self._mixed, p=np.array(_SYNTHETIC_SHARES) / sum(_SYNTHETIC_SHARES))
        classes = np.concatenate([picked, np.full(self._none, CLASSES - 1)])
        if len(classes):
            parts.append(self._synthetic.take(np.array([rng.choice(self._by_class[c]) for c in classes])))
        if self._weak is not None:
            parts.append(self._weak.drawn(self._counts, rng))
        wave = np.concatenate([p.wave for p in parts])
        feature = self._scale(np.concatenate([p.feature for p in parts]))
        label = np.concatenate([p.label for p in parts])
        return torch.from_numpy(wave)[:, None, None], torch.from_numpy(feature), torch.from_numpy(label)


def _orders(n: int, size: int, epochs: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    for _ in range(epochs):
        order = rng.permutation(n)
        yield from (order[i : i + size] for i in range(0, n - size + 1, size))


def fit(
    start: RhythmNet,
    real: list[Windows],
    synthetic: Windows,
    *,
    mixed: int,
    none: int,
    epochs: int,
    rate: float,
    average: float,
    mixup: float,
    scale: Scale,
    seed: int,
    log: str,
    weak: Weak | None = None,
    weakly: tuple[int, ...] = (),
) -> RhythmNet:
    """A copy of ``start`` fitted for ``epochs`` over ``real[0]``; the average of its weights.

    real: the same rows as windows and variants of them. mixed, none: synthetic pulses and not-a-pulse per batch of 64.
    average: how much of the averaged weights stays at each step. mixup: the Beta distribution's parameter, on every
    second batch. weakly: windows of each group of ``weak`` that are added to a batch.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = copy.deepcopy(start).to(memory_format=torch.channels_last)
    mean_model = copy.deepcopy(model)
    size = BATCH - mixed - none
    steps = epochs * (len(real[0]) // size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.2)
    draw = _Draw(real, synthetic, mixed, none, weak, weakly, scale, seed)
    began, total = time.time(), 0.0
    model.train()
    for step, rows in enumerate(_orders(len(real[0]), size, epochs, rng)):
        wave, feature, label = draw(rows)
        share, other = 1.0, torch.arange(len(label))
        if step % 2:
            share = float(rng.beta(mixup, mixup))
            other = torch.from_numpy(rng.permutation(len(label)))
            wave = share * wave + (1 - share) * wave[other]
            feature = share * feature + (1 - share) * feature[other]
        logits = model(wave.contiguous(memory_format=torch.channels_last), feature)
        loss = share * loss_of(logits, label)
        if share < 1.0:
            loss = loss + (1 - share) * loss_of(logits, label[other])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        cycle.step()
        blend(mean_model, model, min(average, (step + 1) / (step + 20)))
        total += loss.item()
        if (step + 1) % max(1, steps // 5) == 0:
            mean = total / max(1, steps // 5)
            print(f"{log}: step {step + 1} of {steps}, loss {mean:.3f}, {time.time() - began:.0f} s", flush=True)
            total = 0.0
    return mean_model.eval()


def loss_of(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Cross-entropy; of ``NOT_AF`` the share of the five classes it may be."""
    told = functional.cross_entropy(logits, label, label_smoothing=_SMOOTHING, ignore_index=NOT_AF, reduction="none")
    one_of = -torch.logsumexp(torch.log_softmax(logits, dim=1)[:, _NEITHER], dim=1)
    return torch.where(label == NOT_AF, one_of, told).mean()


def blend(average: nn.Module, model: nn.Module, keep: float) -> None:
    mine, theirs = list(average.state_dict().values()), list(model.state_dict().values())
    real = [i for i, x in enumerate(mine) if x.dtype.is_floating_point]
    torch._foreach_lerp_([mine[i] for i in real], [theirs[i] for i in real], 1 - keep)
    for i, x in enumerate(mine):
        if not x.dtype.is_floating_point:
            x.copy_(theirs[i])


def between(start: RhythmNet, end: RhythmNet, share: float) -> RhythmNet:
    """The network ``share`` of the way from ``start`` to ``end``, all weights and statistics of norms.

    Wortsman et al., CVPR 2022 (WiSE-FT): between a general network and one fitted to a few people from it, the weights
    keep what both know.
    """
    found = copy.deepcopy(start)
    blend(found, end, 1.0 - share)
    return found.eval()


def logits_of(model: RhythmNet, windows: Windows, scale: Scale) -> NDArray[np.float64]:
    """``(n, 7)`` logits of prepared windows."""
    found = []
    with torch.no_grad():
        for i in range(0, len(windows), 256):
            wave = torch.from_numpy(windows.wave[i : i + 256])[:, None, None]
            found.append(model(wave, torch.from_numpy(scale(windows.feature[i : i + 256]))).numpy())
    return np.concatenate(found).astype(np.float64)
