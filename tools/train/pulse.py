#!/usr/bin/env python3
"""Train the network that reads a pulse's rate at rest, on CinC 2015; cross-validate by record; export.

    python tools/train/pulse.py --cross-validate        # five networks into --work, each without a fifth of the records
    python tools/train/pulse_trees.py                   # what they are worth, and the trees that weigh what they say
    python tools/train/pulse.py                         # on all records, and with these trees into models/pulse

One seed, fixed beforehand. Windows of 16 s end every 2 s where the ECG's beats of the last 10 s are regular, and pass
the shipped front end (``edge/dsp/ppg/beats.py``, ``edge/dsp/rest/spectra.py``); the folds are those of ``pulse_rule.py``.
Networks that are fitted are kept in ``--work`` and taken up again; delete it to begin afresh. On one thread, as it is by
default, the same code, data and kind of processor give the same bits.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import pulse_rule
import synthetic_ppg
from data_folder import DATA
from variants import VARIANTS

from edge.dsp import synthesis
from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import Upright, band_passed
from edge.dsp.rest.spectra import GRID_BPM, RATE_HZ, network_input
from edge.types import Window

SEED = 2015
VERSION = "1.3.0"
ENDS_S = np.arange(20.0, 201.0, 2.0)
DEAD = 4000
STEP = round(pulse_rule.GRID_HZ / RATE_HZ)


def wave_of(window: Window):
    """The upright band-passed wave of a window at 50 Hz, ``(800,)`` float32; None where it is refused."""
    signal = quality.usable(window, pulse_rule.SPAN_S, pulse_rule.GRID_HZ, 0, pulse_rule.SPAN_S)
    if signal.reason:
        return None
    return Upright()(band_passed(signal.x, pulse_rule.GRID_HZ, hum=True))[::STEP].astype(np.float32)


def nothing(rng):
    """16 s that are no pulse: what the rhythm's network learns as such, or movement as slow as hearts; None where the
    front end refuses them."""
    n = round(pulse_rule.SPAN_S * pulse_rule.GRID_HZ)
    if rng.random() < 0.5:
        x = synthetic_ppg.wander(rng, n)
    else:
        x = np.concatenate([synthetic_ppg.noise_like(rng), synthetic_ppg.noise_like(rng)])[-n:]
    t = np.arange(n) / pulse_rule.GRID_HZ
    return wave_of(Window("file/ppg", 0.0, pulse_rule.SPAN_S, t, 1000.0 * x[:, None], pulse_rule.GRID_HZ, 1.0, ()))


def learned(data: Path, work: Path):
    """``wave, bpm, record, end, dead`` of ``pulse_net.Waves``, made once."""
    kept = work / "waves.npz"
    if not kept.exists():
        rows = [(i, end, truth, wave_of(window)) for i, end, truth, window in pulse_rule.windows(data, ENDS_S)]
        rows = [row for row in rows if row[3] is not None]
        drawn = (nothing(np.random.default_rng([SEED, k])) for k in range(DEAD))
        record, end, bpm, wave = (np.array([row[k] for row in rows]) for k in range(4))
        np.savez(kept, wave=wave, bpm=bpm, record=record, end=end, dead=np.stack([x for x in drawn if x is not None]))
    with np.load(kept) as file:
        return tuple(file[name] for name in ("wave", "bpm", "record", "end", "dead"))


def fitted(kept: Path, found, chosen):
    """The network fitted to the chosen windows, or the one kept from before."""
    import torch
    from pulse_net import PulseNet, Waves, fit

    if kept.exists():
        net = PulseNet()
        net.load_state_dict(torch.load(kept, weights_only=True))
        return net.eval()
    print(f"{kept.name}: {chosen.sum()} windows", flush=True)
    wave, bpm, record, end = (x[chosen] for x in found[:4])
    net = fit(Waves(wave, bpm, record, end, found[4]), SEED)
    torch.save(net.state_dict(), kept)
    return net


def inputs_of(waves, every: int):
    return [(network_input(wave),) for wave in waves[::every].astype(np.float64)]


def cross_validate(found, fold, work: Path) -> None:
    """Five networks, each as the four files, ``fold_K.VARIANT.onnx`` or ``.tflite``, in the folder."""
    import torch
    from quantize import litert_fp32, litert_int8, onnx_fp32, onnx_int8

    for k in range(pulse_rule.FOLDS):
        net = fitted(work / f"fold_{k}.pt", found, fold != k)
        example = (torch.zeros(1, *network_input(found[0][0]).shape[1:]),)
        calibration = inputs_of(found[0][fold != k], 40)
        onnx, litert = onnx_fp32(net, example, 1), litert_fp32(net, example)
        made = (onnx_int8(onnx, calibration), onnx, litert_int8(litert, calibration), litert)
        for variant, content in zip(VARIANTS, made, strict=True):
            (work / f"fold_{k}.{variant}").write_bytes(content)
        print(f"fold {k} done", flush=True)


def generated(count: int):
    """Inputs of the network from generated pulses, every fourth of it noise; no recording."""
    t = np.arange(round(pulse_rule.SPAN_S * pulse_rule.GRID_HZ)) / pulse_rule.GRID_HZ
    found = []
    for k in range(count):
        heart = synthesis.beats([synthesis.Episode(0.0, "sinus", 50.0 + 15.0 * k)], pulse_rule.SPAN_S + 2.0, seed=k)
        x = synthesis.ppg(heart, t, seed=k)
        x = x + (0.0 if k % 4 else 3.0) * x.std() * synthetic_ppg.coloured(np.random.default_rng(k), 1.0, len(t))
        wave = Upright()(band_passed(x, pulse_rule.GRID_HZ, hum=True))
        found.append((network_input(wave[::STEP]),))
    return found


def ship(net, found, trees: Path, folder: Path) -> None:
    """The four files, the trees, golden vectors and the card."""
    import torch
    from net_size import parameters
    from quantize import export

    card = {
        "version": VERSION,
        "task": "how likely each heart rate is the one of the last seconds of a pulse wave at rest",
        "input": {"rate_hz": 50, "window_s": 16.0, "scaling": "edge.dsp.rest.spectra.network_input"},
        "output": {"labels": [f"28 to 230 bpm in {len(GRID_BPM)} equal ratios"], "kind": "values"},
        "training": {
            "script": "tools/train/pulse.py",
            "data": "PhysioNet/CinC Challenge 2015, windows with a regular ECG; generated noise; "
            "trees also irregular windows, pulses of intervals of the MIT-BIH and Long-Term AF Databases, beats of "
            "Liu et al. 2022, and the IEEE Signal Processing Cup 2015 without its accelerometer",
            "terms": "PhysioNet: ODC-By; Liu, Signal Processing Cup (Zhang et al. 2015): cite; recordings not redistributed",
            "split": "five folds by record for the figures; shipped weights fitted on all",
            "seed": SEED,
            "parameters": parameters(net),
        },
        "limits": {"text": "Pulse oximeters in intensive care, at rest. The rule in edge/dsp/rest/rate.py decides."},
    }
    example = (torch.zeros(*network_input(found[0][0]).shape),)
    parity = export(net, example, inputs_of(found[0], 40), folder, "pulse", generated(8), card,
                    parity=inputs_of(found[0][7:], 60), atol_int8=0.1,
                    beside={"trees": trees.read_bytes()})  # fmt: skip
    for line in parity.values():
        print(line)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--cross-validate", action="store_true")
    arguments.add_argument("--models", type=Path, default=ROOT / "models" / "pulse")
    arguments.add_argument("--work", type=Path, default=ROOT / ".cache" / "pulse")
    options = arguments.parse_args()
    import torch

    torch.set_num_threads(1)
    began = time.time()
    options.work.mkdir(parents=True, exist_ok=True)
    found = learned(options.data / "ppg" / "cinc2015.npz", options.work)
    if options.cross_validate:
        cross_validate(found, pulse_rule.folds(found[2]), options.work)
    else:
        net = fitted(options.work / "final.pt", found, np.ones(len(found[2]), dtype=bool))
        ship(net, found, options.work / "trees.npz", options.models)
    print(f"{time.time() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
