#!/usr/bin/env python3
"""What a radio that drops costs the rate under motion: SPC 2015, with a gap in pulse and accelerometer every few seconds.

    python tools/train/motion.py --cross-validate --out motion.csv   # first: a network for each recording left out
    python tools/train/motion_gaps.py                                # of each gap, how often a rate is said, and its error

Each recording by the network that never saw it, as int8 in ONNX Runtime, and by the rule without learned weights; where
the first gap lies is drawn.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

from data_folder import DATA
from evaluation.pulse import follow, table
from motion import Fold, figures_of, fitted, rows_of, sequences

from edge import inference

GAPS = ((0.0, 7.0), (0.5, 7.0), (1.0, 7.0), (1.4, 8.0), (1.4, 5.5))  # s lost, of every so many s
BEGINS_S = 8.0  # a track has begun


def as_int8(net, rows) -> Fold:
    """The network as an int8 ONNX file, quantized on ``rows`` as in ``motion.as_files``."""
    import torch
    from quantize import OnnxRunner, onnx_fp32, onnx_int8

    torch.set_num_threads(1)
    whole = onnx_fp32(net, (torch.zeros(*rows[0].shape),), 1)
    return Fold(OnnxRunner(onnx_int8(whole, [(np.ascontiguousarray(x),) for x in rows[::6]])), "onnx-int8")


def row(data: Path, networks, gap_s: float, every_s: float, seed: int = 0) -> str:
    """A line: of all windows the share with a rate, the error as the mean of recordings, far errors, errors under two sd."""
    rng = np.random.default_rng(seed)
    rows, truth, at_rest = [], {}, inference.load("pulse")
    for name, model in networks.items():
        gap = (gap_s, every_s, BEGINS_S + rng.uniform(0.0, every_s)) if gap_s else None
        both = {"motion": model, "pulse": at_rest}
        readings, _, windows = follow(data / name, both.__getitem__ if model else None, gap=gap)
        rows += table(name, readings, windows)
        with np.load(data / name) as file:
            truth[name] = file["bpm"]
    figures = figures_of(rows, truth)
    error = np.array([abs(float(bpm) - truth[name][int(k)]) for name, k, bpm, *_ in rows if bpm])
    return (
        f"{gap_s:g} s of {every_s:g}: said {figures['answered']:.3f}, MAE {figures['mean_absolute_error_bpm']:.2f}, within "
        f"5 bpm {(error <= 5).mean():.4f}, within 10 bpm {(error <= 10).mean():.4f}, under two sd {figures['under_two_sd']:.3f}"
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--work", type=Path, default=ROOT / ".cache" / "motion")
    options = arguments.parse_args()
    data = options.data / "pulse" / "spc2015"
    found = sequences(data, options.work)
    networks = {}
    for k, name in enumerate(found):
        others = {other: pairs for other, pairs in found.items() if other != name}
        net = fitted(options.work / f"fold_{k}.pt", others)
        networks[name] = as_int8(net, rows_of(others))
    for label, used in (("network", networks), ("rule", dict.fromkeys(networks))):
        for gap_s, every_s in GAPS:
            print(f"{label}, {row(data, used, gap_s, every_s)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
