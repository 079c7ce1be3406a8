"""The columns of a roi block: what the face transform writes and the camera analyzer reads. Names only."""

from __future__ import annotations

from typing import Final

from edge.dsp.face.regions import REGIONS

SKIN: Final = tuple(REGIONS)
AREAS: Final = (*SKIN, "background")
COLUMNS: Final = (
    *(f"{area}_{colour}" for area in AREAS for colour in "rgb"),
    *("present", "x", "y", "w", "h", "yaw", "pitch", "motion", "moved", "faces", "brightness", "change"),
)
"""Mean R, G, B of each area (NaN where it is not seen), 0..255; then present 0/1; the face's box in shares of the
frame; yaw and pitch in degrees; motion of its centre since the last frame in face widths; moved 1 in the frames after
another face, or the same one elsewhere, took its place or overlapped it, or one came after it was gone; faces seen; mean
brightness 0..255; mean change of a small copy of the frame since the last, 0..255."""
