"""The picture of ``analyze camera``: traces of skin and background, the pulse, its spectrum, and the rates said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.cli.analyze.picture import picture
from edge.dsp.face.columns import COLUMNS
from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, band_pass, pos, power
from edge.dsp.resample import to_grid
from edge.types import Block, Reading

Floats = NDArray[np.float64]

_COLOURS = {"forehead_r": "tab:red", "forehead_g": "tab:green", "forehead_b": "tab:blue", "background_g": "0.6"}


def draw(path: str | Path, rates: Sequence[Reading], traces: Sequence[Block], *, title: str) -> None:
    """Draw to ``path``; raises ConfigError where it cannot."""
    with picture(path, 4, size=(10, 9), title=title) as (colours, wave, rate, spectrum):
        data = np.concatenate([b.data for b in traces])
        t = np.array([b.t0 for b in traces]) - traces[0].t0
        _colours(colours, t, data)
        _pulse(wave, spectrum, t, data)
        _rates(rate, rates, traces[0].t0, _end(t))


def _colours(axis: Any, t: Floats, data: Floats) -> None:
    for name, colour in _COLOURS.items():
        trace = data[:, COLUMNS.index(name)]
        if np.isfinite(trace).any():
            axis.plot(t, trace, colour, lw=0.8, label=name.replace("_", " "))
    if axis.lines:
        _legend(axis)
    else:
        _nothing(axis, "no face seen")
    axis.set(xlabel="s", ylabel="mean colour, 0 to 255", xlim=(0, _end(t)))


def _nothing(axis: Any, why: str) -> None:
    """An axis without a line has no scale either."""
    axis.text(0.5, 0.5, why, transform=axis.transAxes, ha="center", va="center", color="0.4")
    axis.set_yticks([])


def _legend(axis: Any) -> None:
    """Above the axis, where it hides no line."""
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize="small", ncols=4, frameon=False, borderaxespad=0.2)


def _end(t: Floats) -> float:
    return max(float(t[-1]), 1.0)


def _pulse(wave: Any, spectrum: Any, t: Floats, data: Floats) -> None:
    forehead = [COLUMNS.index(f"forehead_{c}") for c in "rgb"]
    seen = np.isfinite(data[:, forehead]).all(1)
    if seen.sum() > 2 * RATE_HZ:
        rgb, _ = to_grid(t[seen], data[seen][:, forehead], 0.0, float(t[-1]), RATE_HZ, 0.25)
        pulse = band_pass(pos(rgb))
        wave.plot(np.arange(len(pulse)) / RATE_HZ, pulse, "tab:purple", lw=0.9)
        spectrum.plot(GRID_BPM, power(pulse[-round(10 * RATE_HZ) :]), "tab:purple")
    else:
        for axis in (wave, spectrum):
            _nothing(axis, "no skin seen for 2 s")
    wave.set(xlabel="s", ylabel="pulse (POS) of the\nforehead, a.u.", xlim=(0, _end(t)))
    spectrum.set(xlabel="bpm", ylabel="power of the pulse,\nlast 10 s, a.u.", xlim=(GRID_BPM[0], GRID_BPM[-1]))


def _rates(axis: Any, rates: Sequence[Reading], start: float, end_s: float) -> None:
    said = [(r.t - start, r.value) for r in rates if isinstance(r.value, float)]
    silent = [(r.t - start, r.reason) for r in rates if r.value is None]
    if said:
        axis.plot(*zip(*said, strict=True), "o-", color="tab:green", label="said")
    if silent:
        axis.plot([s for s, _ in silent], [42.0] * len(silent), "x", color="0.6", label="silent")
    before = ""
    for at, reason in silent:
        if reason != before:
            axis.annotate(reason, (at, 46.0), rotation=30, fontsize="small", color="0.4")
        before = reason
    axis.set(xlabel="s", ylabel="heart rate, bpm", ylim=(38, max([120.0, *[v + 15 for _, v in said]])), xlim=(0, end_s))
    if axis.lines:
        _legend(axis)
    else:
        _nothing(axis, "too short for a reading")
