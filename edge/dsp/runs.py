"""Stretches of samples that have something in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def runs(mark: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Of every run of True in ``mark`` ``(n,)`` the first index, and the one after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mark.astype(np.int8), [0]])))
    return edges[::2], edges[1::2]
