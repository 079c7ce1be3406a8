#!/usr/bin/env python3
"""What the camera says of irregular hearts: generated faces whose blood follows real beat intervals.

    python tools/train/camera_irregular.py --faces 200          # two minutes on one core

Beats are of the records of ``ppg/rr``, their waves drawn by ``synthetic_ppg``, the faces filmed as in
``camera_traces`` with a pulse of 0.12 to 1.2 % and a motion of 0.3 to 3 %. The truth is the mean rate of the beats of
the window; what a weak early beat does not send to the face cannot be counted there.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

from camera_report import SECONDS, judge
from camera_traces import of_wave
from data_folder import DATA
from synthetic_ppg import RATE_HZ, Intervals, drawn_train, load_intervals, render

from edge import inference

SEED = 4101
RHYTHMS = {
    "SR": "sinus rhythm",
    "AF": "atrial fibrillation",
    "PAC": "atrial extra beats",
    "PVC": "ventricular extra beats",
}


def errors(model: inference.Model, records: Intervals, label: str, faces: int, seed: list[int]) -> list[float]:
    """Of the faces that were answered, how far off, bpm."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(faces):
        train = drawn_train(records, label, rng, seconds=SECONDS)
        wave = render(train, rng, seconds=SECONDS)
        ac_dc, motion = np.exp(rng.uniform(np.log([0.0012, 0.003]), np.log([0.012, 0.03])))
        assert len(wave) == round(SECONDS * RATE_HZ)
        answer = judge(model, of_wave(rng, wave, RATE_HZ, ac_dc=float(ac_dc), motion=float(motion)))
        beats = train.t[(train.t > answer.t - 10.0) & (train.t < answer.t)]
        if isinstance(answer.value, float) and len(beats) > 3:
            found.append(abs(answer.value - 60.0 / float(np.diff(beats).mean())))
    return found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--model", type=Path, default=ROOT / "models" / "camera_pulse")
    arguments.add_argument("--faces", type=int, default=200)
    options = arguments.parse_args()
    model = inference.load("camera_pulse", root=options.model.parent, variant="onnx-int8")
    records = load_intervals(options.data / "ppg" / "rr")
    print(f"{options.faces} faces each; answered, of these off by more than 5 and 10 bpm")
    for k, (label, name) in enumerate(RHYTHMS.items()):
        e = np.array(errors(model, records, label, options.faces, [SEED, k]))
        print(f"{name:24s} {len(e) / options.faces:.3f}  {(e > 5).sum()}  {(e > 10).sum()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
