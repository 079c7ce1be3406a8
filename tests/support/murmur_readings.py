"""What the murmur analyzer says of a sound, for tests."""

from __future__ import annotations

import numpy as np

from edge.analyzers import murmur
from edge.inference import Model
from edge.lane import Lane
from edge.types import Reading
from signals import blocks

RATE = 4000.0


def readings_of(
    x: np.ndarray, model: Model, *, rate: float = RATE, chunk: int = 4000, **settings: object
) -> list[Reading]:
    analyzer = murmur.build(models=lambda _: model, **settings)  # type: ignore[arg-type]
    lane = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": analyzer})
    out: list[Reading] = []
    for block in blocks(x, stream="s/pcg", rate=rate, chunk=chunk):
        out += lane.feed(block)
    assert not lane.take_faults()
    return out
