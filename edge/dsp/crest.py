"""Where between samples a peak has its top."""

from __future__ import annotations


def crest(left: float, mid: float, right: float) -> float:
    """How far from the middle of three values, one sample apart, their parabola has its top, samples; 0 without a top."""
    bend = left - 2 * mid + right
    return 0.5 * (left - right) / bend if bend < 0 else 0.0
