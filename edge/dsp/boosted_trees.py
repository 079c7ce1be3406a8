"""Gradient-boosted trees of one depth (Friedman, Ann Stat 2001;29:1189), laid out as tables and read off side by side.

A tree holds its questions level by level, as a heap does: behind question ``i`` stand ``2 i + 1`` (no) and ``2 i + 2``
(yes). So all trees are walked down together, a level a step. Grown by ``tools/train/rhythm_trees.py``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.types import ModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BoostedTrees:
    """feature ``(trees, 2^depth - 1)`` uint8 and threshold, float32: is that number above it? leaf ``(trees, 2^depth)``
    int8, in units of ``step``; start: the logit of each class before any tree. Tree ``t`` speaks of class ``t mod
    classes``."""

    feature: NDArray[np.uint8]
    threshold: NDArray[np.float32]
    leaf: NDArray[np.int8]
    step: float
    start: Floats

    @classmethod
    def from_bytes(cls, content: bytes) -> BoostedTrees:
        """Of an NPZ with arrays of these names; ModelError where they are no such trees."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as d:
                trees = cls(d["feature"], d["threshold"], d["leaf"], float(d["step"]), d["start"].astype(np.float64))
        except Exception as error:  # NumPy's reader promises no closed set of errors for a damaged archive
            raise ModelError(f"no boosted trees: {error}") from None
        return trees.checked()

    def as_bytes(self) -> bytes:
        """What ``from_bytes`` reads."""
        file = io.BytesIO()
        np.savez_compressed(
            file, feature=self.feature, threshold=self.threshold, leaf=self.leaf, step=self.step, start=self.start
        )
        return file.getvalue()

    def checked(self) -> BoostedTrees:
        """Itself; ModelError where the tables do not fit each other."""
        tables = (self.feature, self.threshold, self.leaf)
        if [getattr(table, "dtype", None) for table in tables] != [np.uint8, np.float32, np.int8]:
            raise ModelError("boosted trees: tables are not of uint8, float32 and int8")
        shape = self.feature.shape
        if len(shape) != 2 or (shape[1] & (shape[1] + 1)) or not shape[1] or self.threshold.shape != shape:
            raise ModelError("boosted trees: questions are not (trees, 2^depth - 1)")
        if self.leaf.shape != (shape[0], shape[1] + 1):
            raise ModelError("boosted trees: leaves are not (trees, 2^depth)")
        if self.start.ndim != 1 or not np.isfinite([self.step, *self.start]).all():
            raise ModelError("boosted trees: step and start are not finite numbers")
        if not shape[0] or not len(self.start) or shape[0] % len(self.start):
            raise ModelError("boosted trees: not the same number of trees for each class")
        return self

    @property
    def parameters(self) -> int:
        """Thresholds, leaves and starts."""
        return int(self.threshold.size + self.leaf.size + self.start.size)

    def __call__(self, features: Floats) -> Floats:
        """Logits ``(classes,)`` of one row of features."""
        x = features.astype(np.float32)
        tree = np.arange(len(self.feature))
        at = np.zeros(len(tree), dtype=np.intp)
        for _ in range(int(self.leaf.shape[1]).bit_length() - 1):
            at = 2 * at + 1 + (x[self.feature[tree, at]] > self.threshold[tree, at])
        said = self.leaf[tree, at - self.feature.shape[1]].reshape(-1, len(self.start))
        return np.asarray(self.start + self.step * said.sum(axis=0, dtype=np.int64))
