"""Gradients that lead to flat minima: taken where the loss is worst nearby (SAM: Foret et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class FlatGradient:
    """Leaves in a model's ``.grad`` the gradient of a batch at ``reach`` up its slope; twice the work of a plain one.

    Running statistics of batch norms see only the first pass, at the weights as they are.
    """

    def __init__(self, model: nn.Module, reach: float) -> None:
        self._weights = [p for p in model.parameters() if p.requires_grad]
        self._norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        self._momenta = [m.momentum for m in self._norms]
        self._reach = reach

    def backward(self, loss: Callable[[], Tensor]) -> float:
        """Calls ``loss`` twice; returns its value at the weights as they are, where they are again afterwards."""
        here = self._gradient(loss)
        slopes = [p.grad for p in self._weights if p.grad is not None]
        length = float(torch.stack(torch._foreach_norm(slopes)).norm())
        up = torch._foreach_mul(slopes, self._reach / (length + 1e-12))
        moved = [p for p in self._weights if p.grad is not None]
        before = [p.detach().clone() for p in moved]
        with torch.no_grad():
            torch._foreach_add_(moved, up)
        self._remember([0.0] * len(self._norms))
        self._gradient(loss)
        self._remember(self._momenta)
        with torch.no_grad():
            torch._foreach_copy_(moved, before)
        return here

    def _gradient(self, loss: Callable[[], Tensor]) -> float:
        for p in self._weights:
            p.grad = None
        value = loss()
        value.backward()
        return float(value.item())

    def _remember(self, momenta: list[float | None]) -> None:
        for norm, momentum in zip(self._norms, momenta, strict=True):
            norm.momentum = momentum
