"""Pulses of an arm that moves, SPC 2015, as a sensor without an accelerometer shows them.

Steps are as regular as beats, so here the counts agree on what is no heart's. The rate is the mean of the references of
the last two windows of 8 s, 2 s apart, which are the last 10 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pulse_rule import SPAN_S

from edge.types import Window

HOP_S, LOOK_S = 2.0, 8.0
"""Reference k is of the ``LOOK_S`` from k hops on."""


def windows(folder: Path) -> Iterator[tuple[int, float, Window]]:
    """``(recording, bpm, window)`` of every channel, one after the other."""
    for i, path in enumerate(sorted(folder.glob("*.npz"))):
        with np.load(path, allow_pickle=False) as file:
            channels, rate_hz, bpm = file["ppg"].astype(np.float64), float(file["fs"]), file["bpm"]
        for x in channels:
            for k in range(round((SPAN_S - LOOK_S) / HOP_S), len(bpm)):
                end = LOOK_S + k * HOP_S
                a, b = round((end - SPAN_S) * rate_hz), round(end * rate_hz)
                if b > len(x):
                    break
                t = np.arange(a, b) / rate_hz
                yield (
                    i,
                    float(bpm[k - 1 : k + 1].mean()),
                    Window("file/ppg", end - SPAN_S, end, t, x[a:b, None], rate_hz, 1.0, ()),
                )
