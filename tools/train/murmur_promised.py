"""The murmur card's bounds on missed recordings, as a table of the report."""

from __future__ import annotations

import tomllib
from pathlib import Path


def table(card: Path) -> str:
    """The card's bounds on missed recordings, as ``tools/calibrate.py`` put them there."""
    given = tomllib.loads(card.read_text(encoding="utf-8"))
    found = given["conformal"]
    p = given["calibration"]["recording_line"][3]
    lines = [
        "## A threshold with a promise",
        "",
        f"Conformal risk control, unit = person, on the predictions of the cross-validation: {found['people']} people,",
        f"{found['events']} recordings with an audible murmur; no bound under {found['smallest_missed']:.3f} can be "
        "promised. A recording that was refused or",
        "answered with *unknown* counts as missed. It speaks of people drawn as these were, not of another hospital,",
        "and of whole recordings, not of single windows.",
        "",
        "| missed recordings of a new person, at most on average | threshold | missed among them "
        "| other recordings called present, mean over people |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {b['missed']:.2f} | {b['threshold']:.4f} | {b['missed_among_them']:.3f} | {b['wrongly_passed']:.3f} |"
        for b in found["bounds"]
    ]
    lines += [
        "",
        f"They stand in the card (`[conformal]`). Shipped is {p:.4f}: 93 % of the recordings without a murmur stay under "
        "it. A",
        "configuration chooses with `[analyzers.murmur] murmur_missed = 0.1`, or sets `murmur_threshold` itself.",
    ]
    return "\n".join([*lines, ""])
