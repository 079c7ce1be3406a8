"""Windows that spectra are taken under."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=64)
def hann(n: int) -> NDArray[np.float64]:
    """``n`` points of a Hann window whose ends are 0; read-only and remembered."""
    window = np.hanning(n)
    window.flags.writeable = False
    return window


@lru_cache(maxsize=64)
def hann_inside(n: int) -> NDArray[np.float64]:
    """``n`` points of a Hann window without the two ends that are 0; read-only and remembered."""
    return hann(n + 2)[1:-1]
