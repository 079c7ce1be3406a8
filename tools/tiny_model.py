"""Make ``tests/models/tiny``: a network of two inputs and two outputs and random weights, for the tests of inference.

Run it again only when the format of model folders changes:  python tools/tiny_model.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from quantize import export
from torch import nn

OUT = Path(__file__).resolve().parent.parent / "tests" / "models" / "tiny"


class Tiny(nn.Module):
    """State ``(b, 2)`` and signal ``(b, 1, 1, 32)`` to logits ``(b, 3)`` and the next state."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, (1, 5), stride=(1, 2), padding=(0, 2))
        self.logits, self.next = nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, state: torch.Tensor, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = torch.cat([torch.relu(self.conv(signal)).mean((2, 3)), state], 1)
        return 4.0 * self.logits(seen), torch.tanh(self.next(seen))


def main() -> None:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)

    def sample() -> tuple[np.ndarray, np.ndarray]:
        return rng.uniform(-1, 1, (1, 2)).astype(np.float32), rng.standard_normal((1, 1, 1, 32)).astype(np.float32)

    card: dict[str, Any] = {
        "version": "1.0.0",
        "task": "nothing: random weights for the tests of inference",
        "input": {"rate_hz": 100.0, "window_s": 0.32, "scaling": "none"},
        "output": {"labels": ["a", "b", "c"], "kind": ["softmax", "values"]},
        "calibration": {"temperature": 1.5, "thresholds": [0.25, 0.5]},
        "limits": {"text": "means nothing"},
    }
    samples = [sample() for _ in range(64)]
    example = (torch.zeros(1, 2), torch.zeros(1, 1, 1, 32))
    export(Tiny(), example, samples, OUT, "tiny", samples[:4], card, parity=samples)


if __name__ == "__main__":
    main()
