"""The network under ``edge/dsp/motion/rate.py`` and its training through the forward pass that follows it.

The loss is that of the tracked rate: the posterior of the hidden-Markov filter at the true rate, its mean against the
true rate, and a little of each window's own answer. Some sequences start sure of a wrong rate, so that what brings a
lost track back is learned too.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edge.dsp.motion.rate import PRIOR_BPM, PRIOR_SD
from edge.dsp.motion.spectra import CHANNELS, GRID_BPM

WIDTH = 12
STEPS, BATCH, LENGTH = 400, 8, 32
LEARNING_RATE = 6e-3
WRONG_START, WRONG_SD_BPM = 0.3, 5.0
TRUTH_SD_BPM = 2.0
STEP_SD, LEAK = 0.04, 1e-3
"""Of the filter trained through, a step of 2 s; looser than that of ``edge.dsp.motion.rate``, so that gradients pass."""
LOSS = {"posterior": 1.0, "mean": 0.1, "window": 0.3}
AVERAGE = 0.98

BPM = torch.tensor(GRID_BPM, dtype=torch.float32)


class MotionNet(nn.Module):
    """``(n, 7, 1, 193)`` to logits ``(n, 1, 1, 193)``: depthwise-separable convolutions along the bpm axis."""

    def __init__(self) -> None:
        super().__init__()

        def along(dilation: int) -> list[nn.Module]:
            wide = nn.Conv2d(WIDTH, WIDTH, (1, 9), padding=(0, 4 * dilation), dilation=(1, dilation), groups=WIDTH)
            return [wide, nn.Conv2d(WIDTH, WIDTH, 1), nn.ReLU()]

        first = [nn.Conv2d(len(CHANNELS), WIDTH, 1), nn.ReLU()]
        self.layers = nn.Sequential(*first, *along(1), *along(2), nn.Conv2d(WIDTH, 1, 1))

    def forward(self, x):
        return self.layers(x)


def prior():
    p = torch.exp(-0.5 * ((torch.log(BPM) - np.log(PRIOR_BPM)) / PRIOR_SD) ** 2)
    return p / p.sum()


def transition():
    """The filter's step, as ``RateTracker`` makes it."""
    log = torch.log(BPM)
    step = torch.exp(-0.5 * ((log[:, None] - log[None, :]) / STEP_SD) ** 2) * torch.gradient(log)[0]
    return (1 - LEAK) * step / step.sum(1, keepdim=True) + LEAK / len(log)


def posteriors(logits, start, step):
    """Forward pass: logits ``(n, length, 193)`` and beliefs before them ``(n, 193)`` to ``(n, length, 193)``."""
    likelihood = torch.exp(logits - logits.max(2, keepdim=True)[0])
    belief, found = start, []
    for t in range(logits.shape[1]):
        belief = (belief @ step if t else belief) * likelihood[:, t] + 1e-12
        belief = belief / belief.sum(1, keepdim=True)
        found.append(belief)
    return torch.stack(found, 1)


def loss_of(logits, belief, truth):
    near = torch.exp(-0.5 * ((BPM - truth[..., None]) / TRUTH_SD_BPM) ** 2)
    posterior = -torch.log((belief * near).sum(2) + 1e-6).mean()
    mean = ((belief * BPM).sum(2) - truth).abs().mean()
    window = -(torch.log_softmax(logits, 2) * near / near.sum(2, keepdim=True)).sum(2).mean()
    return LOSS["posterior"] * posterior + LOSS["mean"] * mean + LOSS["window"] * window


def fit(sequences, seed: int) -> MotionNet:
    """sequences: ``(input (n, 7, 193), bpm (n,))`` of whole recordings in order of time, each at least ``LENGTH``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net, step, first = MotionNet().to(memory_format=torch.channels_last), transition(), prior()
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    mean = None
    for k in range(STEPS):
        drawn = [sequences[i] for i in rng.integers(len(sequences), size=BATCH)]
        at = [int(rng.integers(0, len(x) - LENGTH)) for x, _ in drawn]
        x = torch.tensor(np.stack([x[a : a + LENGTH] for (x, _), a in zip(drawn, at, strict=True)]))
        truth = torch.tensor(np.stack([y[a : a + LENGTH] for (_, y), a in zip(drawn, at, strict=True)]))
        start = first.repeat(BATCH, 1)
        for i in range(BATCH):
            if rng.random() < WRONG_START:
                wrong = torch.exp(-0.5 * ((BPM - rng.uniform(40, 200)) / WRONG_SD_BPM) ** 2)
                start[i] = 0.98 * wrong / wrong.sum() + 0.02 / len(BPM)
        rows = x.flatten(0, 1)[:, :, None, :].contiguous(memory_format=torch.channels_last)  # three times as fast
        logits = net(rows).reshape(BATCH, LENGTH, -1)
        loss = loss_of(logits, posteriors(logits, start, step), truth)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if k >= STEPS // 2:
            now = [p.detach().clone() for p in net.parameters()]
            mean = now if mean is None else [AVERAGE * a + (1 - AVERAGE) * b for a, b in zip(mean, now, strict=True)]
    assert mean is not None
    with torch.no_grad():
        for p, value in zip(net.parameters(), mean, strict=True):
            p.copy_(value)
    return net.to(memory_format=torch.contiguous_format).eval()
