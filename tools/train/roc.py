"""How well scores separate: the figure that every classifier here reports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def auroc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, ties half; NaN when one class is missing."""
    if positive.all() or not positive.any():
        return float("nan")
    _, inverse, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[inverse]
    n1 = int(positive.sum())
    return float((rank[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * (~positive).sum()))
