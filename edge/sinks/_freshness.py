"""Until when a reading is true: what is older is no answer to anybody who asks now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edge.types import Reading

HOPS_KEPT: Final = 3.0
"""By then the next ones should have come, or there is nothing to be known."""


def fresh_until(reading: Reading, now: float, hops: Mapping[str, float]) -> float:
    """Three hops after its time, s; of a file played fast, whose time runs ahead of the clock, after ``now``.

    hops: s, by metric; 1 where not said.
    """
    return min(reading.t, now) + HOPS_KEPT * hops.get(reading.metric, 1.0)
