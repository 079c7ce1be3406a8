"""Coarse converters of heart sound: what falls between two of their steps is made noise again.

A quiet heart through 8 bits stays exactly at zero between its sounds, and its sounds bring the steps' own error along:
a silence with noise in every beat is what a murmur looks like. Even noise of one step hides both. It is the same for
the same number of samples, so that a window's answer depends on the window alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp.pcg.frontend import Floats

MAX_STEP = 0.05  # of the deviation; no window of CirCor, CinC 2016 and PASCAL (16 bit) has over 0.021
_LOOKED_AT = 1000


def coarse_step(x: NDArray[Any]) -> float:
    """The smallest step in samples (n,) where it is coarse for them, otherwise 0."""
    least = MAX_STEP * float(x.std())
    for part in (x[:_LOOKED_AT], x):  # most sound shows its fine steps at once
        step = np.abs(np.diff(np.asarray(part, np.float64)))
        smallest = float(step[step > 0].min(initial=np.inf))
        if smallest <= least:
            return 0.0
    return smallest if np.isfinite(smallest) else 0.0


def with_steps_hidden(y: Floats, step: float) -> Floats:
    """``y`` (n,) at 2 kHz with even noise of one ``step`` added; itself where that is 0."""
    return y + np.float32(step) * _even_noise(len(y)) if step else y


@lru_cache(maxsize=4)
def _even_noise(n: int) -> Floats:
    return np.asarray(np.random.default_rng(0).random(n) - 0.5, np.float32)
