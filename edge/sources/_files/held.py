"""When each channel of each stream of a file held numbers: an empty one, or one that ends early, is named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SLACK_S = 1.0  # streams of one recorder end within a block of each other


class Held:
    """First and last moment, s from the file's start, at which each channel of one stream held a number."""

    def __init__(self, kind: str, labels: Sequence[str]) -> None:
        self._kind, self._labels = kind, labels
        self._first: NDArray[np.float64] = np.empty(0)
        self._last: NDArray[np.float64] = np.empty(0)

    def add(self, begin_s: float, end_s: float, held: NDArray[np.bool_]) -> None:
        """Rows of the span from ``begin_s`` to ``end_s``; held: where they hold numbers, ``(n, channels)``."""
        if not len(self._first):
            self._first, self._last = np.full((2, held.shape[1]), np.nan)
        any_held = held.any(axis=0)
        self._first = np.where(any_held & np.isnan(self._first), begin_s, self._first)
        self._last = np.where(any_held, end_s, self._last)

    def words(self, end_s: float) -> list[str]:
        """One line per channel that is empty, begins late or ends before ``end_s``; one for all where they are alike."""
        said = [_said(first, last, end_s) for first, last in zip(self._first, self._last, strict=True)]
        if len(set(said)) == 1:
            return [f"{self._kind} {said[0]}"] if said[0] else []
        named = [f" ({label})" for label in self._labels] or [""] * len(said)
        return [
            f"{self._kind}: channel {i}{name} {what}"
            for i, (name, what) in enumerate(zip(named, said, strict=True))
            if what
        ]


def _said(first_s: float, last_s: float, end_s: float) -> str:
    if np.isnan(first_s):
        return "is empty: no row of it holds a number"
    begins = f"begins at {first_s:.0f} s" if first_s > _SLACK_S else ""
    ends = f"ends at {last_s:.0f} s of {end_s:.0f} s" if end_s - last_s > _SLACK_S else ""
    return " and ".join(filter(None, (begins, ends)))
