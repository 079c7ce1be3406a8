"""Batches of crops for the murmur network: time stretch, noise in the power domain, microphone colouring, gain steps,
SpecAugment, mixup. Floor and normalisation are those of the shipped front end, applied after the augmentation."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge.dsp.pcg.frontend import BANDS, CLIP, FRAMES

SHARE = {
    "absent": 0.36,
    "present": 0.23,
    "absent_here": 0.04,
    "unknown": 0.09,
    "other_positive": 0.08,
    "other_negative": 0.09,
    "noisy": 0.02,
    "foreign": 0.07,
    "synthetic_heart": 0.02,
}
_LOG_FLOOR = 1e-5


class Batches:
    """Endless augmented batches from the recordings ``chosen`` of a corpus; everything drawn from one seed.

    augment: 1 is the recipe; 0 leaves time stretch and the pauses of SpecAugment only."""

    def __init__(self, corpus, chosen: NDArray[np.int64], *, seed: int, augment: float = 1.0) -> None:
        self._corpus, self._augment = corpus, augment
        self._rng = np.random.default_rng(seed)
        self._torch = torch.Generator().manual_seed(seed)
        groups = {g: chosen[corpus.group[chosen] == g] for g in SHARE}
        self._groups = {g: v for g, v in groups.items() if len(v)}
        shares = np.array([SHARE[g] for g in self._groups])
        self._shares = shares / shares.sum()

    def draw(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures ``(size, 2, 40, 250)``, targets and weights ``(size, heads)``."""
        rng, corpus = self._rng, self._corpus
        names = list(self._groups)
        group = rng.choice(len(names), size, p=self._shares)
        index = np.array([rng.choice(self._groups[names[g]]) for g in group])
        stretch = rng.uniform(0.85, 1.15, size)
        power = torch.from_numpy(crops(corpus, index, rng.uniform(size=size), stretch)).exp_()
        power = self._augmented(power)
        x = normalised(power)
        x = self._masked(x)
        target, weight = torch.from_numpy(corpus.targets[index]), torch.from_numpy(corpus.weights[index])
        if rng.uniform() < 0.5 * self._augment:
            x, target, weight = self._mixed(x, target, weight)
        return two_channels(x), target, weight

    def _augmented(self, power: Tensor) -> Tensor:
        rng, n, g = self._rng, len(power), self._torch
        mean = power.mean(dim=(1, 2), keepdim=True)
        band = torch.linspace(0, 1, BANDS)[None, :, None]
        # noise of any colour, steady or swelling
        level = torch.from_numpy(10 ** rng.uniform(-3.2, -0.2, (n, 1, 1)).astype(np.float32))
        level *= torch.from_numpy((rng.uniform(size=(n, 1, 1)) < 0.5 * self._augment).astype(np.float32))
        slope = torch.from_numpy(rng.uniform(-7, 2, (n, 1, 1)).astype(np.float32))
        colour = torch.exp(slope * band)
        colour = mean * level * colour / colour.mean(dim=1, keepdim=True)
        knots = torch.rand(n, 1, 6, generator=g) * 2 - 1
        swell = torch.exp(1.2 * torch.nn.functional.interpolate(knots, FRAMES, mode="linear", align_corners=True))
        even = torch.rand(n, BANDS, FRAMES, generator=g)
        noisy = torch.nonzero(level[:, 0, 0]).ravel()
        power[noisy] += _chi_squared(even[noisy]).mul_(colour[noisy]).mul_(swell[noisy])
        # a few bursts of friction
        for i in np.flatnonzero(rng.uniform(size=n) < 0.12 * self._augment):
            for _ in range(rng.integers(1, 4)):
                at, width = rng.integers(0, FRAMES - 20), rng.integers(2, 18)
                burst = torch.exp(-float(rng.uniform(0, 3)) * band[0])
                power[i, :, at : at + width] += (
                    float(10 ** rng.uniform(-1, 1)) * mean[i] * burst * _chi_squared(even[i, :, :width])
                )
        # microphone: smooth equaliser, tilt, and sometimes a steep end of the band
        waves = torch.zeros(n, BANDS, 1)
        for k in range(1, 4):
            gain = torch.from_numpy(rng.normal(0, 0.5 / k**0.5, (n, 1, 1)).astype(np.float32))
            phase = torch.from_numpy(rng.uniform(0, 6.28, (n, 1, 1)).astype(np.float32))
            waves += gain * torch.cos(np.pi * k * band + phase)
        tilt = torch.from_numpy(rng.normal(0, 0.8, (n, 1, 1)).astype(np.float32))
        power *= torch.exp(self._augment * (waves + tilt * (band - 0.5)))
        for i in np.flatnonzero(rng.uniform(size=n) < 0.1 * self._augment):
            if rng.uniform() < 0.7:
                power[i, rng.integers(24, BANDS) :] *= float(10 ** rng.uniform(-4, -1))
            else:
                power[i, : rng.integers(1, 3)] *= float(10 ** rng.uniform(-3, -1))
        for i in np.flatnonzero(rng.uniform(size=n) < 0.06 * self._augment):
            power[i, :, rng.integers(20, FRAMES - 20) :] *= float(10 ** rng.uniform(-1.2, 1.2))
        for i in np.flatnonzero(rng.uniform(size=n) < 0.06 * self._augment):  # mains hum in one or two low bands
            power[i, rng.choice([1, 2, 4, 5])] += float(10 ** rng.uniform(-1, 1.3)) * mean[i, 0, 0] * BANDS / 4
        return power

    def _masked(self, x: Tensor) -> Tensor:
        rng = self._rng
        for i in range(len(x)):
            if rng.uniform() < 0.6 * self._augment:
                width = rng.integers(1, 7)
                at = rng.integers(0, BANDS - width)
                x[i, at : at + width] = 0.0
            for _ in range(rng.integers(0, 3)):
                width = rng.integers(3, 30)
                at = rng.integers(0, FRAMES - width)
                x[i, :, at : at + width] = 0.0
        return x

    def _mixed(self, x: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        lam = float(self._rng.beta(0.4, 0.4))
        order = torch.from_numpy(self._rng.permutation(len(x)))
        mixed_weight = lam * weight + (1 - lam) * weight[order]
        safe = mixed_weight.clamp(min=1e-6)
        mixed = (lam * weight * target + (1 - lam) * weight[order] * target[order]) / safe
        return lam * x + (1 - lam) * x[order], mixed, mixed_weight


def _chi_squared(even: Tensor) -> Tensor:
    return even.add(1e-6).log_().neg_()


def crops(corpus, index, where, stretch) -> NDArray[np.float32]:
    """Log power ``(n, 40, 250)`` of recordings ``index``: start at the share ``where``, ``stretch`` frames a frame."""
    first = corpus.offsets[index]
    length = corpus.offsets[index + 1] - first
    span = np.minimum(np.ceil(FRAMES * stretch) + 1, length)
    start = np.floor(where * (length - span + 1))
    at = start[:, None] + np.arange(FRAMES) * stretch[:, None]
    low = np.floor(at).astype(np.int64)
    part = torch.from_numpy((at - low).astype(np.float32))[..., None]
    frames = torch.from_numpy(corpus.frames)

    def of(step: NDArray[np.int64]) -> Tensor:
        rows = torch.from_numpy((first[:, None] + step % length[:, None]).ravel())
        return frames[rows].float().view(*at.shape, BANDS)

    return np.asarray(torch.lerp(of(low), of(low + 1), part).transpose(1, 2).contiguous().numpy())


def normalised(power: Tensor) -> Tensor:
    """The front end's floor, one mean and one deviation per window, clipped."""
    x = (power / power.mean(dim=(1, 2), keepdim=True).clamp(min=1e-30)).add_(_LOG_FLOOR).log_()
    x -= x.mean(dim=(1, 2), keepdim=True)
    return x.div_(_deviation(x) + 1e-3).clamp_(-CLIP, CLIP)


def two_channels(x: Tensor) -> Tensor:
    """Normalised pictures ``(n, 40, 250)`` as the front end's two channels, ``(n, 2, 40, 250)``, channels last."""
    both = torch.empty(len(x), 2, *x.shape[1:], memory_format=torch.channels_last)
    both[:, 0] = x
    beat = x - x.mean(dim=2, keepdim=True)
    both[:, 1] = beat.div_(_deviation(beat) + 1e-3).clamp_(-CLIP, CLIP)
    return both


def _deviation(centred: Tensor) -> Tensor:
    size = centred.shape[1] * centred.shape[2]
    return (torch.linalg.vector_norm(centred, dim=(1, 2), keepdim=True) ** 2 / size).sqrt()
