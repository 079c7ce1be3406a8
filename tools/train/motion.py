#!/usr/bin/env python3
"""Train the network that weighs spectra under motion, on ``pulse/spc2015``; cross-validate by recording; export.

    python tools/train/motion.py                                          # on all 13, and write models/motion
    python tools/train/motion.py --cross-validate --out predictions.csv   # every recording by a network that never saw it

One seed, fixed beforehand. Each recording is also played at other speeds, so that its rates become others, and all of
these also with more of the recording's own movement in the pulse, by a factor that wanders. The recording a fold's
network never saw goes through the shipped analyzer with that network, as int8 and fp32 files of both runtimes; their
figures go into the card, the predictions of int8 in ONNX Runtime into ``--out``. Networks that are fitted are kept in
``--work`` and taken up again; delete it to begin afresh.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

from data_folder import DATA
from variants import VARIANTS

from edge import inference
from edge.dsp import synthesis
from edge.dsp.motion.spectra import GRID_BPM, RATE_HZ, SHORT_S, in_band, network_input, residual, spectra
from edge.dsp.resample import even_to_grid, to_grid

SEED = 2015
SPEEDS = (1.0, 0.7, 0.78, 0.86, 0.93, 1.08, 1.17, 1.27, 1.4)
HOP_S, KEEP_S = 2.0, 16.0
SHAKEN, SWING_S = (1.0, 4.0), 3.0
"""The top of the factors on a shaken recording's own movement lies between these; they wander at this pace."""
DRAWS = 20_000
VERSION = "1.2.0"


