"""The rhythm network: a depthwise-separable tower over the wave, the features beside it, 23 thousand parameters.

Height-1 two-dimensional convolutions throughout, as both converters like them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 7


class Separable(nn.Module):
    """Depthwise (1, 9) then pointwise, each with batch norm; added to its input where shapes agree."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_in, (1, 9), (1, stride), (0, 4 * dilation), (1, dilation), groups=n_in, bias=False),
            nn.BatchNorm2d(n_in),
            nn.Conv2d(n_in, n_out, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.same = n_in == n_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return torch.relu(x + y if self.same else y)


class RhythmNet(nn.Module):
    """wave ``(b, 1, 1, 1000)`` and features ``(b, n)`` to logits ``(b, 7)``: SR PVC PAC VT SVT AF none."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 24, (1, 24), (1, 8), (0, 8), bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.body = nn.Sequential(
            Separable(24, 32),
            Separable(32, 32),
            Separable(32, 48, stride=2),
            Separable(48, 48),
            Separable(48, 64, dilation=2),
            Separable(64, 64),
        )
        self.pooled = nn.Sequential(nn.Linear(128, 32), nn.ReLU())
        self.beside = nn.Sequential(nn.Linear(features, 24), nn.ReLU())
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(56, CLASSES)

    def forward(self, wave: Tensor, features: Tensor) -> Tensor:
        both = torch.cat([self.pooled(self.seen(wave)), self.beside(features)], dim=1)
        return self.head(self.drop(both))

    def seen(self, wave: Tensor) -> Tensor:
        """What is seen of the wave itself, ``(b, 128)``."""
        x = self.body(self.stem(wave))
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
