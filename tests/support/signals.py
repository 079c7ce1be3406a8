"""Signals and doubles of known truth for tests: blocks of any chunking, an analyzer that shows what it was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.dsp import synthesis
from edge.types import Block, Reading, Window


def pulse(
    bpm: float = 75.0, rhythm: str = "sinus", *, seconds: float = 16.0, noise: float = 0.01, seed: int = 3
) -> NDArray[np.float64]:
    """A contact pulse wave at 100 Hz that began 6 s before."""
    heart = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], seconds + 8.0, seed=seed)
    return synthesis.ppg(heart, 6.0 + np.arange(round(seconds * 100.0)) / 100.0, noise=noise, seed=seed)


def blocks(
    data: NDArray[np.float64],
    *,
    stream: str = "node/ppg",
    rate: float = 100.0,
    t0: float = 0.0,
    chunk: int = 10,
    epoch: int = 0,
    lost: Iterable[int] = (),
) -> Iterator[Block]:
    """The rows of ``data`` as blocks of ``chunk`` samples, without the samples whose indices are ``lost``."""
    data = np.atleast_2d(data.T).T if data.ndim == 1 else data
    gone = set(lost)
    start = 0
    while start < len(data):
        if start in gone:
            start += 1
            continue
        stop = start
        while stop < min(len(data), start + chunk) and stop not in gone:
            stop += 1
        yield Block(stream, start, t0 + start / rate, rate, data[start:stop].copy(), epoch=epoch)
        start = stop


class Echo:
    """An analyzer that answers with what its windows held: a checksum, coverage and the keys."""

    def __init__(self, *, streams: Sequence[str] = ("ppg",), window_s: float = 2.0, hop_s: float = 1.0) -> None:
        self.metrics = ("ppg.hr",)
        self.streams, self.window_s, self.hop_s = tuple(streams), window_s, hop_s
        self.resets = 0

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]:
        window = windows[self.streams[0]]
        detail = {
            "n": len(window.t),
            "first": None if not len(window.t) else float(window.t[0]),
            "coverage": window.coverage,
            "holes": window.holes,
            "companions": {k: (len(w.t), float(w.data.sum())) for k, w in windows.items()},
        }
        return [Reading("ppg.hr", window.end, float(window.data.sum()), quality=window.coverage, detail=detail)]

    def reset(self) -> None:
        self.resets += 1

    def state(self) -> dict[str, int]:
        return {"resets": self.resets}

    def restore(self, state: Mapping[str, int]) -> None:
        self.resets = state["resets"]