def sequence(path: Path, speed: float, rng=None):
    """``(inputs (n, 7, 193) float32, bpm (n,) float32)`` of a recording played ``speed`` times as fast.

    rng: shakes it, with factors drawn from it; None leaves it as it is.
    """
    with np.load(path) as d:
        fs, bpm = float(d["fs"]), d["bpm"]
        ppg, acc = d["ppg"].T.astype(np.float64), d["acc"].T.astype(np.float64)
    length_s = len(ppg) / fs / speed
    if speed == 1.0:
        t = np.arange(len(ppg)) / fs
        ppg, acc = (even_to_grid(t, x, 0.0, length_s, fs, RATE_HZ) for x in (ppg, acc))
    else:
        ppg, acc = (_played(x, fs, speed) for x in (ppg, acc))
    centres = np.arange(len(bpm)) * HOP_S + SHORT_S / 2
    factors = None if rng is None else swings(len(ppg), ppg.shape[1], rng)
    rows, truth = [], []
    for k in range(int((length_s - SHORT_S) // HOP_S) + 1):
        end, begin = (round(s * RATE_HZ) for s in (SHORT_S + k * HOP_S, max(0.0, SHORT_S + k * HOP_S - KEEP_S)))
        middle = (SHORT_S / 2 + k * HOP_S) * speed
        if end > len(ppg) or middle > centres[-1] + 1.0:
            break
        seen, moved = ppg[begin:end], acc[begin:end]
        if factors is not None:
            seen = seen + factors[begin:end] * explained(seen, moved)
        rows.append(network_input(spectra(seen, moved))[0, :, 0])
        truth.append(np.interp(middle, centres, bpm) * speed)
    return np.array(rows, dtype=np.float32), np.array(truth, dtype=np.float32)


def swings(n: int, channels: int, rng):
    """Factors ``(n, channels)`` at 25 Hz that wander between 0 and one top."""
    knots = np.arange(0.0, n / RATE_HZ + SWING_S, SWING_S)
    top = rng.uniform(*SHAKEN)
    t = np.arange(n) / RATE_HZ
    return np.stack([np.interp(t, knots, rng.uniform(0.0, top, len(knots))) for _ in range(channels)], axis=1)


def explained(ppg, acc):
    """What movement ``acc (n, axes)`` explains of ``ppg (n, channels)``, both at 25 Hz."""
    x = in_band(ppg)
    return x - residual(x, in_band(acc))


def _played(x, fs: float, speed: float):
    """Samples at 25 Hz of a recording played faster or slower: the same samples at another rate, then a cubic curve."""
    t = np.arange(len(x)) / (fs * speed)
    return to_grid(t, x, 0.0, float(t[-1]), RATE_HZ, 0.25)[0]


def sequences(data: Path, work: Path):
    """By recording: its sequences at every speed at which the rates stay on the grid, as they are and shaken; the true
    speed as it is comes first."""
    found = {}
    for number, path in enumerate(sorted(data.glob("*.npz"))):
        kept = work / f"{path.stem}.npz"
        if not kept.exists():
            arrays = {}
            for k, speed in enumerate(SPEEDS):
                x, y = sequence(path, speed)
                if speed == 1.0 or ((y > GRID_BPM[0] + 4) & (y < GRID_BPM[-1] - 4)).mean() > 0.98:
                    arrays[f"x{k}"], arrays[f"y{k}"] = x, y
                    shaken = sequence(path, speed, np.random.default_rng((SEED, number, k)))
                    arrays[f"x{k} shaken"], arrays[f"y{k} shaken"] = shaken
            np.savez(kept, **arrays)
        with np.load(kept) as d:
            found[path.name] = [(d[name], d[f"y{name[1:]}"]) for name in d if name.startswith("x")]
    return found


def generated(count: int):
    """Inputs of the network from generated pulses and arm movement, half of it in step with the heart; no recording."""
    t = np.arange(round(KEEP_S * RATE_HZ)) / RATE_HZ
    found = []
    for k in range(count):
        heart = synthesis.beats([synthesis.Episode(0.0, "sinus", 60.0 + 15.0 * k)], KEEP_S + 2.0, seed=k)
        acc = synthesis.acceleration(t, motion=[(0.0, KEEP_S)], seed=k)
        shaken = 0.002 * (1 + k % 4) * (acc[:, :1] - acc[:, :1].mean())
        ppg = np.stack([synthesis.ppg(heart, t, seed=10 * k + c) for c in range(2)], axis=1)
        scale = ppg.std()
        found.append((network_input(spectra(ppg + scale * shaken, acc)),))
    return found


def ship(net, training, folder: Path) -> None:
    """The four files, golden vectors and the card."""
    import torch
    from net_size import parameters
    from quantize import export

    rows = rows_of(training)

    def some(indices):
        return [(np.ascontiguousarray(rows[i]),) for i in indices]

    n = len(rows)
    card = {
        "version": VERSION,
        "task": "how well each heart rate explains the last seconds of pulse and movement",
        "input": {"rate_hz": 25, "window_s": 16.0, "scaling": "edge.dsp.motion.spectra.network_input"},
        "output": {"labels": ["30 to 222 bpm by 1"], "kind": "values"},
        "training": {
            "script": "tools/train/motion.py",
            "data": "IEEE Signal Processing Cup 2015 (Zhang et al., IEEE TBME 2015;62:522), 13 recordings",
            "terms": "cite; no licence stated; recordings not redistributed",
            "split": "leave one recording out for the figures; shipped weights fitted on all 13",
            "seed": SEED,
            "parameters": parameters(net),
        },
        "limits": {"text": "Treadmill and arm exercise of 13 recordings. Without an accelerometer it is not used."},
    }
    example = (torch.zeros(*rows[0].shape),)
    export(net, example, some(range(0, n, 6)), folder, "motion", generated(8), card,
           parity=some(range(5, n, 9)), atol_int8=0.1)  # fmt: skip


class Fold:
    """A fold's network as a file of one runtime, in the place of a loaded model."""

    def __init__(self, runner, variant: str) -> None:
        self._runner, self.identity = runner, f"motion in training {variant}"

    def run(self, *inputs):
        return self._runner(*inputs)


def as_files(net, rows):
    """The network as each of ``VARIANTS``, quantized on ``rows``."""
    import torch
    from quantize import LitertRunner, OnnxRunner, litert_fp32, litert_int8, onnx_fp32, onnx_int8

    example = (torch.zeros(*rows[0].shape),)
    calibration = [(np.ascontiguousarray(row),) for row in rows[::6]]
    onnx, litert = onnx_fp32(net, example, 1), litert_fp32(net, example)
    runners = (
        OnnxRunner(onnx_int8(onnx, calibration)),
        OnnxRunner(onnx),
        LitertRunner(litert_int8(litert, calibration)),
        LitertRunner(litert),
    )
    return {variant: Fold(runner, variant) for variant, runner in zip(VARIANTS, runners, strict=True)}


def rows_of(training):
    """Inputs at the true speed, ``(n, 1, 7, 1, 193)``: what networks are quantized on."""
    return np.concatenate([pairs[0][0] for pairs in training.values()])[:, None, :, None, :]


def cross_validate(data: Path, work: Path, out: Path, models: Path) -> None:
    """Each recording by the network fitted on the other twelve, as each kind of file, through the shipped analyzer; and
    by the rule without learned weights, beside ``out``. Their figures go into the card of ``models``."""
    from evaluation.pulse import HEADER, follow, table
    from quantize import amend_card

    found, at_rest = sequences(data, work), inference.load("pulse")
    rows: dict[str, list[Any]] = {kind: [] for kind in (*VARIANTS, "rule")}
    for k, name in enumerate(found):
        others = {other: pairs for other, pairs in found.items() if other != name}
        net = fitted(work / f"fold_{k}.pt", others)
        for kind, model in {**as_files(net, rows_of(others)), "rule": None}.items():
            networks = {"motion": model, "pulse": at_rest}
            readings, _, windows = follow(data / name, networks.__getitem__ if model else None)
            rows[kind] += table(name, readings, windows)
        print(f"{name} done", flush=True)
    for kind, path in ((VARIANTS[0], out), ("rule", out.with_name(f"{out.stem}.rule{out.suffix}"))):
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *rows[kind]])
    truth = {name: np.load(data / name)["bpm"] for name in found}
    figures = {kind: figures_of(rows[kind], truth) for kind in (*VARIANTS, "rule")}
    amend_card(models, {"figures": figures})
    for kind, figure in figures.items():
        print(kind, figure)
    each = by_recording(said_of(rows[VARIANTS[0]], truth), truth)
    low, high = interval(each)
    print(
        f"{VARIANTS[0]}: by recording {min(each):.2f} to {max(each):.2f}, 95 % interval of the mean {low:.2f} to {high:.2f}"
    )


