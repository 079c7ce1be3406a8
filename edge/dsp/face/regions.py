"""Skin regions of a face from the 468 points of the face mesh, and where the face looks. Pure.

Regions are large on purpose: with small ones the camera's noise outweighs the pulse. Indices are those of the
canonical face mesh (Kartynnik et al. 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REGIONS: dict[str, tuple[int, ...]] = {
    "forehead": (103, 67, 109, 10, 338, 297, 332, 333, 299, 337, 151, 108, 69, 104),
    "left_cheek": (50, 101, 118, 117, 123, 147, 187, 205, 36, 142, 100, 119),
    "right_cheek": (280, 330, 347, 346, 352, 376, 411, 425, 266, 371, 329, 348),
    "chin": (200, 199, 175, 208, 428, 201, 421, 171, 396),
}
"""Skin regions by mesh points; left and right as seen in the picture."""

_X_AXIS = (234, 454)
_Y_AXIS = (10, 152)


def yaw_pitch_deg(mesh: Floats) -> tuple[float, float]:
    """Where the face looks, degrees; 0, 0 = into the camera, yaw positive to the picture's right. mesh ``(468, 3)``."""
    across = mesh[_X_AXIS[1]] - mesh[_X_AXIS[0]]
    down = mesh[_Y_AXIS[1]] - mesh[_Y_AXIS[0]]
    out = np.cross(across, down)
    length = float(np.linalg.norm(out))
    if length == 0.0:
        return 0.0, 0.0
    out /= length
    return float(np.degrees(np.arctan2(-out[0], out[2]))), float(np.degrees(np.arcsin(np.clip(out[1], -1, 1))))


def background_boxes(
    x: float, y: float, w: float, h: float, width: int, height: int
) -> list[tuple[int, int, int, int]]:
    """Strips left and right of a face, as ``(x0, y0, x1, y1)`` pixels within the frame; those too thin left out."""
    top, bottom = max(0, int(y)), min(height, int(y + 0.6 * h))
    strips = [(int(x - 0.7 * w), int(x - 0.25 * w)), (int(x + 1.25 * w), int(x + 1.7 * w))]
    found = []
    for left, right in strips:
        left, right = max(0, left), min(width, right)  # noqa: PLW2901
        if right - left >= 8 and bottom - top >= 8:
            found.append((left, top, right, bottom))
    return found
