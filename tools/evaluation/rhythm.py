"""Rhythm predictions of 10 s windows: a row a window, through the shipped analyzer.

Input: NPZ with ``ppg (n, samples)`` and ``fs``. With ``subject (n,)`` too, the windows of a person go to one analyzer in
the order of the file, one after the other, and are judged in the light of those before, as at a bedside; without it each
stands for itself. ``p_AF_alone`` is of the window by itself. When "not a pulse" wins or the window is refused, the
probabilities are empty and ``reason`` says why.
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
from edge.types import ConfigError, Reading, Window

COLUMNS = ("row", *(f"p_{name}" for name in LABELS), "quality", "decision", "reason", "p_AF_alone")


def run(data: Path, out: Path, variant: str | None) -> int:
    """Write ``out``; prints how many windows were refused."""
    windows, rate_hz, person = read(data)
    model = inference.load("rhythm", variant=variant)
    if zlib.crc32(np.ascontiguousarray(windows[0]).tobytes()) == model.card["training"].get("first_window_crc32", -1):
        print(
            "rhythm: these are the windows the shipped network was trained on; no figures of accuracy. "
            "Use tools/train/rhythm.py --cross-validate for those.",
            file=sys.stderr,
        )
    rows = predict(windows, rate_hz, model, person)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    refused = Counter(row["reason"] for row in rows if not row["decision"])
    said = ", ".join(f"{n} {word}" for word, n in refused.most_common()) or "none"
    print(f"{model.identity}: {len(rows)} windows; refused: {said}", file=sys.stderr)
    return 0


def read(data: Path) -> tuple[NDArray[Any], float, NDArray[Any] | None]:
    """Windows, their rate, and whose each is where the file says so; ConfigError where it is not of the layout."""
    found, rate_hz = arrays(data, ("ppg", "subject?"), "ppg (n, samples) and fs")
    windows, person = found["ppg"], found.get("subject")
    if windows.ndim != 2 or not windows.size:
        raise ConfigError(f"{data}: ppg must be (n, samples)")
    if person is not None and (person.shape != windows.shape[:1] or _unnamed(person)):
        raise ConfigError(f"{data}: subject must name one person for each of the {len(windows)} windows of ppg")
    return windows, rate_hz, person


def _unnamed(person: NDArray[Any]) -> bool:
    """Whether one is NaN or not a time: such are nobody, and never the same."""
    return bool(person.dtype.kind in "fcmM" and np.isnan(person).any())


def predict(
    windows: NDArray[Any], rate_hz: float, model: Any, person: NDArray[Any] | None = None
) -> list[dict[str, str]]:
    """One row a window, in their order. model: a loaded model or what stands for one."""
    whose = np.arange(len(windows)) if person is None else np.unique(person, return_inverse=True)[1]
    analyzer = rhythm.build(models=lambda _: model)
    rows: dict[int, dict[str, str]] = {}
    for who in range(whose.max() + 1):
        analyzer.reset()
        for n, row in enumerate(np.flatnonzero(whose == who).tolist()):
            reading = next(r for r in analyzer({"ppg": _window(windows[row], rate_hz, n)}) if r.metric == "ppg.rhythm")
            rows[row] = {"row": str(row), **_told(reading)}
    return [rows[row] for row in range(len(windows))]


def _window(samples: NDArray[Any], rate_hz: float, n: int) -> Window:
    """The ``n``-th of a person."""
    span = len(samples) / rate_hz
    t = n * span + np.arange(len(samples)) / rate_hz
    return Window("file/ppg", n * span, (n + 1) * span, t, samples.astype(np.float64)[:, None], rate_hz, 1.0, ())


def _told(reading: Reading) -> dict[str, str]:
    row = {"quality": f"{reading.quality:.4f}", "decision": "", "reason": reading.reason}
    if reading.value is None:
        return row | {f"p_{name}": "" for name in (*LABELS, "AF_alone")}
    row["decision"] = str(reading.value)
    row |= {f"p_{name}": f"{reading.detail[f'p_{name}']:.6f}" for name in LABELS}
    return row | {"p_AF_alone": f"{reading.detail['p_AF_alone']:.6f}"}
