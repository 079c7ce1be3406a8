"""Rates from pulse traces with a known truth: DeepPhys waveforms (NPZ) and Welltory fingertip colours (folder).

Prints its own figures as JSON: mean and worst absolute error by recording, and the same traces played 1.6 and 0.67
times as fast, since a prior that flatters people at rest shows there. The truth of DeepPhys is the contact waveform's
own rate, that of Welltory the chest strap's intervals; windows whose truth disagrees with itself (beats against
spectrum by more than 5 bpm) are left out. The tracker and its settings are the camera analyzer's. DeepPhys gives a
derivative, so its sum drifts: ``WHITENING`` of the spectrum's slope is taken out, chosen as said there; a fingertip's
colour drifts less.
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
WHITENING = {"deepphys": 0.7, "welltory": 0.5}
"""Chosen of 0.5, 0.6, 0.7 (0, 0.25, 0.5 for Welltory) by the mean error over the three speeds."""


def run(data: Path, out: Path | None, variant: str | None) -> int:  # noqa: ARG001 - no network takes part
    """Score one NPZ of waveforms or one folder of fingertip recordings."""
    share = WHITENING["deepphys" if data.is_file() else "welltory"]
    recordings = list(_deepphys(data) if data.is_file() else _welltory(data))
    figures: dict[str, Any] = {"recordings": len(recordings)}
    rows: list[tuple[str, float, float, float]] = []
    for speed in SPEEDS:
        errors = {}
        for name, trace, truth in recordings:
            found = list(_rates(trace, truth, speed, share))
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
    trace: Floats, truth: Callable[[float, float], float | None], speed: float, share: float
) -> Iterator[tuple[float, float, float]]:
    """``(t, bpm, reference)`` of every window, with the trace ``(n, channels)`` played so much faster."""
    from edge.analyzers.camera_pulse import new_tracker, track
    from edge.dsp.face_pulse import whitened
    from edge.dsp.rppg import band_pass, power

    tracker = new_tracker()
    at = np.arange(int(len(trace) / speed)) * speed
    fast = np.stack([np.interp(at, np.arange(len(trace)), channel) for channel in trace.T], axis=1)
    length, hop = round(WINDOW_S * RATE_HZ), round(HOP_S * RATE_HZ)
    for start in range(0, len(fast) - length + 1, hop):
        waves = [band_pass(x) for x in fast[start : start + length].T if x.std() > 0.0]
        if not waves:
            continue
        spectra = [whitened(power(x) / max(power(x).sum(), 1e-30), share) for x in waves]
        shares = [s / s.sum() for s in spectra]
        best = max(shares, key=lambda s: s.max())  # the channel by its own quality, never by the truth
        bpm, _ = track(tracker, best, HOP_S)
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
                    np.cumsum(file[key].astype(float))[:, None],
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

    for path in sorted(folder.glob("*/PPG.csv")):
        table = np.genfromtxt(path, delimiter=",", skip_header=1)
        t, colours = table[:, 0] / 1000.0, table[:, 1:4]
        t, first = np.unique(t, return_index=True)
        even, _ = to_grid(t, colours[first], float(t[0]), float(t[-1]), RATE_HZ, 1.0)
        rr = np.array((path.parent / "RR.txt").read_text().split(), dtype=float) / 1000.0
        beats = np.cumsum(rr)
        yield path.parent.name, even, _interval_truth(beats, float(t[-1] - t[0]))


def _interval_truth(beats: Floats, seconds: float) -> Callable[[float, float], float | None]:
    def truth(start: float, end: float) -> float | None:
        inside = beats[(beats >= start) & (beats < end)]
        if end > seconds or len(inside) < 4:
            return None
        return float(60.0 * (len(inside) - 1) / (inside[-1] - inside[0]))

    return truth
