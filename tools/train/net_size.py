"""How large a network is: the figure that every card tells."""

from __future__ import annotations

from torch import nn


def parameters(model: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for p in model.parameters())
