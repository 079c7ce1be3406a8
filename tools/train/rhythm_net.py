"""The rhythm network: a depthwise-separable tower over the wave beside the features, and a table over the features alone.

The table says what boosted trees say of the features (``rhythm_trees``); the logits of both are blended. Trees cut where
a network bends, so each is wrong elsewhere than the other. Height-1 two-dimensional convolutions throughout, as both
converters like them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 7
TABLE_SHARE = 0.3
"""Of the table in the logits."""
_STEPS = 8
_NARROWEST = 0.25
_HIDDEN = 64


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


class Tower(nn.Module):
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


class Table(nn.Module):
    """features ``(b, n)`` to logits ``(b, 7)``, each feature first cut into ``_STEPS`` ramps between its quantiles.

    Gorishniy et al., NeurIPS 2022: so encoded, numbers of tables are learnt by small networks nearly as by trees.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.ramps = nn.Conv2d(features, features * _STEPS, 1, groups=features).requires_grad_(False)
        self.body = nn.Sequential(
            nn.Linear(features * _STEPS, _HIDDEN), nn.ReLU(), nn.Dropout(0.05),
            nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU(), nn.Dropout(0.05),
            nn.Linear(_HIDDEN, CLASSES),
        )  # fmt: skip

    def cut(self, features: Tensor) -> None:
        """Set the ramps by ``features (m, n)`` of many windows."""
        edge = torch.quantile(features, torch.linspace(0, 1, _STEPS + 1), dim=0).T
        slope = 6.0 / (edge[:, 1:] - edge[:, :-1]).clamp_min(_NARROWEST)
        self.ramps.weight.copy_(slope.reshape(-1, 1, 1, 1))
        self.ramps.bias.copy_(-(slope * edge[:, :-1]).reshape(-1))

    def forward(self, features: Tensor) -> Tensor:
        steps = nn.functional.relu6(self.ramps(features[:, :, None, None]))
        return self.body(steps.flatten(1))


class RhythmNet(nn.Module):
    """Tower and table; inputs and output as the tower's."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.tower = Tower(features)
        self.table = Table(features)

    def forward(self, wave: Tensor, features: Tensor) -> Tensor:
        return (1.0 - TABLE_SHARE) * self.tower(wave, features) + TABLE_SHARE * self.table(features)


def parameters(model: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for p in model.parameters())
