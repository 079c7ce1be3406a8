"""A heart rate does not jump: a hidden-Markov forward pass over a grid of rates, shared by pulse and camera.

The state is the rate; its logarithm walks at random (BeliefPPG, Bieri et al., UAI 2023). Only the past is used. The
output is mean and standard deviation of the posterior, so doubt shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_KEEP_MATRICES = 8


class RateTracker:
    """Forward filter; call ``update`` once per window in order of time.

    grid_bpm: rising rates ``(m,)``. step_sd_per_s: standard deviation of ln(rate) after one second; it grows with the
    root of the time. leak: probability per second of landing anywhere. prior_bpm, prior_sd: a log-normal start (sd in
    ln units); without them every rate is as likely.
    """

    def __init__(
        self,
        grid_bpm: Floats,
        step_sd_per_s: float,
        leak: float = 0.0,
        prior_bpm: float | None = None,
        prior_sd: float = 0.5,
    ) -> None:
        self.grid_bpm = np.array(grid_bpm, dtype=np.float64)
        if self.grid_bpm.ndim != 1 or len(self.grid_bpm) < 2 or not (np.diff(self.grid_bpm) > 0).all():
            raise ValueError("grid_bpm must rise")
        self._log: Floats = np.log(self.grid_bpm)
        self._step_sd_per_s, self._leak = step_sd_per_s, leak
        prior = np.ones(len(self.grid_bpm))
        if prior_bpm is not None:
            prior = np.exp(-0.5 * ((self._log - np.log(prior_bpm)) / prior_sd) ** 2)
        self._prior: Floats = prior / prior.sum()
        self._matrices: dict[float, Floats] = {}
        self._posterior: Floats = self._prior.copy()
        self._started = False

    @property
    def posterior(self) -> Floats:
        """Probability of each rate of the grid, ``(m,)``; the prior before the first update."""
        return self._posterior.copy()

    def reset(self) -> None:
        self._posterior = self._prior.copy()
        self._started = False

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, in MessagePack's types."""
        return {"posterior": self._posterior.tolist(), "started": self._started}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()`` of a tracker of the same grid."""
        self._posterior = np.array(state["posterior"])
        self._started = bool(state["started"])

    def update(self, likelihood: Floats, dt_s: float) -> tuple[float, float]:
        """Posterior mean and standard deviation, bpm, after seeing ``likelihood`` ``(m,)``, >= 0, any scale.

        dt_s: time since the last update (ignored at the first). A likelihood that is zero everywhere is no evidence.
        """
        belief = self._posterior
        if self._started and dt_s > 0:
            belief = belief @ self._transition(round(dt_s, 3))
            leak = min(1.0, self._leak * dt_s)
            belief = (1.0 - leak) * belief + leak / len(belief)
        weighted = belief * likelihood
        total = float(weighted.sum())
        self._posterior = weighted / total if total > 0 and math.isfinite(total) else belief / belief.sum()
        self._started = True
        return self.estimate()

    def estimate(self) -> tuple[float, float]:
        """Mean and standard deviation of the posterior, bpm."""
        mean = float(self._posterior @ self.grid_bpm)
        variance = float(self._posterior @ (self.grid_bpm - mean) ** 2)
        return mean, variance**0.5

    def _transition(self, dt_s: float) -> Floats:
        matrix: Floats | None = self._matrices.get(dt_s)
        if matrix is None:
            sd = self._step_sd_per_s * dt_s**0.5
            cell = np.gradient(self._log)
            matrix = np.exp(-0.5 * ((self._log[:, None] - self._log[None, :]) / sd) ** 2) * cell[None, :]
            matrix /= matrix.sum(axis=1, keepdims=True)
            if len(self._matrices) >= _KEEP_MATRICES:
                self._matrices.clear()
            self._matrices[dt_s] = matrix
        return matrix
