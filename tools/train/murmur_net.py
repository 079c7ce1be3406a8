"""The murmur network in FunnelNet's line (arXiv 2405.09570): squeeze, separable bottleneck, expansion, pooling.

All layers are 2-D convolutions with batch norm and ReLU, which both converters quantize well. Input
``(b, 2, 40, 250)``; outputs: logits of murmur, unknown, foreign (not a heart sound), ``(b, 3)``, and the same over
time, ``(b, 3, 32)``, whose mean they are: a class activation map for free.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edge.dsp.pcg.frontend import BANDS, FRAMES

_HEADS = 3  # murmur, unknown, foreign
_DROPOUT = 0.1


def _separable(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, stride, padding, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.body = _separable(channels, channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class MurmurNet(nn.Module):
    """``channels`` after the first layer, the squeeze, and either half of the bottleneck; the default is what ships."""

    def __init__(self, channels: Sequence[int] = (8, 16, 24, 32)) -> None:
        super().__init__()
        a, b, c, d = channels
        self.squeeze = nn.Sequential(
            nn.Conv2d(2, a, 5, 2, 2, bias=False), nn.BatchNorm2d(a), nn.ReLU(), _separable(a, b, (3, 3), (2, 2))
        )
        self.bottleneck = nn.Sequential(
            _separable(b, c, (3, 3), (2, 2)),
            _Residual(c, (3, 5)),
            _separable(c, d, (3, 3), (2, 1)),
            _Residual(d, (3, 5)),
        )
        self.expansion = nn.Sequential(
            nn.Conv2d(d, d, (3, 1), groups=d, bias=False),
            nn.BatchNorm2d(d),
            nn.ReLU(),
            nn.Conv2d(d, d, (1, 5), padding=(0, 2), groups=d, bias=False),
            nn.BatchNorm2d(d),
            nn.ReLU(),
            nn.Conv2d(d, d, 1, bias=False),
            nn.BatchNorm2d(d),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Conv2d(d, _HEADS, 1),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        over_time = self.expansion(self.bottleneck(self.squeeze(x)))
        return over_time.mean(dim=(2, 3)), over_time.squeeze(2)


def multiply_adds(model: nn.Module) -> int:
    """Multiply-adds of its convolutions for one window."""
    total = 0

    def count(layer: nn.Module, _: object, out: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += out[0].numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        model(torch.zeros(1, 2, BANDS, FRAMES))
    for hook in hooks:
        hook.remove()
    return total