def figures_of(rows, truth):
    """What the card says of predictions in the columns of ``evaluation.pulse``."""
    said = said_of(rows, truth)
    error, sd = (np.array([row[i] for row in said]) for i in (1, 2))
    surest = np.argsort(sd, kind="stable")[: int(0.8 * len(sd))]
    figures = {
        "mean_absolute_error_bpm": np.mean(by_recording(said, truth)),
        "surest_80_percent_bpm": error[surest].mean(),
        "under_two_sd": (error < 2 * sd).mean(),
        "answered": len(said) / len(rows),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def said_of(rows, truth):
    """Recording, error and standard deviation of every rate that is said, bpm."""
    return [(name, abs(float(bpm) - truth[name][int(k)]), float(sd)) for name, k, bpm, sd, *_ in rows if bpm]


def by_recording(said, truth):
    """The mean error of each recording, bpm."""
    return [np.mean([error for name, error, _ in said if name == recording]) for recording in truth]


def interval(each) -> tuple[float, float]:
    """Where 95 % of the means lie when as many of ``each`` are drawn anew."""
    drawn = np.random.default_rng(SEED).choice(np.array(each), (DRAWS, len(each)))
    low, high = np.quantile(drawn.mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def fitted(kept: Path, training):
    """The network fitted to these recordings, or the one kept from before."""
    import torch
    from motion_net import MotionNet, fit

    if kept.exists():
        net = MotionNet()
        net.load_state_dict(torch.load(kept, weights_only=True))
        return net.eval()
    net = fit([pair for pairs in training.values() for pair in pairs], SEED)
    torch.save(net.state_dict(), kept)
    return net


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--cross-validate", action="store_true")
    arguments.add_argument("--out", type=Path, help="where --cross-validate writes its predictions")
    arguments.add_argument("--models", type=Path, default=ROOT / "models" / "motion")
    arguments.add_argument("--work", type=Path, default=ROOT / ".cache" / "motion")
    options = arguments.parse_args()
    if options.cross_validate and options.out is None:
        arguments.error("--cross-validate needs --out")
    import torch

    torch.set_num_threads(1)
    began = time.time()
    options.work.mkdir(parents=True, exist_ok=True)
    data = options.data / "pulse" / "spc2015"
    if options.cross_validate:
        cross_validate(data, options.work, options.out, options.models)
    else:
        found = sequences(data, options.work)
        net = fitted(options.work / "final.pt", found)
        ship(net, found, options.models)
    print(f"{time.time() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
