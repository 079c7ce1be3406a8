"""Whether two machines agree: model answers, readings and alarms of one replay. Pure functions on what they printed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

READING_ATOL = {"bpm": 0.5, "%": 0.02, "": 0.03}
"""How far a reading may be from that of the other machine, by its unit; words and reasons must be equal."""
QUALITY_ATOL = 0.03
AGREEING = 0.98
"""Share of readings that must lie within: a decision that hangs on the last bit may fall to either side."""
PARITY_SLACK = (1.5, 0.002)
"""Mean difference of int8 and fp32 may be so many times that on the first machine, and so much more."""
INT8_SLACK = 1.5
"""int8 answers of two machines may lie apart by so many times what quantizing moved an answer at most."""


@dataclass(slots=True)
class Rows:
    """A table of words and what failed in it."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        table = [self.head, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.head))]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def probabilities(output: NDArray[Any], kind: str) -> Floats:
    """An output of a model as the numbers that matter: softmax over the last axis, sigmoid, or relative values."""
    x = np.asarray(output, np.float64)
    if kind == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(e / e.sum(axis=-1, keepdims=True))
    if kind == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -500.0, 500.0))))
    return x / max(1.0, float(np.abs(x).max())) if kind == "values" else x


def same_decision(a: Floats, b: Floats, kind: str) -> float:
    """Share of rows decided alike: the largest class, the side of one half; for plain values their median correlation."""
    if kind == "values":
        pairs = zip(a.reshape(len(a), -1), b.reshape(len(b), -1), strict=True)
        return float(np.median([np.corrcoef(x, y)[0, 1] for x, y in pairs]))
    if kind == "softmax":
        return float((a.argmax(axis=-1) == b.argmax(axis=-1)).mean())
    return float(((a > 0.5) == (b > 0.5)).mean())


def answers(
    kinds: Mapping[str, str],
    limits: Mapping[str, tuple[float, float]],
    here: Mapping[str, NDArray[Any]],
    there: Mapping[str, NDArray[Any]],
) -> tuple[Rows, Rows]:
    """The first output of every variant on both machines; then int8 beside fp32 on each.

    kinds: of the first output, by model. limits: largest difference allowed, (int8, fp32), by model; int8 may differ by
    ``INT8_SLACK`` times what quantizing itself moved an answer here, where that is more: kernels of another processor
    round sums otherwise. Both tables in probabilities, or relative for plain values.
    """
    across = Rows(("model", "variant", "rows", "largest difference", "allowed", "same decision"))
    parity = Rows(("model", "runtime", "int8 - fp32 here, mean", "there, mean", "there, largest", "same there", "here"))
    for name, kind in kinds.items():
        for runtime in ("onnx", "litert"):
            both: dict[str, tuple[Floats, Floats]] = {}
            for form in ("fp32", "int8"):
                key = f"{name}/{runtime}-{form}/out_0"
                if key in here and key in there and here[key].shape == there[key].shape:
                    both[form] = probabilities(here[key], kind), probabilities(there[key], kind)
                else:
                    across.failed.append(f"{name} {runtime}-{form}: no answers to compare")
            int8_limit, fp32_limit = limits[name]
            if len(both) == 2:
                moved = float(np.abs(both["int8"][0] - both["fp32"][0]).max())
                int8_limit = max(int8_limit, INT8_SLACK * moved)
                _parity(parity, name, runtime, both, kind)
            for form, allowed in (("int8", int8_limit), ("fp32", fp32_limit)):
                if form in both:
                    _across(across, f"{name} {runtime}-{form}", both[form], allowed, kind)
    return across, parity


def _across(table: Rows, which: str, pair: tuple[Floats, Floats], allowed: float, kind: str) -> None:
    here, there = pair
    largest = float(np.abs(here - there).max())
    figures = (str(len(here)), f"{largest:.2e}", f"{allowed:.3g}", f"{same_decision(here, there, kind):.4f}")
    table.rows.append((*which.split(), *figures))
    if not largest <= allowed:
        table.failed.append(f"{which}: differs by {largest:.3g}, allowed {allowed:.3g}")


