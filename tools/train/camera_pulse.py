#!/usr/bin/env python3
"""Train the camera's pulse extractor: a small network from the traces of a face's skin regions to its pulse.

    python tools/train/camera_pulse.py --out models/camera_pulse       # seed 7, about fifteen minutes on one core

Trains on generated faces with the pulse waveforms of 28 of the 42 people of ``contact_bvp_ubfc.npz``, measures on the
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

from camera_traces import SECONDS, generate, waveforms

from edge.dsp.face_columns import SKIN
from edge.dsp.face_pulse import both_spectra, network_input, network_spectrum, pos_spectrum
from edge.dsp.resample import to_grid
from edge.dsp.rppg import GRID_BPM, RATE_HZ, band_pass, chrom, pos

SEED = 7
HELD_OUT = 14
CELLS = ((0.0004, 0.01), (0.0008, 0.01), (0.0016, 0.01), (0.0016, 0.03), (0.004, 0.01), (0.004, 0.05))


def network(width: int = 16):
    """Convolutions over time, height 1. Regions of one face are rows of the batch and share the weights; how large an
    answer is says how sure the network is, since the mean over regions is what is used."""
    from torch import nn

    def block(dilation: int) -> nn.Sequential:
        pad = 4 * dilation
        return nn.Sequential(
            nn.Conv2d(width, width, (1, 9), padding=(0, pad), dilation=(1, dilation), groups=width),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
        )

    return nn.Sequential(
        nn.Conv2d(4, width, (1, 9), padding=(0, 4)), nn.ReLU(),
        block(1), block(2), block(4), block(8), block(12), block(4), block(1),
        nn.Conv2d(width, 1, (1, 1)),
    )  # fmt: skip


def split(everybody):
    """Training people and held-out people, always the same."""
    names = sorted(everybody)
    np.random.default_rng(SEED).shuffle(names)
    return [everybody[n] for n in names[HELD_OUT:]], [everybody[n] for n in names[:HELD_OUT]]


def face_input(face):
    """What the network takes of each region of a face, ``(4, 4, 1, 300)``."""
    regions = region_traces(face)
    return np.stack([network_input(rgb, band_pass(pos(rgb))) for rgb in regions])


def region_traces(face):
    """The skin's colours on the even grid, as the analyzer resamples them."""
    end = SECONDS
    return [to_grid(face.t, face.colours[area], 0.0, end, RATE_HZ, 0.25)[0] for area in SKIN]


def sample(rng, people):
    """One training pair: network input ``(4, 4, 1, 300)``, pulse ``(300,)`` and rate, bpm."""
    ac_dc = float(np.exp(rng.uniform(np.log(0.0002), np.log(0.006))))
    motion = float(np.exp(rng.uniform(np.log(0.002), np.log(0.05))))
    flicker = float(rng.uniform(0, 0.004)) if rng.random() < 0.2 else 0.0
    face = generate(rng, people[rng.integers(len(people))], ac_dc=ac_dc, motion=motion, flicker=flicker)
    return face_input(face), face.pulse, face.bpm


def loss_of(out, truth, bpm):
    """One minus the correlation with the pulse, and the log of the share of power at its rate and twice that."""
    import torch

    out = out[:, :, 0, 0].mean(1)
    out = out - out.mean(1, keepdim=True)
    correlation = (out * truth).mean(1) / (out.std(1) + 1e-3) / (truth.std(1) + 1e-3)
    power = torch.fft.rfft(out * torch.hann_window(out.shape[1]), 2048).abs() ** 2
    at = torch.arange(power.shape[1]) * 30.0 * 60.0 / 2048
    inside = (at > 38.0) & (at < 225.0)
    near = (at[None] - bpm[:, None]).abs() < 4.0
    double = (at[None] - 2.0 * bpm[:, None]).abs() < 6.0
    total = (power * inside).sum(1) + 1e-4
    share = (power * (near & inside)).sum(1) / total + 0.3 * (power * (double & inside)).sum(1) / total
    return (1 - correlation).mean() - torch.log(share + 0.02).mean()


