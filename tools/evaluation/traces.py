"""Rates from pulse traces with a known truth: DeepPhys waveforms (NPZ) and Welltory fingertip colours (folder).

Prints its own figures as JSON: mean and worst absolute error by recording, and the same traces played 1.6 and 0.67
times as fast, since a prior that flatters people at rest shows there. ``beats`` is what the analyzer would say (the mean
rate of a window's beats, where they are even) against the mean rate of the true beats: of the contact waveform, or of
the chest strap's intervals. ``spectrum`` is the tracked peak of the spectrum against the peak of the contact waveform's
own. Windows whose truth disagrees with itself (beats against spectrum by more than 5 bpm) are left out. The tracker and
its settings are the camera analyzer's. DeepPhys gives a derivative, so its sum drifts: ``WHITENING`` of the spectrum's
slope is taken out, chosen as said there; a fingertip's colour drifts less. A strap and a phone do not start at the same
moment: its intervals are moved to where they fit the fingertip's best (within ``MAX_AHEAD_S``), whatever the rates said.
"""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.types import ConfigError

Floats = NDArray[np.float64]
WINDOW_S, HOP_S, RATE_HZ = 10.0, 1.0, 30.0
SPEEDS = (1.0, 1.6, 0.67)
MAX_AHEAD_S = 4.0
_LAYOUT = "an NPZ of NAME_pred with NAME_label, or a folder of NAME/PPG.csv with NAME/RR.txt"
Truth = Callable[[float, float], dict[str, float] | None]
Recording = tuple[str, Floats, Truth]
WHITENING = {"deepphys": 0.7, "welltory": 0.5}
"""Chosen of 0.5, 0.6, 0.7 (0, 0.25, 0.5 for Welltory) by the mean error over the three speeds."""


def run(data: Path, out: Path | None, variant: str | None) -> int:  # noqa: ARG001 - no network takes part
    """Score one NPZ of waveforms or one folder of fingertip recordings."""
    share = WHITENING["deepphys" if data.is_file() else "welltory"]
    recordings = _deepphys(data) if data.is_file() else _welltory(data)
    if not recordings:
        raise ConfigError(f"--data {data}: no recordings in it: it takes {_LAYOUT}")
    figures: dict[str, Any] = {"recordings": len(recordings)}
    rows: list[tuple[str, float, float, float]] = []
    for speed in SPEEDS:
        errors: dict[str, dict[str, float]] = {"beats": {}, "spectrum": {}}
        for name, trace, truth in recordings:
            found = list(_rates(trace, truth, speed, share))
            if not found:
                continue
            for way, of in errors.items():
                pairs = [(f.said[way], f.truth[way]) for f in found if way in f.truth]
                if pairs:
                    of[name] = float(np.mean([abs(bpm - ref) for bpm, ref in pairs]))
            rows += [(name, f.t, f.said["beats"], f.truth["beats"]) for f in found] if speed == 1.0 else []
        figures[f"speed {speed:g}"] = {way: _summary(of) for way, of in errors.items() if of}
    if out is not None:
        with out.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("path", "t", "bpm", "reference"), *rows])
    print(json.dumps(figures, indent=1))
    return 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A window that ends at t, s: rates said and true, bpm, by ``beats`` and ``spectrum``."""

    t: float
    said: dict[str, float]
    truth: dict[str, float]


def _summary(errors: dict[str, float]) -> dict[str, Any]:
    worst = max(errors, key=lambda n: errors[n])
    mae = round(float(np.mean(list(errors.values()))), 3)
    return {"mae": mae, "worst": round(errors[worst], 2), "worst_recording": worst}


def _rates(trace: Floats, truth: Truth, speed: float, share: float) -> Iterator[Judged]:
    """Every window whose truth is known, with the trace ``(n, channels)`` played so much faster."""
    from edge.analyzers.camera_pulse import new_tracker, track
    from edge.dsp.face.pulse import mean_rate
    from edge.dsp.face.rppg import band_pass, power

    tracker = new_tracker()
    at = np.arange(int(len(trace) / speed)) * speed
    fast = np.stack([np.interp(at, np.arange(len(trace)), channel) for channel in trace.T], axis=1)
    length, hop = round(WINDOW_S * RATE_HZ), round(HOP_S * RATE_HZ)
    for start in range(0, len(fast) - length + 1, hop):
        waves = [band_pass(x) for x in fast[start : start + length].T if x.std() > 0.0]
        if not waves:
            continue
        spectra = [_whitened(power(x) / max(power(x).sum(), 1e-30), share) for x in waves]
        shares = [s / s.sum() for s in spectra]
        best = int(np.argmax([s.max() for s in shares]))  # the channel by its own quality, never by the truth
        bpm, _ = track(tracker, shares[best], HOP_S)
        t = start / RATE_HZ
        reference = truth(t * speed, (t + WINDOW_S) * speed)
        if reference is not None:
            said = {"beats": mean_rate(waves[best], bpm), "spectrum": bpm}
            yield Judged(t + WINDOW_S, said, {way: rate * speed for way, rate in reference.items()})


def _whitened(spectrum: Floats, share: float) -> Floats:
    """The spectrum without ``share`` of the slope that fits its logarithm over the logarithm of the rate; for waves that
    were integrated, whose slow part would win."""
    from edge.dsp.face.rppg import GRID_BPM

    x = np.log(GRID_BPM)
    y = np.log(np.maximum(spectrum, 1e-30))
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    return np.asarray(spectrum * np.exp(-share * slope * (x - x.mean())))


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """A recording that cannot be read is a line and left out; NumPy's readers promise no closed set of errors."""
    try:
        yield
    except Exception as error:
        print(f"traces: {name}: cannot be read ({' '.join(str(error).split())[:80]})", file=sys.stderr)


