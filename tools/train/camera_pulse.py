#!/usr/bin/env python3
"""Train the camera's pulse extractor: a small network from the spectra of a face's skin regions to its pulse.

    python tools/train/camera_pulse.py --out models/camera_pulse       # seed 7, about five minutes on one core

Trains on generated faces with the pulse waveforms of 28 of the 42 people of ``contact_bvp_ubfc.npz``, measures on the
other 14 with fresh seeds, beside POS, and exports through tools/quantize. Needs torch; see there.
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

from camera_traces import SECONDS, SKIN_RGB, generate, waveforms
from data_folder import DATA

from edge.dsp.face.columns import SKIN
from edge.dsp.face.pulse import both_spectra, pos_spectrum
from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, band_pass, chrom, pos
from edge.dsp.face.spectra import BINS_HZ, CHANNELS, ROWS, network_answer, network_input, skin_spectra
from edge.dsp.resample import to_grid

SEED = 7
HELD_OUT = 14
NEAR_BPM = 4.5
CELLS = (
    *((ac_dc, motion, None) for ac_dc, motion in ((0.0004, 0.01), (0.0008, 0.01), (0.0016, 0.01), (0.0016, 0.03))),
    *((0.004, motion, None) for motion in (0.01, 0.05)),
    *((0.0016, 0.01, skin) for skin in SKIN_RGB),
)
"""Pulse, motion and skin of the faces that are measured; None: drawn at random."""


def network(width: int = 24):
    """From ``edge.dsp.face.spectra.network_input`` to log-likelihoods of rates and log-gains of every region, axis and
    frequency. Convolutions over frequency; regions are rows that share the weights and see the mean of all rows."""
    import torch
    from torch import nn

    def along(channels: int, length: int, dilation: int = 1) -> nn.Sequential:
        pad = (0, dilation * (length // 2))
        return nn.Sequential(
            nn.Conv2d(channels, channels, (1, length), padding=pad, dilation=(1, dilation), groups=channels),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
        )

    class Extractor(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Sequential(nn.Conv2d(CHANNELS, width, (1, 5), padding=(0, 2)), nn.ReLU(), along(width, 5))
            self.own, self.others = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
            self.judge = along(width, 9)
            self.gains = nn.Conv2d(width, 3, 1)
            self.rates = nn.Sequential(along(width, 9), along(width, 9, 2), nn.Conv2d(width, 1, 1))

        def forward(self, x):
            seen = self.look(x)
            joint = torch.relu(self.own(seen) + self.others(seen.mean(2, keepdim=True)))
            judged = self.judge(joint)
            return self.rates(judged.mean(2, keepdim=True)), self.gains(judged)

    return Extractor()


def split(everybody):
    """Training people and held-out people, always the same."""
    names = sorted(everybody)
    np.random.default_rng(SEED).shuffle(names)
    return [everybody[n] for n in names[HELD_OUT:]], [everybody[n] for n in names[:HELD_OUT]]


def region_traces(face):
    """The skin's colours on the even grid, as the analyzer resamples them."""
    end = SECONDS
    return [to_grid(face.t, face.colours[area], 0.0, end, RATE_HZ, 0.25)[0] for area in SKIN]


def sample(rng, people):
    """One training face: network input, what its gains multiply ``(4, 3, 71)``, the pulse's spectrum ``(71,)`` and rate.

    Most pulses are weak. A third of the faces are seen through another camera: white that is not quite white, and a
    gamma, so that shine is not where the skin model has it; in some only two or three regions are seen.
    """
    weak = rng.random() < 0.6
    ac_dc = float(np.exp(rng.uniform(*np.log((0.0002, 0.0012) if weak else (0.0008, 0.006)))))
    motion = float(np.exp(rng.uniform(np.log(0.002), np.log(0.05))))
    flicker = float(rng.uniform(0, 0.004)) if rng.random() < 0.2 else 0.0
    face = generate(rng, people[rng.integers(len(people))], ac_dc=ac_dc, motion=motion, flicker=flicker)
    regions = region_traces(face)
    if rng.random() < 1 / 3:
        tint, gamma = rng.uniform(0.94, 1.06, 3), rng.uniform(1.0, 2.2)
        regions = [255.0 * np.maximum(rgb * tint / 255.0, 1e-3) ** (1.0 / gamma) for rgb in regions]
    if rng.random() < 0.15:
        regions = regions[: rng.integers(2, len(regions))]
    spectra = skin_spectra(regions)
    trusted = spectra.trusted()[np.arange(ROWS) % len(regions)]
    window = np.hanning(len(face.pulse) + 2)[1:-1]
    tones = np.exp(-2j * np.pi * np.outer(BINS_HZ, np.arange(len(face.pulse)) / RATE_HZ))
    return network_input(spectra)[0], trusted, tones @ (face.pulse * window), face.bpm


def loss_of(likelihood, gains, trusted, pulse, bpm):
    """The log of the probability near the true rate, and one minus the correlation of the wave with the pulse, both as
    spectra of tapered windows."""
    import torch

    at = torch.tensor(60.0 * BINS_HZ, dtype=torch.float32)
    away = (at[None] - bpm[:, None]).abs() >= NEAR_BPM
    log_p = torch.log_softmax(likelihood.reshape(len(bpm), -1), 1)
    wave = (torch.exp(gains.clamp(-6.0, 6.0)).permute(0, 2, 1, 3) * trusted).sum((1, 2))
    both = (wave.conj() * pulse).real.sum(1)
    size = torch.linalg.vector_norm(wave, dim=1) * torch.linalg.vector_norm(pulse, dim=1) + 1e-6
    return -torch.logsumexp(log_p.masked_fill(away, -1e9), 1).mean() + (1 - both / size).mean()


