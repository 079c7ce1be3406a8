#!/usr/bin/env python3
"""Train the camera's second opinion: a 2.4 k-parameter network from traces of one skin region to its pulse.

    python tools/train/camera_pulse.py --out models/camera_pulse       # seed 7, about three minutes on two cores

Trains on generated traces with the pulse waveforms of 28 of the 42 people of ``contact_bvp_ubfc.npz``, measures on the
other 14 with fresh seeds, beside POS, and exports through tools/quantize.py. Needs torch; see tools/quantize.py.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from camera_traces import trace, waveforms

from edge.analyzers.camera_pulse import network_input
from edge.dsp.rppg import GRID_BPM, band_pass, pos, power

SEED = 7
HELD_OUT = 14
CELLS = ((0.0004, 0.01), (0.0008, 0.01), (0.0016, 0.01), (0.0016, 0.03), (0.004, 0.01), (0.004, 0.05))


def network(width: int = 12):
    """Convolutions over time, height 1; weights are shared over regions because each region is one row of the batch."""
    from torch import nn

    def block(dilation: int) -> nn.Sequential:
        pad = 4 * dilation
        return nn.Sequential(
            nn.Conv2d(width, width, (1, 9), padding=(0, pad), dilation=(1, dilation), groups=width),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
        )

    return nn.Sequential(
        nn.Conv2d(4, width, (1, 9), padding=(0, 4)), nn.ReLU(), block(1), block(2), block(4), block(8), block(1),
        nn.Conv2d(width, 1, (1, 1)),
    )  # fmt: skip


def sample(rng, people):
    """One training pair: network input ``(4, 1, 300)`` and pulse ``(300,)``."""
    wave = people[rng.integers(len(people))]
    ac_dc = float(np.exp(rng.uniform(np.log(0.0003), np.log(0.008))))
    motion = float(np.exp(rng.uniform(np.log(0.001), np.log(0.06))))
    flicker = float(rng.uniform(0, 0.004)) if rng.random() < 0.2 else 0.0
    rgb, truth, _ = trace(rng, wave, ac_dc=ac_dc, motion=motion, flicker=flicker)
    return network_input(rgb, band_pass(pos(rgb))), -truth


def loss_of(out, truth):
    """One minus the correlation with the pulse, and the same for spectra at the rates that count."""
    import torch

    out = out[:, 0, 0] - out[:, 0, 0].mean(1, keepdim=True)
    correlation = (out * truth).mean(1) / (out.std(1) + 1e-4) / (truth.std(1) + 1e-4)
    scale = ((out.std(1) - 1.0) ** 2).mean()
    a, b = torch.fft.rfft(out, 1024).abs()[:, 20:130], torch.fft.rfft(truth, 1024).abs()[:, 20:130]
    spectral = 1 - (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-6)
    return (1 - correlation).mean() + spectral.mean() + 0.05 * scale


def train(people, *, samples: int, epochs: int, seed: int):
    """The trained network."""
    import torch

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    pairs = [sample(rng, people) for _ in range(samples)]
    x = torch.tensor(np.stack([p[0] for p in pairs]))
    y = torch.tensor(np.stack([p[1] for p in pairs]), dtype=torch.float32)
    net = network()
    steps = epochs * (samples // 64)
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, total_steps=steps)
    started = time.time()
    for epoch in range(epochs):
        order, total = torch.randperm(samples), 0.0
        for k in range(samples // 64):
            pick = order[64 * k : 64 * k + 64]
            loss = loss_of(net(x[pick]), y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(
            f"epoch {epoch + 1}/{epochs} loss {total / (samples // 64):.3f} {time.time() - started:.0f} s", flush=True
        )
    return net.eval(), x.numpy()


def measure(run, people, *, traces: int, seed: int) -> dict[str, dict[str, float]]:
    """Share within 5 bpm by pulse strength and motion, for POS and the network, with standard errors."""
    rng = np.random.default_rng(seed)
    table = {}
    for ac_dc, motion in CELLS:
        right = {"pos": [], "network": []}
        for _ in range(traces):
            rgb, _, bpm = trace(rng, people[rng.integers(len(people))], ac_dc=ac_dc, motion=motion)
            pulse = band_pass(pos(rgb))
            wave = band_pass(run(network_input(rgb, pulse)[None])[0, 0, 0].astype(np.float64))
            for name, signal in (("pos", pulse), ("network", wave)):
                right[name].append(abs(GRID_BPM[power(signal).argmax()] - bpm) <= 5)
        cell = {name: float(np.mean(hits)) for name, hits in right.items()}
        cell["standard_error"] = float(np.sqrt(cell["network"] * (1 - cell["network"]) / traces))
        table[f"pulse {ac_dc * 100:.2f} % motion {motion * 100:.0f} %"] = {k: round(v, 3) for k, v in cell.items()}
    return table


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("EDGE_VITALS_DATA", "../shared/data")))
    arguments.add_argument("--out", type=Path, default=Path("models/camera_pulse"))
    arguments.add_argument("--samples", type=int, default=12_000)
    arguments.add_argument("--epochs", type=int, default=16)
    arguments.add_argument("--traces", type=int, default=500, help="per cell of the measurement")
    options = arguments.parse_args()
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    everybody = waveforms(options.data)
    names = sorted(everybody)
    np.random.default_rng(SEED).shuffle(names)
    train_people = [everybody[n] for n in names[HELD_OUT:]]
    held_out = [everybody[n] for n in names[:HELD_OUT]]
    net, x = train(train_people, samples=options.samples, epochs=options.epochs, seed=SEED)

    def run(batch):
        with torch.no_grad():
            return net(torch.tensor(batch)).numpy()

    table = measure(run, held_out, traces=options.traces, seed=SEED + 1000)
    print(json.dumps(table, indent=1))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from quantize import export

    def rows(indices):
        return [(x[i : i + 1],) for i in indices]

    card = {
        "version": "1.0.0",
        "task": "pulse wave from the colour traces of one skin region of a face, 10 s at 30 Hz; a second opinion",
        "input": {
            "rate_hz": 30,
            "window_s": 10.0,
            "scaling": "R, G, B over their means, 0.6-4 Hz, divided by green's deviation; POS over its own; clip 4",
        },
        "output": {"labels": ["pulse"], "kind": "values"},
        "training": {
            "script": "tools/train/camera_pulse.py",
            "data": "generated traces with contact waveforms of 28 of 42 people of UBFC-rPPG",
            "terms": "UBFC-rPPG research terms; no recording is part of this repository",
            "split": "by person: 28 to train, 14 to measure",
            "seed": SEED,
        },
        "figures": {"within_5_bpm": table},
        "calibration": {"role": "second opinion: refuses when it is sure of another rate"},
        "limits": {
            "text": "Measured on generated traces only, whose skin model flatters POS. No accuracy on people is claimed."
        },
    }
    parity = export(net, (torch.zeros(1, 4, 1, 300),), rows(range(300)), options.out, "camera_pulse",
                    rows(range(400, 408)), card, parity=rows(range(500, 700)), atol_int8=0.35)  # fmt: skip
    for runtime, found in parity.items():
        print(runtime, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
