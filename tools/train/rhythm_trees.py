"""Boosted trees beside the rhythm network: grown on its features, and blended with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rhythm_data import Windows
from rhythm_fit import Scale, Weak, logits_of
from rhythm_net import RhythmNet
from tree_tables import laid_out

from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.rhythm.decision import LABELS, blended

Floats = NDArray[np.float64]

SHARE = 0.3
DEPTH = 4
_ICU_AF, _ICU_OTHER, _NO_PULSE = 0.005, 0.01, 0.03
"""What all ICU windows of AF, all others, and all that is no pulse weigh of what all real ones weigh."""
_GROWTH = {"max_iter": 100, "learning_rate": 0.1, "l2_regularization": 1.0, "max_features": 0.5}
_AF = LABELS.index("AF")


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    """A fitted network, how its features are scaled, and the trees beside it."""

    network: RhythmNet
    scale: Scale
    trees: BoostedTrees

    @classmethod
    def kept(cls, work: Path, name: str, scale: Scale) -> Both:
        """As ``tools/train/rhythm.py`` keeps them in its working folder."""
        trees = BoostedTrees.from_bytes((work / f"{name}-trees.npz").read_bytes())
        return cls(network_of(work / f"{name}.pt", len(scale.mean)), scale, trees)

    def logits(self, windows: Windows) -> Floats:
        """``(n, 7)``, blended."""
        return blended(logits_of(self.network, windows, self.scale), said(self.trees, windows), SHARE)


def network_of(path: Path, features: int) -> RhythmNet:
    """The network whose weights stand in a file."""
    model = RhythmNet(features)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def said(trees: BoostedTrees, windows: Windows) -> Floats:
    """``(n, 7)`` logits of the trees."""
    return np.stack([trees(x) for x in windows.feature])


def grown(real: Windows, nothing: Windows, weak: Weak, network: RhythmNet, scale: Scale, seed: int) -> BoostedTrees:
    """Trees grown on the features of ``real``, of ``nothing``, which is no pulse, and of the ICU windows of ``weak``.

    Without the variants that the network learns from: noise would take the place of what a clean beat tells. Trees must
    be told which rhythm an ICU window has that is not AF: the likeliest of the other five by ``network``.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    af = weak.windows.take(np.concatenate(weak.groups[0]))
    other = weak.windows.take(np.unique(np.concatenate([*weak.groups[1], *weak.groups[2]])))
    likeliest = logits_of(network, other, scale)[:, :_AF].argmax(axis=1)
    beside = (af, other, nothing)
    feature = np.concatenate([w.feature for w in (real, *beside)])
    label = np.concatenate([real.label, af.label, likeliest, nothing.label])
    shares = [share * len(real) / len(w) for share, w in zip((_ICU_AF, _ICU_OTHER, _NO_PULSE), beside, strict=True)]
    weight = np.repeat([1.0, *shares], [len(w) for w in (real, *beside)])
    forest = HistGradientBoostingClassifier(**_GROWTH, max_depth=DEPTH, max_leaf_nodes=2**DEPTH, random_state=seed)
    forest.fit(feature, label, sample_weight=weight)
    nodes = [trees.nodes for of_step in forest._predictors for trees in of_step]
    return laid_out(nodes, forest._baseline_prediction[0], DEPTH)
