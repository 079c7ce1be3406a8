"""From a BlazeFace network's numbers to faces: anchors, boxes, and one box a face. Pure.

Anchors as in Bazarevsky et al. 2019 (BlazeFace): fixed size 1, centred in each cell of the feature maps; a regressor
is the offset of centre, size and six key points in pixels of the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_SCORE = 0.5
_MAX_LOGIT = 80.0
_SAME_FACE_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Face:
    """A face in pixels of the frame: top left corner, size, score 0..1, eyes as ``((x, y), (x, y))``."""

    x: float
    y: float
    w: float
    h: float
    score: float
    eyes: tuple[tuple[float, float], tuple[float, float]]

    @property
    def area(self) -> float:
        return self.w * self.h

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.w / 2, self.y + self.h / 2


def anchors(input_size: int, maps: tuple[tuple[int, int], ...]) -> Floats:
    """Centres ``(n, 2)`` in 0..1. maps: ``(stride, anchors a cell)`` in the network's order."""
    found = []
    for stride, per_cell in maps:
        cells = input_size // stride
        axis = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(axis, axis)
        found.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(found)


SHORT_RANGE = anchors(128, ((8, 2), (16, 6)))
FULL_RANGE = anchors(192, ((4, 1),))


def faces(
    regressors: NDArray[np.float32],
    logits: NDArray[np.float32],
    centres: Floats,
    *,
    input_size: int,
    scale: float,
    shift: tuple[float, float],
) -> list[Face]:
    """Faces by falling score. regressors ``(n, 16)``, logits ``(n,)``; frame pixel = (input pixel - shift) * scale."""
    score = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -_MAX_LOGIT, _MAX_LOGIT)))
    keep = np.flatnonzero(score >= MIN_SCORE)
    keep = keep[np.argsort(-score[keep], kind="stable")]
    points = regressors[keep].astype(np.float64).reshape(len(keep), 8, 2)
    points[:, [0, 2, 3, 4, 5, 6, 7]] += centres[keep][:, None] * input_size
    found: list[Face] = []
    for point, s in zip(points, score[keep], strict=True):
        size = point[1] * scale
        centre = (point[0] - shift) * scale
        eyes = (point[2:4] - shift) * scale
        left_top = centre - size / 2
        face = Face(
            float(left_top[0]), float(left_top[1]), float(size[0]), float(size[1]), float(s),
            ((float(eyes[0, 0]), float(eyes[0, 1])), (float(eyes[1, 0]), float(eyes[1, 1]))),
        )  # fmt: skip
        if all(overlap(face, other) < _SAME_FACE_IOU for other in found):
            found.append(face)
    return found


def overlap(a: Face, b: Face) -> float:
    """Area that the boxes of two faces have in common over that of both, 0 to 1."""
    width = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    height = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a.area + b.area - width * height)
