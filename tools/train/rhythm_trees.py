"""Boosted trees over a window's features, and the table of the rhythm network that says what they say.

Trees are neither int8 nor in either runtime, so a small network learns their answers (Buciluă et al., KDD 2006): on the
windows they were grown on, on mixtures of windows that lie near each other, and on synthetic ones.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray
from rhythm_data import Windows
from rhythm_fit import BATCH, Scale, Weak, logits_of
from rhythm_net import CLASSES, Table, Tower
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import NearestNeighbors
from torch import nn

Floats = NDArray[np.float32]

_TREES = {"max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 15, "l2_regularization": 1.0, "max_features": 0.5}
_NONE, _AF = CLASSES - 1, CLASSES - 2
_EPOCHS = 20
_ROWS = 256
_RATE = 4e-3
_NEIGHBOURS = 5
_NEAR = (0.4, 0.4)
"""Shares of the features that a mixture has from a neighbour; a mixture of every window for each."""
_FAR = 0.15
"""The same, from any window."""


def table(
    tower: Tower,
    real: list[Windows],
    pool: Windows,
    weak: Weak,
    weakly: tuple[int, ...],
    *,
    scale: Scale,
    seed: int,
    log: str,
) -> Table:
    """The table that says what trees grown on ``real``, ``weak`` and the non-pulses of ``pool`` say.

    tower: tells which of the five other rhythms a window is that is known not to be AF. weakly: windows of each group of
    ``weak`` in a batch of the tower's; together they weigh as much here.
    """
    began = time.time()
    trees, feature = _grown(tower, real, pool, weak, weakly, scale, seed)
    print(f"{log}: trees grown, {time.time() - began:.0f} s", flush=True)
    rng = np.random.default_rng(seed)
    rows = np.concatenate([feature, _mixtures(real[0].feature, feature, scale, rng), pool.feature[::2]])
    told = torch.from_numpy(trees.predict_proba(rows).astype(np.float32))
    found = _learnt(torch.from_numpy(scale(feature)), torch.from_numpy(scale(rows)), told, seed)
    print(f"{log}: {len(rows)} rows learnt, {time.time() - began:.0f} s", flush=True)
    return found


def _grown(
    tower: Tower, real: list[Windows], pool: Windows, weak: Weak, weakly: tuple[int, ...], scale: Scale, seed: int
) -> tuple[HistGradientBoostingClassifier, Floats]:
    """Trees, and the features they were grown on."""
    nothing = pool.feature[pool.label == _NONE]
    af = np.unique(np.concatenate(weak.groups[0]))
    other = np.unique(np.concatenate([rows for group in weak.groups[1:] for rows in group]))
    likeliest = logits_of(tower, weak.windows.take(other), scale)[:, :_AF].argmax(axis=1)
    feature = [*(w.feature for w in real), nothing, weak.windows.feature[af], weak.windows.feature[other]]
    label = [*(w.label for w in real), np.full(len(nothing), _NONE), np.full(len(af), _AF), likeliest]
    n = sum(len(w) for w in real)
    each = n / (BATCH * len(real)) / np.array([len(af), len(other)]) * [weakly[0], sum(weakly[1:])]
    weight = [np.ones(n + len(nothing)), np.full(len(af), each[0]), np.full(len(other), each[1])]
    trees = HistGradientBoostingClassifier(**_TREES, random_state=seed)
    rows = np.concatenate(feature)
    return trees.fit(rows, np.concatenate(label), sample_weight=np.concatenate(weight)), rows


def _mixtures(windows: Floats, all_windows: Floats, scale: Scale, rng: np.random.Generator) -> Floats:
    """Each of ``windows`` with a part of its features from a window near it, and once from any."""
    z = scale(all_windows)
    near = NearestNeighbors(n_neighbors=_NEIGHBOURS + 1).fit(z).kneighbors(scale(windows), return_distance=False)
    n = len(windows)
    found = []
    for share in (*_NEAR, _FAR):
        other = (
            rng.integers(len(z), size=n) if share == _FAR else near[np.arange(n), rng.integers(1, _NEIGHBOURS + 1, n)]
        )
        found.append(np.where(rng.random(windows.shape) < share, all_windows[other], windows))
    return np.concatenate(found)


def _learnt(cuts: torch.Tensor, rows: torch.Tensor, told: torch.Tensor, seed: int) -> Table:
    """A table whose ramps follow the quantiles of ``cuts`` and that answers ``told`` on ``rows``."""
    torch.manual_seed(seed)
    model = Table(cuts.shape[1])
    model.cut(cuts)
    optimiser = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=_RATE, weight_decay=0.05)
    steps = _EPOCHS * (len(rows) // _ROWS)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps + 1)
    for _ in range(_EPOCHS):
        order = torch.randperm(len(rows))
        for first in range(0, len(rows) - _ROWS + 1, _ROWS):
            part = order[first : first + _ROWS]
            loss = nn.functional.cross_entropy(model(rows[part]), told[part])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            cycle.step()
    return model.eval()
