"""Another face in the place of the first from one picture to the next: a step, where a movement takes several. Pure."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIDE = 24
"""Pixels to which what lies inside a face's box is made small."""

# Of real clips, at 6 to 50 frames a second, lit up at once or dim and noisy, none has such a step (a man who speaks and
# turns: 0.14 from frame to frame with 0.1 before and after); two faces in one place differ by 0.3 to 1.5.
_DIFFERENT = 0.1
_STEP = 5.0
_BEFORE = 4


class FaceCut:
    """Whether the last picture but one showed another face than those before it.

    Pictures are compared as one minus their correlation, which light that comes or goes does not change. A step is
    several times what went before and what comes after: neither noise nor a moving head nor one spoilt picture is one.
    """

    def __init__(self) -> None:
        self._last: Floats | None = None
        self._differences: deque[float] = deque(maxlen=_BEFORE + 2)

    def begin(self, picture: Floats) -> None:
        """Compare the next picture with this one, since it is cut from another place."""
        self._last = picture

    def __call__(self, picture: Floats) -> bool:
        """Take the next picture, ``(SIDE, SIDE)``, of the same place as the last."""
        if self._last is not None:
            self._differences.append(_difference(self._last, picture))
        self._last = picture
        if len(self._differences) <= _BEFORE + 1:
            return False
        *before, step, after = self._differences
        return step > _DIFFERENT and step > _STEP * max(*before, after)


def _difference(a: Floats, b: Floats) -> float:
    """One minus the correlation of two pictures, 0 to 2; 0 where one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return 1.0 - float((a * b).sum()) / size if size > 0.0 else 0.0
