"""Heart rate under motion: a row for every 8 s window every 2 s of recordings in the layout of the SPC 2015 data.

The analyzer sees blocks as live, through a lane; the reading that ends with the window is written, so nothing comes
from its future.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from evaluation._archive import arrays
from evaluation._labels import listed
from numpy.typing import NDArray

from edge import inference
from edge.analyzers import pulse
from edge.inference import Model
from edge.lane import Lane
from edge.types import Block, ConfigError, Reading

SPAN_S, HOP_S = 8.0, 2.0
HEADER = ("path", "window", "bpm", "sd", "quality", "reason")


def run(data: Path, out: Path, variant: str | None) -> int:
    """Write ``out``; prints coverage and computing time."""
    models = {name: inference.load(name, variant=variant) for name in ("motion", "pulse")}
    named = recordings(data) if data.is_dir() else {data.name: data}
    if not named:
        raise ConfigError(f"{data}: no NPZ files")
    began, seconds, written, answered = time.process_time(), 0.0, 0, 0
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for name, path in named.items():
            try:
                readings, span_s, windows = follow(path, models.__getitem__)
            except ConfigError as error:
                if len(named) == 1:
                    raise
                print(f"pulse: {error}", file=sys.stderr)
                readings, span_s, windows = {}, 0.0, 1
            seconds += span_s
            rows = table(name, readings, windows)
            writer.writerows(rows)
            written += windows
            answered += sum(row[2] != "" for row in rows)
    spent = time.process_time() - began
    print(
        f"pulse: {written} windows of {len(named)} recordings, {answered / max(1, written):.3f} answered; "
        f"{spent / max(seconds, 1e-9) * 3600:.1f} s of computing per hour of signal at one reading every {HOP_S:g} s",
        file=sys.stderr,
    )
    return 0


def recordings(folder: Path) -> dict[str, Path]:
    """By name: those of labels.csv in its order, then every other NPZ below the folder."""
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.npz"))
    return {name: folder / name for name in (*(row["path"] for row in listed(folder)), *found)}


def table(name: str, readings: dict[int, Reading], windows: int) -> list[list[str]]:
    """The rows of one recording, in the order of ``HEADER``; a refusal is an empty value."""
    rows = []
    for k in range(windows):
        r = readings.get(k)
        value = ["", ""] if r is None or r.value is None else [f"{r.value:.3f}", f"{r.detail['sd']:.3f}"]
        rows.append([name, str(k), *value, f"{r.quality:.4f}" if r else "0", r.reason if r else "no_signal"])
    return rows


def follow(
    path: Path,
    models: Callable[[str], Model] | None,
    *,
    gap: tuple[float, float, float] | None = None,
) -> tuple[dict[int, Reading], float, int]:
    """Readings by window number, length in s, and how many windows the reference has (or fit).

    models: gives the networks by name; None for the rules without learned weights. gap: a radio that drops so many s of
    every so many s, the first time so many s after the start; None loses nothing.
    """
    found, rate_hz = arrays(path, ("ppg", "acc?", "bpm?"), "ppg 2 x n, acc 3 x n, fs")
    signals = {key: np.atleast_2d(x).T.astype(np.float64) for key, x in found.items() if key != "bpm"}
    for key, x in signals.items():
        if x.ndim != 2 or x.shape[1] > len(x) > 1:
            raise ConfigError(f"{path}: {key} must be (channels, samples), not {found[key].shape}")
    ppg, acc = signals["ppg"], signals.get("acc")
    analyzer = pulse.build(hop_s=HOP_S, models=models)
    lane = Lane(bed="bed", source="file", primary="ppg", analyzers={"pulse": analyzer})
    readings: list[Reading] = []
    step = round(rate_hz)
    for a in range(0, len(ppg), step):
        for at in arrived(np.arange(a, min(a + step, len(ppg))), rate_hz, gap):
            first, piece = int(at[0]), slice(int(at[0]), int(at[-1]) + 1)
            if acc is not None and first < len(acc):
                lane.feed(Block("file/acc", first, first / rate_hz, rate_hz, acc[piece].copy()))
            readings += lane.feed(Block("file/ppg", first, first / rate_hz, rate_hz, ppg[piece].copy()))
    readings += lane.finish()
    if faults := lane.take_faults():
        raise faults[0].error
    by_window = {round((r.t - SPAN_S) / HOP_S): r for r in readings if r.t >= SPAN_S - 1e-6}
    span_s = len(ppg) / rate_hz
    windows = found["bpm"].size if "bpm" in found else max(0, int((span_s - SPAN_S) / HOP_S) + 1)
    return by_window, span_s, windows


def arrived(at: NDArray[np.int64], rate_hz: float, gap: tuple[float, float, float] | None) -> list[NDArray[np.int64]]:
    """Of the samples ``at`` the pieces that a radio did not drop."""
    if gap is None:
        return [at]
    lost_s, every_s, first_s = gap
    since = at / rate_hz - first_s
    kept = at[(since < 0) | (since % every_s >= lost_s)]
    return [piece for piece in np.split(kept, np.flatnonzero(np.diff(kept) > 1) + 1) if len(piece)]
