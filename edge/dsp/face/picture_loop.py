"""Pictures that were seen before: a camera, a server or a recorder that sends its last seconds again and again. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SAME = 0.9  # of the pictures, so that a seam or a lost one does not hide the rest
_LEAST, _DISTINCT = 10, 0.25


def seen_before(pictures: NDArray[np.floating], recent: int) -> bool:
    """Whether the last ``recent`` pictures have come before in the same order, each exactly as it was.

    pictures: what noise changes in every one, such as its mean brightness and its change, ``(n, figures)``. Two pictures
    of a live sensor may agree in these; two seconds of them do not. Where hardly any differs nothing can be told.
    """
    last, earlier = pictures[len(pictures) - recent :], pictures[:-1]
    if not _LEAST <= recent < len(pictures) or len(np.unique(last, axis=0)) < _DISTINCT * recent:
        return False
    runs = np.lib.stride_tricks.sliding_window_view(earlier, recent, axis=0)  # (lags, figures, recent)
    return bool((runs == last.T).all(axis=1).mean(axis=1).max() >= _SAME)
