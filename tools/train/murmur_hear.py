"""Recordings through the shipped analyzer: windows cut by the lane, all four variants side by side.

The analyzer decides with onnx-int8; the other variants see the same inputs, so their loss is measured window by window.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from murmur_calibrate import FOREIGN_LIMIT, Heard
from murmur_data import samples_of
from numpy.typing import NDArray
from variants import VARIANTS

from edge import inference
from edge.analyzers import murmur
from edge.dsp.pcg.decision import Scores, sigmoid
from edge.lane import Lane
from edge.types import Block

_BESIDE = ("periodicity", "low", "high", "hidden", "feigned")


class Quartet:
    """A model that answers as onnx-int8 and notes what the others say of the same input."""

    def __init__(self, root: Path) -> None:
        self._models = [inference.load("murmur", root=root, variant=v) for v in VARIANTS]
        self.card, self.identity = self._models[0].card, self._models[0].identity
        self.noted: list[NDArray[np.float32]] = []

    def run(self, x: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        outputs = [m.run(x) for m in self._models]
        self.noted.append(np.stack([o[0][0] for o in outputs]))
        return outputs[0]


def hear(data: Path, rows: Iterable[dict[str, str]], folds: Sequence[int], model: Quartet) -> list[dict[str, Any]]:
    """Each recording's windows: logits per variant ``(windows, variants, 3)``, the scores beside, and refusals."""
    analyzer = murmur.build(models=lambda _: model)  # type: ignore[arg-type, return-value]
    out = []
    for row, fold in zip(rows, folds, strict=True):
        samples, rate = samples_of(data, row)
        model.noted.clear()
        lane = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": analyzer})
        lane.reset()
        readings = lane.feed(Block("s/pcg", 0, 0.0, rate, np.asarray(samples, np.float64)[:, None]))
        if faults := lane.take_faults():
            raise faults[0].error
        windows, notes = [], iter(list(model.noted))
        refused = []
        for r in (r for r in readings if r.metric == "pcg.murmur"):
            logits = next(notes) if "scores" in r.detail else None
            if r.value is None:
                refused.append(r.reason)
            elif logits is not None:
                beside = [float(r.detail["scores"][k]) for k in _BESIDE]
                windows.append((bool(r.detail["complete"]), logits.tolist(), beside))
        full = [w for w in windows if w[0]] or windows
        out.append({"row": row, "fold": int(fold), "windows": [w[1:] for w in full], "refused": refused})
    return out


def heard(notes: Iterable[dict[str, Any]], variant: str = "onnx-int8") -> list[Heard]:
    """What one variant made of them."""
    at = VARIANTS.index(variant)
    found = []
    for n in notes:
        windows = [Scores(*logits[at], *beside) for logits, beside in n["windows"]]
        heart = tuple(w for w in windows if sigmoid(w.foreign) < FOREIGN_LIMIT)
        refused = [w for w in n["refused"] if w != "warming_up"]
        refused += ["out_of_distribution"] * (len(windows) - len(heart))
        found.append(Heard(n["row"], n["fold"], heart, tuple(refused)))
    return found


def write(path: Path, notes: list[dict[str, Any]]) -> None:
    """Keep notes as JSON."""
    path.write_text(json.dumps(notes), encoding="utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    """Notes back from JSON."""
    notes: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return notes
