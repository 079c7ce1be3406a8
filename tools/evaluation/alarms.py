"""Bedside alarms judged by the pulse: a row a record in the layout of the CinC 2015 data (the alarm is at its end).

The last whole seconds of each record, 24 at most, go through the pulse analyzer in a lane, as live; its last reading,
which looks back from the record's end, is written. 1 = the pulse confirms the condition, 0 = a good pulse contradicts
it, empty = cannot tell.
"""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from evaluation._archive import arrays
from numpy.typing import NDArray

from edge import inference
from edge.analyzers import pulse
from edge.inference import Model
from edge.lane import Lane
from edge.types import Block, ConfigError, Reading

_LAST_S = 24.0
CONDITIONS = ("brady", "tachy", "asystole")


def run(data: Path, out: Path, variant: str | None) -> int:
    """Write ``out``; prints the share of records with a rate. variant: of the network that reads rates at rest."""
    model = inference.load("pulse", variant=variant)
    found, rate_hz = arrays(data, ("pleth", "record"), "pleth (n, samples), record and fs")
    waves, names = found["pleth"], found["record"]
    if waves.ndim != 2 or names.shape != waves.shape[:1]:
        raise ConfigError(f"{data}: pleth must be (n, samples) and record (n)")
    answered = 0
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["record", "hr_last10s", "quality", *CONDITIONS, "reason"])
        for name, wave in zip(names, waves, strict=True):
            last = at_end(wave, rate_hz, model)
            said = [last.detail.get(key) for key in CONDITIONS]
            rate = "" if last.value is None else f"{last.value:.2f}"
            answered += last.value is not None
            writer.writerow([name, rate, f"{last.quality:.4f}", *("" if s is None else s for s in said), last.reason])
    print(f"alarms: {len(names)} records, {answered / max(1, len(names)):.3f} with a rate", file=sys.stderr)
    return 0


def at_end(wave: NDArray[Any], rate_hz: float, model: Model) -> Reading:
    """What the pulse says at the end of a record ``(samples,)``: of the whole seconds before it, 24 at most."""
    seconds = min(_LAST_S, math.floor(len(wave) / rate_hz + 1e-6))
    if seconds < 1:
        return Reading("ppg.hr", 0.0, None, "bpm", reason="too_short")
    analyzers = {"pulse": pulse.build(models=lambda _: model, motion="rule")}
    lane = Lane(bed="bed", source="file", primary="ppg", analyzers=analyzers)
    samples = wave[-math.ceil(seconds * rate_hz - 1e-6) :].astype(np.float64)[:, None]
    readings = lane.feed(Block("file/ppg", 0, 0.0, rate_hz, samples))
    if faults := lane.take_faults():
        raise faults[0].error
    return readings[-1]
