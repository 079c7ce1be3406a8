"""What the short trainings of ``murmur_beside.py`` showed, as tables of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LEAKY = "split by clip"


def tables(compared: Sequence[dict[str, Any]]) -> str:
    """The short trainings of ``murmur_beside.py``."""
    epochs = sorted({c["epochs"] for c in compared})
    lines = ["## Side by side", ""]
    lines.append(
        f"Short trainings ({' or '.join(map(str, epochs))} epochs instead of 50), one seed, float, on the unseen"
    )
    lines.append("people of a fold; they rank, and are no figures of the shipped network. Clip: 5 s judged alone.")
    lines += [
        "",
        "| network | weights | multiply-adds | fold | recording AUROC | clip AUROC |",
        "|---|---|---|---|---|---|",
    ]
    for c in sorted(compared, key=lambda c: (-c["fold"], compared.index(c))):
        area = f"{c['auroc']:.3f}" if "auroc" in c else ""
        lines.append(
            f"| {c['name']} | {c['parameters']:,} | {c['multiply_adds'] / 1e6:.1f} M | {c['fold']} | {area} "
            f"| {c['clip_auroc']:.3f} |"
        )
    leaky = next((c for c in compared if c["name"].endswith(LEAKY)), None)
    honest = next((c for c in compared if leaky and c["name"] + ", " + LEAKY == leaky["name"]), None)
    if leaky and honest:
        lines += [
            "",
            "Split by clip: half of the fold's clips were dealt to training, the other half judged. That is wrong: the",
            f"network is asked about people it knows, and scores {leaky['clip_auroc']:.3f} where the same people unseen "
            f"give {honest['clip_auroc']:.3f}.",
            "Published 99 % arise so, with larger networks that learn people by heart and the rare class copied before",
            "the split.",
        ]
    return "\n".join([*lines, ""])
