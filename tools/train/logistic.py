"""Logistic regression by Newton's steps: the rule of every judgement here that rests on a few figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

_STEPS = 50


def logistic(
    x: NDArray[np.float64], y: NDArray[np.generic], ridge: ArrayLike, weight: ArrayLike = 1.0
) -> NDArray[np.float64]:
    """A weight for each column of ``x``, one of ones among them where an offset is wanted; y: 1 or 0 a row; ridge: the
    penalty, of each column or of all; weight: of each row."""
    w = np.zeros(x.shape[1])
    penalty = np.broadcast_to(ridge, w.shape)
    for _ in range(_STEPS):
        p = expit(x @ w)
        bend = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        w = w - np.linalg.solve(bend, x.T @ (weight * (p - y)) + penalty * w)
    return w
