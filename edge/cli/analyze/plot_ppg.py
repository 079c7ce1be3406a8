"""A picture of a pulse wave with its beats, its rate and what was said of its rhythm. The only use of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.dsp.beats import band_passed, find_beats, polarity
from edge.dsp.resample import to_grid
from edge.types import Block, ConfigError, Reading
from edge.window import sample_times

_RATE_HZ = 100.0
_ROW_S = 10.0
_MAX_ROWS = 12
_COLOURS = {"sinus": "#2a7", "af": "#c33", "ectopy": "#c80", "tachyarrhythmia": "#83c"}
_INVERTED = -0.6


def draw(plot: str | Path, blocks: Sequence[Block], readings: Sequence[Reading], *, title: str) -> None:
    """Write the picture: rows of 10 s with beats and verdicts (evenly chosen where the file is long), and the rate."""
    try:
        import matplotlib
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib: pip install 'edge-vitals[plot]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    t = np.concatenate([sample_times(b) for b in blocks])
    x = np.concatenate([np.asarray(b.data, dtype=np.float64).reshape(len(b.data), -1)[:, 0] for b in blocks])
    keep = np.isfinite(x)
    t, x = t[keep], x[keep]
    starts = np.arange(t[0], max(t[0] + 1e-6, t[-1] - 0.5 * _ROW_S), _ROW_S)
    if len(starts) > _MAX_ROWS:
        starts = starts[np.linspace(0, len(starts) - 1, _MAX_ROWS).round().astype(int)]
    figure, axes = pyplot.subplots(
        len(starts) + 1, 1, figsize=(12, 1.6 * (len(starts) + 1.5)), squeeze=False, layout="constrained"
    )
    for axis, start in zip(axes[:-1, 0], starts, strict=True):
        _row(axis, t, x, float(start), readings)
    _rates(axes[-1, 0], readings)
    figure.suptitle(title)
    figure.savefig(plot, dpi=110)
    pyplot.close(figure)


def _row(axis: Any, t: np.ndarray, x: np.ndarray, start: float, readings: Sequence[Reading]) -> None:
    wave, valid = to_grid(t, x, start, start + _ROW_S, _RATE_HZ, 0.15)
    at = start + np.arange(len(wave)) / _RATE_HZ
    if valid.mean() > 0.5 and wave.std() > 0:
        wave = band_passed(wave, _RATE_HZ)
        if polarity(wave) < _INVERTED:
            wave = -wave
        beats = find_beats(wave, _RATE_HZ)
        heights = np.interp(beats.peak, at - start, wave)
        axis.plot(start + beats.peak, heights, "v", color="#c33", markersize=4)
    axis.plot(at, np.where(valid, wave, np.nan), linewidth=0.9, color="#247")
    middle = start + _ROW_S
    near = [r for r in readings if r.metric == "ppg.rhythm" and abs(r.t - middle) < 1.1]
    if near:
        r = min(near, key=lambda r: abs(r.t - middle))
        word = str(r.value) if r.value is not None else f"cannot tell: {r.reason}"
        p = f"  p(AF) {r.detail['p_af']:.2f}" if r.value is not None else ""
        axis.set_title(word + p, loc="left", fontsize=9, pad=3, color=_COLOURS.get(str(r.value), "#555"))
    axis.set_xlim(start, start + _ROW_S)
    axis.set_yticks([])


def _rates(axis: Any, readings: Sequence[Reading]) -> None:
    mine = [r for r in readings if r.metric == "ppg.hr"]
    values = [np.nan if r.value is None else float(r.value) for r in mine]
    axis.plot([r.t for r in mine], values, ".-", linewidth=0.8, markersize=3, color="#247")
    axis.set_ylabel("bpm")
    axis.set_xlabel("s")
