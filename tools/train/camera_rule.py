#!/usr/bin/env python3
"""Fit when the camera may say a number: the probability that the rate is right, from the evidence of a window.

    python tools/train/camera_rule.py --model models/camera_pulse       # about a minute and a half on one core

A logistic regression over ``edge.dsp.face.pulse.FEATURES`` on generated faces of the 28 people the network was trained
on and on generated things without a pulse (photographs, screens, lamps), through the exported int8 network; written to
the card. How it does on the other 14 people and fresh seeds is the report's to say.
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

from camera_pulse import region_traces, split
from camera_traces import generate, lifeless, waveforms
from data_folder import DATA
from logistic import logistic
from scipy.special import expit

from edge import inference
from edge.dsp.face.pulse import (
    FEATURES,
    both_spectra,
    evidence,
    features,
    peak_near,
    pos_spectrum,
)
from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, band_pass, pos
from edge.dsp.face.spectra import network_answer
from edge.dsp.resample import to_grid

SEED = 3001
ACCEPT = 0.93
LIFELESS = ("photo", "flicker", "screen", "lamp")


def seen(model, face):
    """Evidence of a face's window and whether its rate is right within 5 bpm; never for what has no pulse."""
    regions = region_traces(face)
    pulses = [band_pass(pos(rgb)) for rgb in regions]
    waves, by_network = network_answer(model.run, regions)
    by_pos = pos_spectrum(regions, pulses)
    spectrum = both_spectra(by_pos, by_network)
    bpm = peak_near(spectrum, float(GRID_BPM[spectrum.argmax()]))
    background, _ = to_grid(face.t, face.colours["background"], 0.0, 10.0, RATE_HZ, 0.25)
    return features(evidence(regions, pulses, waves, background, (by_pos, by_network, spectrum), bpm)), abs(
        bpm - face.bpm
    ) <= 5.0


def examples(model, people, faces: int, dead: int, seed: int):
    """``(features, right)`` of many windows."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(faces):
        ac_dc = float(np.exp(rng.uniform(np.log(0.0002), np.log(0.008))))
        motion = float(np.exp(rng.uniform(np.log(0.003), np.log(0.05))))
        flicker = float(rng.uniform(0, 0.004)) if rng.random() < 0.2 else 0.0
        face = generate(rng, people[rng.integers(len(people))], ac_dc=ac_dc, motion=motion, flicker=flicker)
        found.append(seen(model, face))
    found += [seen(model, lifeless(rng, kind)) for kind in LIFELESS for _ in range(dead)]
    return np.array([f for f, _ in found]), np.array([right for _, right in found], dtype=float)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--model", type=Path, default=ROOT / "models" / "camera_pulse")
    arguments.add_argument("--faces", type=int, default=3000)
    arguments.add_argument("--dead", type=int, default=400, help="of each kind without a pulse")
    options = arguments.parse_args()
    from quantize import amend_card

    people, _ = split(waveforms(options.data))
    model = inference.load("camera_pulse", root=options.model.parent, variant="onnx-int8")
    x, right = examples(model, people, options.faces, options.dead, SEED)
    centre, scale = x.mean(0), x.std(0)
    z = np.c_[(x - centre) / scale, np.ones(len(x))]
    w = logistic(z, right, np.r_[np.ones(x.shape[1]), 1e-9])
    said = expit(z @ w) >= ACCEPT
    print(f"said {said[: options.faces].mean():.3f} of faces, wrong {1 - right[said].mean():.4f} of what is said")
    for name, weight in zip((*FEATURES, "offset"), w, strict=True):
        print(f"{name:20s} {weight:+.2f}")
    rule = {
        "features": list(FEATURES),
        "centre": [round(float(v), 5) for v in centre],
        "scale": [round(float(v), 5) for v in scale],
        "weights": [round(float(v), 4) for v in w],
        "accept": ACCEPT,
    }
    amend_card(options.model, {"calibration": rule})
    return 0


if __name__ == "__main__":
    sys.exit(main())
