"""Rates from pulse traces with a known truth: DeepPhys waveforms (NPZ) and Welltory fingertip colours (folder).

Prints its own figures as JSON: mean and worst absolute error by recording, and the same traces played 1.6 and 0.67
times as fast, since a prior that flatters people at rest shows there. The truth of DeepPhys is the contact waveform's
own rate, that of Welltory the chest strap's intervals; windows whose truth disagrees with itself (beats against
spectrum by more than 5 bpm) are left out and counted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WINDOW_S, HOP_S, RATE_HZ = 10.0, 1.0, 30.0
SPEEDS = (1.0, 1.6, 0.67)


def run(data: Path, out: Path | None, variant: str | None) -> int:  # noqa: ARG001 - no network takes part
    """Score one NPZ of waveforms or one folder of fingertip recordings."""
    make = _deepphys(data) if data.is_file() else _welltory(data)
    recordings = list(make)
    figures: dict[str, Any] = {"recordings": len(recordings)}
    rows: list[tuple[str, float, float, float]] = []
    for speed in SPEEDS:
        errors = {}
        for name, trace, truth in recordings:
            found = list(_rates(trace, truth, speed))
            if found:
                errors[name] = float(np.mean([abs(bpm - ref) for _, bpm, ref in found]))
                rows += [(name, t, bpm, ref) for t, bpm, ref in found] if speed == 1.0 else []
        worst = max(errors, key=lambda n: errors[n])
        figures[f"speed {speed:g}"] = {
            "mae": round(float(np.mean(list(errors.values()))), 3),
            "worst": round(errors[worst], 2),
            "worst_recording": worst,
        }
    if out is not None:
        with out.open("w", newline="") as file:
            csv.writer(file).writerows([("path", "t", "bpm", "reference"), *rows])
    print(json.dumps(figures, indent=1))
    return 0


def _rates(
    trace: Floats, truth: Callable[[float, float], float | None], speed: float
) -> Iterator[tuple[float, float, float]]:
    """``(t, bpm, reference)`` of every window, with the trace played so much faster."""
    from edge.dsp.rate_tracker import RateTracker
    from edge.dsp.rppg import GRID_BPM, band_pass, power

    tracker = RateTracker(GRID_BPM, 0.02, leak=1e-3, prior_bpm=80.0, prior_sd=0.6)
    n = int(len(trace) / speed)
    fast = np.interp(np.arange(n) * speed, np.arange(len(trace)), trace)
    length, hop = round(WINDOW_S * RATE_HZ), round(HOP_S * RATE_HZ)
    for start in range(0, n - length + 1, hop):
        spectrum = power(band_pass(fast[start : start + length]))
        spectrum /= max(spectrum.sum(), 1e-30)
        tracker.update((spectrum + 0.1 / len(spectrum)) ** 0.6, HOP_S)
        best = float(GRID_BPM[int(tracker.posterior.argmax())])
        near = np.abs(GRID_BPM / best - 1.0) <= 0.12
        bpm = float(GRID_BPM[np.flatnonzero(near)[spectrum[near].argmax()]])
        t = start / RATE_HZ
        reference = truth(t * speed, (t + WINDOW_S) * speed)
        if reference is not None:
            yield t + WINDOW_S, bpm, reference * speed


def _deepphys(path: Path) -> Iterator[tuple[str, Floats, Callable[[float, float], float | None]]]:
    with np.load(path) as file:
        for key in file.files:
            if key.endswith("_pred"):
                name = key.removesuffix("_pred")
                yield (
                    name,
                    np.cumsum(file[key].astype(float)),
                    _spectral_truth(np.cumsum(file[f"{name}_label"].astype(float))),
                )


def _spectral_truth(label: Floats) -> Callable[[float, float], float | None]:
    from edge.dsp.rppg import GRID_BPM, band_pass, power

    clean = band_pass(label)

    def truth(start: float, end: float) -> float | None:
        x = clean[round(start * RATE_HZ) : round(end * RATE_HZ)]
        if len(x) < 5 * RATE_HZ:
            return None
        spectral = float(GRID_BPM[power(x).argmax()])
        peaks = np.flatnonzero((x[1:-1] > x[:-2]) & (x[1:-1] >= x[2:]) & (x[1:-1] > 0.4 * x.std())) + 1
        keep = [peaks[0]] if len(peaks) else []
        for p in peaks[1:]:
            if p - keep[-1] >= 0.27 * RATE_HZ:
                keep.append(p)
        if len(keep) < 4:
            return None
        beats = 60.0 * RATE_HZ / float(np.mean(np.diff(keep)))
        return spectral if abs(beats - spectral) <= 5.0 else None

    return truth


def _welltory(folder: Path) -> Iterator[tuple[str, Floats, Callable[[float, float], float | None]]]:
    from edge.dsp.resample import to_grid
    from edge.dsp.rppg import band_pass, power

    for path in sorted(folder.glob("*/PPG.csv")):
        table = np.genfromtxt(path, delimiter=",", skip_header=1)
        t, colours = table[:, 0] / 1000.0, table[:, 1:4]
        t, first = np.unique(t, return_index=True)
        even, _ = to_grid(t, colours[first], float(t[0]), float(t[-1]), RATE_HZ, 1.0)
        best, score = None, -np.inf
        for channel in range(3):  # the channel by its own quality, never by the truth
            x = band_pass(even[:, channel])
            if even[:, channel].std() == 0.0:
                continue
            spectrum = power(x[: round(30 * RATE_HZ)])
            peak = float(spectrum.max() / spectrum.sum())
            if peak > score:
                best, score = even[:, channel], peak
        if best is None:
            continue
        rr = np.array((path.parent / "RR.txt").read_text().split(), dtype=float) / 1000.0
        beats = np.cumsum(rr)
        yield path.parent.name, best, _interval_truth(beats, float(t[-1] - t[0]))


def _interval_truth(beats: Floats, seconds: float) -> Callable[[float, float], float | None]:
    def truth(start: float, end: float) -> float | None:
        inside = beats[(beats >= start) & (beats < end)]
        if end > seconds or len(inside) < 4:
            return None
        return float(60.0 * (len(inside) - 1) / (inside[-1] - inside[0]))

    return truth