def _parity(table: Rows, name: str, runtime: str, both: Mapping[str, tuple[Floats, Floats]], kind: str) -> None:
    (int8_here, int8_there), (fp32_here, fp32_there) = both["int8"], both["fp32"]
    off_here, off_there = np.abs(int8_here - fp32_here), np.abs(int8_there - fp32_there)
    means = (float(off_here.mean()), float(off_there.mean()))
    same = (same_decision(int8_there, fp32_there, kind), same_decision(int8_here, fp32_here, kind))
    figures = (*means, float(off_there.max()), *same)
    table.rows.append((name, runtime, *(f"{x:.4f}" for x in figures)))
    factor, slack = PARITY_SLACK
    if means[1] > factor * means[0] + slack:
        table.failed.append(f"{name} {runtime}: int8 is {means[1]:.4f} off fp32 there, {means[0]:.4f} here")


def replays(name: str, here: Sequence[str], there: Sequence[str], table: Rows) -> None:
    """Compare the JSON lines of one replay on two machines; adds a row to ``REPLAY_HEAD``'s table."""
    ours, theirs = ([json.loads(line) for line in lines if line.startswith("{")] for lines in (here, there))
    readings = [[e for e in events if e["type"] == "reading"] for events in (ours, theirs)]
    alarms = [[_transition(e) for e in events if e["type"] == "alarm"] for events in (ours, theirs)]
    keys = [[(e["bed"], e["source"], e["metric"], e["t"]) for e in events] for events in readings]
    if keys[0] != keys[1] or not keys[0]:
        table.failed.append(f"{name}: {len(keys[0])} readings here, {len(keys[1])} there, not of the same moments")
        return
    off = [_apart(a, b) for a, b in zip(*readings, strict=True)]
    apart = [f"{a['metric']} at {a['t']:.2f} s: {text}" for a, (_, text) in zip(readings[0], off, strict=True) if text]
    share = 1.0 - len(apart) / len(off)
    worst = dict.fromkeys(("bpm", ""), 0.0)
    for a, (difference, _) in zip(readings[0], off, strict=True):
        if a["unit"] in worst:
            worst[a["unit"]] = max(worst[a["unit"]], difference)
    same_alarms = "the same" if alarms[0] == alarms[1] else "DIFFER"
    row = (
        name,
        str(len(off)),
        f"{share:.4f}",
        f"{worst['bpm']:.2g}",
        f"{worst['']:.2g}",
        f"{len(alarms[0])}, {same_alarms}",
    )
    table.rows.append(row)
    if share < AGREEING:
        table.failed.append(f"{name}: {len(apart)} of {len(off)} readings differ, the first: {apart[0]}")
    if alarms[0] != alarms[1]:
        first = next((pair for pair in zip(*alarms, strict=False) if pair[0] != pair[1]), ("one more", "or less"))
        table.failed.append(f"{name}: alarms differ: {first[0]} here, {first[1]} there")


REPLAY_HEAD = ("replay", "readings", "agree", "bpm, most", "others, most", "alarm transitions")


def _transition(event: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(event[key] for key in ("id", "presence", "priority", "t", "text"))


def _apart(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[float, str]:
    """Difference of two readings' numbers, and what is wrong with it, "" when they agree."""
    x, y = a["value"], b["value"]
    if x is None or y is None or isinstance(x, str) or isinstance(y, str):
        return 0.0, "" if (x, a["reason"]) == (y, b["reason"]) else f"{x} {a['reason']} here, {y} {b['reason']} there"
    difference = abs(float(x) - float(y))
    allowed = READING_ATOL.get(a["unit"], READING_ATOL[""])
    if difference > allowed:
        return difference, f"{x:g} here, {y:g} there, allowed {allowed:g} {a['unit']}"
    quality = abs(a["quality"] - b["quality"])
    return difference, f"quality {a['quality']:g} here, {b['quality']:g} there" if quality > QUALITY_ATOL else ""
