"""Rhythm predictions of 10 s windows: a row a window, through the shipped analyzer.

Input: NPZ with ``ppg (n, samples)`` and ``fs``. When "not a pulse" wins or the window is refused, the probabilities are
empty and ``reason`` says why.
"""

from __future__ import annotations

import csv
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from evaluation._archive import arrays
from numpy.typing import NDArray

from edge import inference
from edge.analyzers import rhythm
from edge.dsp.rhythm.decision import LABELS
from edge.types import ConfigError, Window

COLUMNS = ("row", *(f"p_{name}" for name in LABELS), "quality", "decision", "reason")


def run(data: Path, out: Path, variant: str | None) -> int:
    """Write ``out``; prints how many windows were refused."""
    windows, rate_hz = read(data)
    model = inference.load("rhythm", variant=variant)
    if zlib.crc32(np.ascontiguousarray(windows[0]).tobytes()) == model.card["training"].get("first_window_crc32", -1):
        print(
            "rhythm: these are the windows the shipped network was trained on; no figures of accuracy. "
            "Use tools/train/rhythm.py --cross-validate for those.",
            file=sys.stderr,
        )
    rows = predict(windows, rate_hz, model)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    refused = Counter(row["reason"] for row in rows if not row["decision"])
    said = ", ".join(f"{n} {word}" for word, n in refused.most_common()) or "none"
    print(f"{model.identity}: {len(rows)} windows; refused: {said}", file=sys.stderr)
    return 0


def read(data: Path) -> tuple[NDArray[Any], float]:
    """Windows and their rate; ConfigError where the file is not of the layout."""
    found, rate_hz = arrays(data, ("ppg",), "ppg (n, samples) and fs")
    windows = found["ppg"]
    if windows.ndim != 2 or not len(windows):
        raise ConfigError(f"{data}: ppg must be (n, samples)")
    return windows, rate_hz


def predict(windows: NDArray[Any], rate_hz: float, model: Any) -> list[dict[str, str]]:
    """One row a window; each is judged for itself. model: a loaded model or what stands for one."""
    analyzer = rhythm.build(models=lambda _: model)
    rows = []
    n = windows.shape[1]
    span = n / rate_hz
    for i, samples in enumerate(windows):
        analyzer.reset()
        t = np.arange(n) / rate_hz
        data = samples.astype(np.float64)[:, None]
        window = Window("file/ppg", 0.0, span, t, data, rate_hz, 1.0, ())
        reading = next(r for r in analyzer({"ppg": window}) if r.metric == "ppg.rhythm")
        row = {"row": str(i), "quality": f"{reading.quality:.4f}", "decision": "", "reason": reading.reason}
        row |= {f"p_{name}": "" for name in LABELS}
        if reading.value is not None:
            row["decision"] = str(reading.value)
            row |= {f"p_{name}": f"{reading.detail[f'p_{name}']:.6f}" for name in LABELS}
        rows.append(row)
    return rows
