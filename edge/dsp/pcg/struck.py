"""Steps, drums and plucked strings in place of a heart: what is struck is there at once and dies away slowly.

Heart sounds swell nearly as fast as they fade, and what rings after them is damped by the chest. So the steps from frame
to frame of the loudness of what is struck are skewed: few large ones up, many small ones down.
"""

from __future__ import annotations

import numpy as np

from edge.dsp.pcg.frontend import Floats

_LOW_BANDS = 6  # up to about 120 Hz
_LOUDEST, _FLOOR = 0.98, 1e-3  # share of the frames; of the power there, so that a quiet room does not matter
MAX_SKEWNESS = 2.0  # one of 20,450 windows of CirCor, CinC 2016 and PASCAL has more; with a murmur none over 1.63


def is_struck(power: Floats) -> bool:
    """Whether the sounds of a mel picture of power ``(40, frames)`` start as what is struck does."""
    return skewness(power) > MAX_SKEWNESS


def skewness(power: Floats) -> float:
    """Of the steps of the logarithm of the power under 120 Hz from frame to frame; 0 where there are none."""
    low = power[:_LOW_BANDS].sum(axis=0)
    loudest = round(_LOUDEST * (len(low) - 1))
    step = np.diff(np.log(low + _FLOOR * np.partition(low, loudest)[loudest]))
    square = step * step
    size = float(square.mean())
    return float((square * step).mean()) / size**1.5 if size > 0 else 0.0