def _deepphys(path: Path) -> list[Recording]:
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except Exception as error:
        raise ConfigError(f"--data {path}: not an NPZ ({' '.join(str(error).split())[:80]})") from None
    found: list[Recording] = []
    for name in (key.removesuffix("_pred") for key in arrays if key.endswith("_pred")):
        with _told(f"{path}: {name}"):
            wave, label = (np.cumsum(arrays[f"{name}_{kind}"].astype(float)) for kind in ("pred", "label"))
            found.append((name, wave[:, None], _contact_truth(label)))
    return found


def _contact_truth(label: Floats) -> Truth:
    from edge.dsp.face.pulse import mean_rate
    from edge.dsp.face.rppg import GRID_BPM, band_pass, power

    clean = band_pass(label)

    def truth(start: float, end: float) -> dict[str, float] | None:
        x = clean[round(start * RATE_HZ) : round(end * RATE_HZ)]
        if len(x) < 5 * RATE_HZ:
            return None
        spectrum = float(GRID_BPM[power(x).argmax()])
        peaks = np.flatnonzero((x[1:-1] > x[:-2]) & (x[1:-1] >= x[2:]) & (x[1:-1] > 0.4 * x.std())) + 1
        keep = [peaks[0]] if len(peaks) else []
        for p in peaks[1:]:
            if p - keep[-1] >= 0.27 * RATE_HZ:
                keep.append(p)
        if len(keep) < 4 or abs(60.0 * RATE_HZ / float(np.mean(np.diff(keep))) - spectrum) > 5.0:
            return None
        return {"beats": mean_rate(x, spectrum), "spectrum": spectrum}

    return truth


def _welltory(folder: Path) -> list[Recording]:
    found: list[Recording] = []
    for path in sorted(folder.rglob("PPG.csv")):
        with _told(str(path)):
            found.append((path.parent.relative_to(folder).as_posix(), *_fingertip(path)))
    return found


def _fingertip(path: Path) -> tuple[Floats, Truth]:
    from edge.dsp.resample import to_grid

    table = np.genfromtxt(path, delimiter=",", skip_header=1)
    t, colours = table[:, 0] / 1000.0, table[:, 1:4]
    t, first = np.unique(t, return_index=True)
    even, _ = to_grid(t, colours[first], float(t[0]), float(t[-1]), RATE_HZ, 1.0)
    rr = np.array((path.parent / "RR.txt").read_text(encoding="ascii").split(), dtype=float) / 1000.0
    return even, _interval_truth(np.cumsum(rr) - strap_ahead_s(even, rr), float(t[-1] - t[0]))


def strap_ahead_s(trace: Floats, rr: Floats) -> float:
    """How far a strap's intervals ``(n,)`` s run ahead of a fingertip's colours ``(m, channels)``: where the intervals
    of both differ least (median), within ``MAX_AHEAD_S``; the channel that fits best decides."""
    from edge.dsp.face.rppg import band_pass
    from edge.dsp.ppg.beats import find_beats

    beats, best = np.cumsum(rr), (np.inf, 0.0)
    for channel in trace.T:
        if np.ptp(channel) == 0.0:
            continue  # all there is to find in it is rounding
        peak = find_beats(-band_pass(channel), RATE_HZ).peak
        if len(peak) < 8:
            continue
        at = np.arange(MAX_AHEAD_S, min(peak[-1], beats[-1]) - MAX_AHEAD_S, 0.25)
        own = np.interp(at, peak[1:], np.diff(peak))
        for ahead in np.arange(-MAX_AHEAD_S, MAX_AHEAD_S + 0.1, 0.25):
            apart = float(np.median(np.abs(own - np.interp(at + ahead, beats, rr))))
            best = min(best, (apart, float(ahead)))
    return best[1]


def _interval_truth(beats: Floats, seconds: float) -> Truth:
    def truth(start: float, end: float) -> dict[str, float] | None:
        inside = beats[(beats >= start) & (beats < end)]
        if start < beats[0] or end > min(seconds, beats[-1]) or len(inside) < 4:
            return None
        return {"beats": float(60.0 * (len(inside) - 1) / (inside[-1] - inside[0]))}

    return truth