def train(people, *, samples: int, epochs: int, seed: int):
    """The trained network, and the inputs it was trained on ``(n, 4, 4, 1, 300)``."""
    import torch

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    drawn = [sample(rng, people) for _ in range(samples)]
    x = torch.tensor(np.stack([d[0] for d in drawn]))
    y = torch.tensor(np.stack([d[1] for d in drawn]), dtype=torch.float32)
    bpm = torch.tensor([d[2] for d in drawn], dtype=torch.float32)
    net = network()
    steps = epochs * (samples // 64)
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, total_steps=steps)
    started = time.time()
    for epoch in range(epochs):
        order, total = torch.randperm(samples), 0.0
        for k in range(samples // 64):
            pick = order[64 * k : 64 * k + 64]
            rows = x[pick].reshape(-1, *x.shape[2:])
            loss = loss_of(net(rows).reshape(len(pick), -1, 1, 1, x.shape[-1]), y[pick], bpm[pick])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(
            f"epoch {epoch + 1}/{epochs} loss {total / (samples // 64):.3f} {time.time() - started:.0f} s", flush=True
        )
    return net.eval(), x.numpy()


def measure(runs, people, *, faces: int, seed: int) -> dict[str, dict[str, float]]:
    """Share of faces within 5 bpm by pulse strength and motion, without any refusal, all on the same faces: POS, CHROM,
    each network of ``runs`` by its name, POS and the first network together; and what each network gains over POS, with
    the standard error of that difference."""
    table = {}
    for cell, (ac_dc, motion) in enumerate(CELLS):
        rng = np.random.default_rng([seed, cell])
        right: dict[str, list[bool]] = {name: [] for name in ("pos", "chrom", *runs, "both")}
        for _ in range(faces):
            face = generate(rng, people[rng.integers(len(people))], ac_dc=ac_dc, motion=motion)
            regions = region_traces(face)
            pulses = [band_pass(pos(rgb)) for rgb in regions]
            given = np.stack([network_input(rgb, p) for rgb, p in zip(regions, pulses, strict=True)])
            networks = {name: network_spectrum(run(given)) for name, run in runs.items()}
            seen = {"pos": pos_spectrum(regions, pulses), **networks}
            seen["chrom"] = pos_spectrum(regions, [band_pass(chrom(rgb)) for rgb in regions], chrom)
            seen["both"] = both_spectra(seen["pos"], next(iter(networks.values())))
            for name, spectrum in seen.items():
                right[name].append(abs(GRID_BPM[spectrum.argmax()] - face.bpm) <= 5)
        row = {name: float(np.mean(hits)) for name, hits in right.items()}
        for name in runs:
            gain = np.array(right[name], float) - np.array(right["pos"], float)
            row |= {f"{name} gain": float(gain.mean()), f"{name} gain_se": float(gain.std() / np.sqrt(faces))}
        table[f"pulse {ac_dc * 100:.2f} % motion {motion * 100:.0f} %"] = {k: round(v, 4) for k, v in row.items()}
    return table


def ship(net, x, out: Path) -> None:
    """Export the network with its golden vectors; x: training inputs, for the scales of int8 and the parity check."""
    import torch

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from quantize import export

    rows = x.reshape(-1, *x.shape[2:])  # regions are rows

    def some(indices):
        return [(rows[i : i + 1],) for i in indices]

    card = {
        "version": "1.1.0",
        "task": "pulse wave from the colour traces of one skin region of a face, 10 s at 30 Hz",
        "input": {
            "rate_hz": 30,
            "window_s": 10.0,
            "scaling": "R, G, B over their means, 0.6-4 Hz, divided by green's deviation; POS over its own; clip 4",
        },
        "output": {"labels": ["pulse"], "kind": "values"},
        "training": {
            "script": "tools/train/camera_pulse.py",
            "data": "generated faces with contact waveforms of 28 of 42 people of UBFC-rPPG",
            "terms": "UBFC-rPPG research terms; no recording is part of this repository",
            "split": "by person: 28 to train, 14 to measure",
            "seed": SEED,
        },
        "limits": {
            "text": "Measured on generated faces only, whose skin model flatters POS. No accuracy on people is claimed."
        },
    }
    parity = export(net, (torch.zeros(1, 4, 1, 300),), some(range(0, 1600, 4)), out, "camera_pulse",
                    some(range(2000, 2008)), card, parity=some(range(2400, 2600)), atol_int8=0.35)  # fmt: skip
    for runtime, found in parity.items():
        print(runtime, found)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("EDGE_VITALS_DATA", "../shared/data")))
    arguments.add_argument("--out", type=Path, default=Path("models/camera_pulse"))
    arguments.add_argument("--samples", type=int, default=12_000)
    arguments.add_argument("--epochs", type=int, default=16)
    arguments.add_argument("--faces", type=int, default=200, help="per cell of the measurement")
    options = arguments.parse_args()
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    train_people, held_out = split(waveforms(options.data))
    net, x = train(train_people, samples=options.samples, epochs=options.epochs, seed=SEED)

    def run(batch):
        with torch.no_grad():
            return net(torch.tensor(batch)).numpy()

    print(json.dumps(measure({"network": run}, held_out, faces=options.faces, seed=SEED + 1000), indent=1))
    ship(net, x, options.out)
    print("next: tools/train/camera_rule.py, then tools/train/camera_report.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
