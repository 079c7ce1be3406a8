"""Boosted trees as they were grown become the tables of ``edge.dsp.boosted_trees``; numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp.boosted_trees import BoostedTrees

Floats = NDArray[np.float64]


def laid_out(grown: list[Any], start: Floats, depth: int) -> BoostedTrees:
    """Trees as tables of ``depth`` levels.

    grown: nodes of each tree as scikit-learn's ``HistGradientBoostingClassifier`` keeps them. A leaf above the lowest level
    is repeated below, behind questions that nobody answers with yes. Leaves become int8, in units of ``step``. Raises
    ValueError for a tree with more levels.
    """
    questions = 2**depth - 1
    feature = np.zeros((len(grown), questions), dtype=np.uint8)
    threshold = np.full((len(grown), questions), np.inf, dtype=np.float32)
    leaf = np.zeros((len(grown), questions + 1))

    def place(t: int, nodes: Any, node: int, at: int) -> None:
        here = nodes[node]
        if at >= questions:
            if not here["is_leaf"]:
                raise ValueError(f"tree {t} has more than {depth} levels")
            leaf[t, at - questions] = here["value"]
            return
        if not here["is_leaf"]:
            feature[t, at], threshold[t, at] = here["feature_idx"], here["num_threshold"]
        for side, below in (("left", 2 * at + 1), ("right", 2 * at + 2)):
            place(t, nodes, node if here["is_leaf"] else int(here[side]), below)

    for t, nodes in enumerate(grown):
        place(t, nodes, 0, 0)
    step = float(abs(leaf).max() / 127)
    return BoostedTrees(feature, threshold, np.round(leaf / step).astype(np.int8), step, start.astype(float)).checked()
