"""Files are replayed as what they hold once came in."""

from __future__ import annotations

import numpy as np

from edge.replay import blocks_of
from signals import blocks
from source_and_sink import Playback


def test_sources_are_merged_by_time_for_replay():
    a = Playback(blocks(np.zeros(30), stream="a/ppg"))
    b = Playback(blocks(np.zeros(30), stream="b/ppg", t0=0.05))
    assert [x.source for x in blocks_of([a, b])] == ["a", "b"] * 3
