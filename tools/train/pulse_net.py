"""The network behind ``edge/dsp/rest/rate.py`` and its training on pulse waves whose rate an ECG tells.

A wave is drawn anew each time: played faster or slower, so that every person teaches every rate, with movement laid over
it, begun late or with holes. What is no pulse at all is learned beside it, as an answer of its own: the logits leave a
share of one for "cannot tell", whose logit is zero.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edge.dsp.rest.spectra import CHANNELS, GRID_BPM, RATE_HZ, SPAN_S, network_input

WIDTH = 32
STEPS, BATCH = 1500, 128
LEARNING_RATE, WEIGHT_DECAY = 6e-3, 0.02
AVERAGE = 0.995
PLAYED, STRETCH = 0.6, 0.5
"""Share of the waves that are played at another speed, and the largest logarithm of it."""
SHAKEN, LOUDEST, QUIETEST, PASSING = 0.35, 0.5, -2.5, 0.5
"""Share of the waves with movement over them, the logarithms of its deviation over the wave's, and how often it passes."""
LATE, LEAST_S = 0.12, 8.0
"""Share of the waves that are level at first, and what is left of them at least."""
HOLED, HOLES, HOLE_S = 0.12, 3, (0.15, 1.5)
"""Share of the waves with a line through stretches of them, how many at most, and how long these are."""
DEAD = 0.1
SLOWEST_BPM, FASTEST_BPM = 32.0, 215.0
LEAST_SD, SD_BPM = 0.02, 1.2
"""The truth's spread on the logarithmic grid: 2 %, or so many bpm."""
SAMPLES = round(SPAN_S * RATE_HZ)
_LOG_BPM = np.log(GRID_BPM)


class PulseNet(nn.Module):
    """``(n, 16, 1, 96)`` to logits ``(n, 1, 1, 96)``: depthwise-separable convolutions along the rates, between them what
    the whole picture holds."""

    def __init__(self) -> None:
        super().__init__()

        def mixed(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        def along(width: int) -> nn.Module:
            return nn.Conv2d(width, width, (1, 9), padding=(0, 4), groups=width, bias=False)

        self.first = nn.Sequential(*mixed(len(CHANNELS), WIDTH), along(WIDTH), *mixed(WIDTH, WIDTH))
        self.whole = nn.Conv2d(WIDTH, WIDTH, 1)
        self.second = nn.Sequential(along(WIDTH), *mixed(WIDTH, WIDTH), along(WIDTH), nn.Conv2d(WIDTH, 1, 1))

    def forward(self, x):
        seen = self.first(x)
        return self.second(functional.relu(seen + self.whole(seen.mean(dim=3, keepdim=True))))


class Waves:
    """Upright band-passed waves ``(n, 800)`` of 16 s at 50 Hz, the rate of each, bpm, and whose it is and when it ends, s;
    dead: waves that are no pulse."""

    def __init__(self, wave, bpm, record, end, dead) -> None:
        self.wave, self.bpm, self.record, self.end, self.dead = wave, bpm, record, end, dead
        self._of = {r: np.flatnonzero(record == r) for r in np.unique(record)}
        self._at = {(r, e): k for k, (r, e) in enumerate(zip(record.tolist(), end.tolist(), strict=True))}
        self._records = np.array(sorted(self._of))

    def draw(self, rng):
        """Input of the network and what it should answer, one share for each rate and the last for none."""
        x, target = [], np.zeros((BATCH, len(GRID_BPM) + 1))
        for row, record in zip(target, rng.choice(self._records, BATCH), strict=True):
            if rng.random() < DEAD:
                wave = self._nothing(rng)
                row[-1] = 1.0
            else:
                wave, bpm = self._played(rng, int(rng.choice(self._of[record])))
                if rng.random() < SHAKEN:
                    wave = wave + _passing(rng, self._nothing(rng)) * np.exp(rng.uniform(QUIETEST, LOUDEST))
                row[:-1] = nearness(bpm)
            x.append(network_input(_seen(rng, wave))[0])
        return torch.tensor(np.stack(x)), torch.tensor(target, dtype=torch.float32)

    def _nothing(self, rng):
        return np.roll(_unit(self.dead[rng.integers(len(self.dead))]), rng.integers(SAMPLES))

    def _played(self, rng, k: int):
        wave, bpm = _unit(self.wave[k]), float(self.bpm[k])
        if rng.random() >= PLAYED:
            return wave, bpm
        speed = float(np.exp(rng.uniform(-STRETCH, STRETCH)))
        if not SLOWEST_BPM < bpm * speed < FASTEST_BPM:
            return wave, bpm
        if speed > 1.0:
            before = self._at.get((int(self.record[k]), float(self.end[k]) - SPAN_S))
            if before is None:
                return wave, bpm
            wave = np.concatenate([_unit(self.wave[before]), wave])
        last = len(wave) - 1
        return np.interp(
            np.linspace(last - speed * (SAMPLES - 1), last, SAMPLES), np.arange(last + 1), wave
        ), bpm * speed


def nearness(bpm: float):
    """What the network should answer for this rate, ``(96,)``, of sum one."""
    near = np.exp(-0.5 * ((_LOG_BPM - np.log(bpm)) / max(LEAST_SD, SD_BPM / bpm)) ** 2)
    return near / near.sum()


def _unit(wave):
    return (wave - wave.mean()) / (wave.std() + 1e-9)


def _passing(rng, wave):
    """The wave as it is, or all but a stretch of 2 to 10 s of it a tenth as large."""
    if rng.random() >= PASSING:
        return wave
    first = int(rng.integers(0, SAMPLES - 100))
    level = np.full(SAMPLES, 0.1)
    level[first : first + int(rng.integers(100, 500))] = 1.0
    return wave * level


def _seen(rng, wave):
    """What is left of a wave whose sensor came late, or whose radio dropped."""
    chance = rng.random()
    if chance < LATE:
        return wave[rng.integers(0, SAMPLES - round(LEAST_S * RATE_HZ)) :]
    if chance < LATE + HOLED:
        wave = wave.copy()
        for _ in range(rng.integers(1, HOLES + 1)):
            begin = int(rng.integers(1, SAMPLES - 1))
            end = min(begin + round(rng.uniform(*HOLE_S) * RATE_HZ), SAMPLES - 1)
            wave[begin:end] = np.interp(np.arange(begin, end), (begin - 1, end), wave[[begin - 1, end]])
    return wave


def fit(waves: Waves, seed: int) -> PulseNet:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = PulseNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    mean = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    for k in range(STEPS):
        x, target = waves.draw(rng)
        logits = net(x.contiguous(memory_format=torch.channels_last))[:, 0, 0]
        answer = functional.log_softmax(functional.pad(logits, (0, 1)), dim=1)
        loss = -(target * answer).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        share = min(AVERAGE, (k + 1) / (k + 10))
        for name, value in net.state_dict().items():
            mean[name] = share * mean[name] + (1 - share) * value if value.is_floating_point() else value.clone()
        if k % 250 == 0:
            print(f"  step {k} of {STEPS}: loss {loss.item():.3f}", flush=True)
    net.load_state_dict(mean)
    return net.to(memory_format=torch.contiguous_format).eval()
