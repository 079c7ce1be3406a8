"""What the last minutes of one person make likely of the next window.

A network's probabilities hold the rhythms of the people it was fitted to; another's are nearer to what their own last
windows showed (Saerens, Latinne and Decaestecker, Neural Computation 2002;14:21-41). Windows are heard by what they say
by themselves, so that nothing confirms itself, and only once the window in question no longer overlaps them. The past
leans, it does not decide: with the slopes of the shipped card the odds of AF against sinus rhythm are a seventh of what the
window says, however long nothing but that was, and a sensor that was silent for 20 s may be on somebody else.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEMORY_S: Final = 900.0
"""A window this long ago weighs 1/e of the last one."""
USUAL_S: Final = 30.0
"""What is usual among people weighs as much as this much of one person."""
FORGOTTEN_S: Final = 20.0
"""After so long without a window that could be read everything is forgotten."""


class Context:
    """Shares of the rhythms in the last minutes. usual: the shares among the people the probabilities are fitted to, each
    above 0. Windows are asked about and heard in the order of time."""

    def __init__(self, usual: Floats, window_s: float) -> None:
        self._usual, self._window_s = usual / usual.sum(), window_s
        self.reset()

    def reset(self) -> None:
        self._heard_s = np.zeros(len(self._usual))  # what was heard until then, faded
        self._until = -math.inf
        self._waiting: deque[tuple[float, float, Floats]] = deque()  # what the next window may still overlap

    def state(self) -> dict[str, Any]:
        return {
            "heard_s": self._heard_s.tolist(),
            "until": None if self._until == -math.inf else self._until,
            "waiting": [[end, weight_s, *p.tolist()] for end, weight_s, p in self._waiting],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._heard_s = np.array(state["heard_s"], dtype=np.float64)
        self._until = -math.inf if state["until"] is None else state["until"]
        self._waiting = deque((row[0], row[1], np.array(row[2:], dtype=np.float64)) for row in state["waiting"])

    def lean(self, start: float) -> tuple[Floats, float]:
        """How much likelier than usual what was heard makes each rhythm in a window from ``start`` on, natural
        logarithm, and how many seconds of it, as they have faded, say so (0: none, and nothing is likelier)."""
        last = self._waiting[-1][0] if self._waiting else self._until
        if start - last > FORGOTTEN_S:
            self.reset()
        while self._waiting and self._waiting[0][0] <= start + 1e-6:
            end, weight_s, p = self._waiting.popleft()
            self._heard_s = self._faded(end) + weight_s * p
            self._until = end
        heard_s = self._faded(start)
        total_s = float(heard_s.sum())
        return np.log((heard_s / USUAL_S + self._usual) / (total_s / USUAL_S + 1.0) / self._usual), total_s

    def hear(self, end: float, p: Floats) -> None:
        """A window until ``end`` could be read, and shows each rhythm with the probability ``p`` by itself."""
        last = self._waiting[-1][0] if self._waiting else self._until
        self._waiting.append((end, min(end - last, self._window_s), p))

    def _faded(self, t: float) -> Floats:
        return self._heard_s * math.exp(min(0.0, self._until - t) / MEMORY_S)
