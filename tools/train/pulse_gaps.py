#!/usr/bin/env python3
"""What a radio that drops costs the heart rate at rest: CinC 2015, with a gap in every few seconds of each window.

    python tools/train/pulse_gaps.py      # three minutes: of each gap, how often a rate is said and how right it is

The windows of ``pulse_rule``, by the shipped rule; where in a window the first gap lies is drawn.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from data_folder import DATA
from pulse_rule import RIGHT_BPM, SPAN_S, windows

from edge.analyzers import pulse
from edge.types import Window

GAPS = ((0.0, 7.0), (0.5, 7.0), (1.0, 7.0), (1.4, 8.0))  # s lost, of every so many s


def dropped(window: Window, gap_s: float, every_s: float, phase_s: float) -> Window:
    """The window without its samples of ``gap_s`` in every ``every_s``."""
    kept = (window.t - window.start + phase_s) % every_s >= gap_s
    return replace(window, t=window.t[kept], data=window.data[kept], coverage=float(kept.mean()))


def row(found, gap_s: float, every_s: float, seed: int = 0) -> str:
    """A line of the table: windows that end in a gap, and of all the share with a rate, its error, alarms."""
    rng = np.random.default_rng(seed)
    analyzer, ended, errors, stopped, slow, fast = pulse.build(), 0, [], 0, 0, 0
    for truth, whole in found:
        window = dropped(whole, gap_s, every_s, rng.uniform(0.0, every_s)) if gap_s else whole
        analyzer.reset()
        (reading,) = analyzer({"ppg": window})
        ended += window.end - float(window.t[-1]) > 0.12 + 1.0 / window.rate
        stopped += reading.detail.get("asystole") == 1
        if isinstance(reading.value, float):
            errors.append(abs(reading.value - truth))
            slow += truth >= 50.0 and reading.detail.get("brady_bpm", 50.0) < 45.0
            fast += truth <= 120.0 and reading.detail.get("tachy_bpm", 0.0) >= 130.0
    error, n = np.array(errors), len(found)
    return (
        f"{gap_s:g} s of {every_s:g}: ends in a gap {ended / n:.3f}, said {len(error) / n:.3f}, within {RIGHT_BPM:g} bpm "
        f"{(error <= RIGHT_BPM).mean():.4f}, MAE {error.mean():.2f}; asystole {stopped}, falsely slow {slow}, fast {fast}"
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--gap", nargs=2, type=float, action="append", help="s lost, of every so many s")
    options = arguments.parse_args()
    path = options.data / "ppg" / "cinc2015.npz"
    found = [(truth, window) for _, _, truth, window in windows(path)]
    print(f"{len(found)} windows of {SPAN_S:g} s")
    for gap_s, every_s in options.gap or GAPS:
        print(row(found, gap_s, every_s), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