def train(people, *, samples: int, epochs: int, seed: int):
    """The trained network, and the inputs it was trained on ``(n, 24, 4, 71)``."""
    import torch

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x = torch.empty(samples, CHANNELS, ROWS, len(BINS_HZ), dtype=torch.float16)
    trusted = torch.empty(samples, ROWS, 3, len(BINS_HZ), dtype=torch.complex64)
    pulse = torch.empty(samples, len(BINS_HZ), dtype=torch.complex64)
    bpm = torch.empty(samples)
    for i in range(samples):
        given, weighed, wave, rate = sample(rng, people)
        x[i], trusted[i] = torch.from_numpy(given), torch.from_numpy(weighed)
        pulse[i], bpm[i] = torch.from_numpy(wave), rate
    net = network()
    steps = epochs * (samples // 64)
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    started = time.process_time()
    for epoch in range(epochs):
        order, total = torch.randperm(samples), 0.0
        for k in range(samples // 64):
            pick = order[64 * k : 64 * k + 64]
            likelihood, gains = net(x[pick].float())
            loss = loss_of(likelihood, gains, trusted[pick], pulse[pick], bpm[pick])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        took = time.process_time() - started
        print(f"epoch {epoch + 1}/{epochs} loss {total / (samples // 64):.3f} {took:.0f} s", flush=True)
    return net.eval(), x.numpy()


def measure(runs, people, *, faces: int, seed: int) -> dict[str, dict[str, float]]:
    """Share of faces within 5 bpm by pulse strength, motion and skin, without any refusal, all on the same faces: POS,
    CHROM, each network of ``runs`` by its name, POS and the first network together; and what each network gains over
    POS, with the standard error of that difference."""
    table = {}
    for cell, (ac_dc, motion, skin) in enumerate(CELLS):
        rng = np.random.default_rng([seed, cell])
        right: dict[str, list[bool]] = {name: [] for name in ("pos", "chrom", *runs, "both")}
        for _ in range(faces):
            face = generate(rng, people[rng.integers(len(people))], ac_dc=ac_dc, motion=motion, skin=skin)
            regions = region_traces(face)
            pulses = [band_pass(pos(rgb)) for rgb in regions]
            networks = {name: network_answer(run, regions)[1] for name, run in runs.items()}
            seen = {"pos": pos_spectrum(regions, pulses), **networks}
            seen["chrom"] = pos_spectrum(regions, [band_pass(chrom(rgb)) for rgb in regions], chrom)
            seen["both"] = both_spectra(seen["pos"], next(iter(networks.values())))
            for name, spectrum in seen.items():
                right[name].append(abs(GRID_BPM[spectrum.argmax()] - face.bpm) <= 5)
        row = {name: float(np.mean(hits)) for name, hits in right.items()}
        for name in runs:
            gain = np.array(right[name], float) - np.array(right["pos"], float)
            row |= {f"{name} gain": float(gain.mean()), f"{name} gain_se": float(gain.std() / np.sqrt(faces))}
        name = f"pulse {ac_dc * 100:.2f} % motion {motion * 100:.0f} %" + (f" skin {skin}" if skin else "")
        table[name] = {k: round(v, 4) for k, v in row.items()}
    return table


def ship(net, x, out: Path) -> None:
    """Export the network with its golden vectors; x: training inputs, for the scales of int8 and the parity check."""
    import torch

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from quantize import export

    def some(indices):
        return [(x[i : i + 1].astype(np.float32),) for i in indices]

    card = {
        "version": "2.0.0",
        "task": "rates of a face and trust in its skin regions and axes of colour at every frequency, 10 s at 30 Hz",
        "input": {
            "rate_hz": 30,
            "window_s": 10.0,
            "scaling": "edge.dsp.face.spectra.network_input",
        },
        "output": {"labels": ["log_likelihood", "log_gain"], "kind": ["softmax", "values"]},
        "training": {
            "script": "tools/train/camera_pulse.py",
            "data": "generated faces with contact waveforms of 28 of 42 people of UBFC-rPPG, a third through a gamma and tint",
            "terms": "UBFC-rPPG research terms; no recording is part of this repository",
            "split": "by person: 28 to train, 14 to measure",
            "seed": SEED,
        },
        "limits": {
            "text": "Measured on generated faces only, whose skin model flatters POS. No accuracy on people is claimed."
        },
    }
    parity = export(net, (torch.zeros(1, CHANNELS, ROWS, len(BINS_HZ)),), some(range(0, 1600, 4)), out, "camera_pulse",
                    some(range(2000, 2008)), card, parity=some(range(2400, 2600)), atol_int8=0.35)  # fmt: skip
    for runtime, found in parity.items():
        print(runtime, found)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--out", type=Path, default=Path("models/camera_pulse"))
    arguments.add_argument("--samples", type=int, default=24_000)
    arguments.add_argument("--epochs", type=int, default=6)
    arguments.add_argument("--faces", type=int, default=200, help="per cell of the measurement")
    options = arguments.parse_args()
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    train_people, held_out = split(waveforms(options.data))
    net, x = train(train_people, samples=options.samples, epochs=options.epochs, seed=SEED)

    def run(batch):
        with torch.no_grad():
            return [out.numpy() for out in net(torch.tensor(batch))]

    print(json.dumps(measure({"network": run}, held_out, faces=options.faces, seed=SEED + 1000), indent=1))
    ship(net, x, options.out)
    print("next: tools/train/camera_rule.py, then tools/train/camera_report.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
