"""The picture of ``analyze murmur``: waveform, scalogram, where a murmur is heard, verdict. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.analyzers.murmur import activation
from edge.cli.analyze.picture import picture
from edge.dsp import pcg_frontend as frontend
from edge.dsp.filters import within_reach
from edge.inference import Model
from edge.types import Block, ConfigError, Reading

Floats = NDArray[np.float32]

_SHOWN_S = 20.0
_LEAST_S = 0.2  # a few frames of the scalogram


def draw(
    path: str | Path,
    blocks: Sequence[Block],
    readings: Sequence[Reading],
    model: Model,
    *,
    title: str,
) -> None:
    """Write the picture to ``path``; at most the first 20 s, under ``title``. Raises ConfigError where it cannot."""
    x, there = _on_one_grid(blocks)
    rate = blocks[0].rate
    if there.sum() < _LEAST_S * rate:
        raise ConfigError(f"--plot {path}: less than {_LEAST_S:g} s of sound cannot be drawn")
    y, _ = frontend.remove_spikes(frontend.to_internal(within_reach(x), rate))
    layout = {"sharex": True, "height_ratios": (2, 3, 1.2)}
    with picture(path, 3, size=(11, 6.5), title=title, **layout) as (wave, spectrum, heard):
        _wave(wave, y, there, rate)
        _scalogram(spectrum, y)
        _heard(heard, y, [r for r in readings if r.metric == "pcg.murmur" and isinstance(r.value, float)], model)


def _on_one_grid(blocks: Sequence[Block]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The first 20 s of samples where they belong in time, the mean where there are none; and where there are some."""
    first = blocks[0].seq
    x = np.full(min(blocks[-1].next_seq - first, int(_SHOWN_S * blocks[0].rate)), np.nan)
    for b in blocks:
        at = b.seq - first
        part = b.data.reshape(len(b.data), -1)[: max(0, len(x) - at), 0]
        x[at : at + len(part)] = part
    there = np.isfinite(x)
    return np.where(there, x, x[there].mean() if there.any() else 0.0), there


def _wave(axis: Any, y: Floats, there: NDArray[np.bool_], rate: float) -> None:
    axis.plot(np.arange(len(y)) / frontend.RATE_HZ, y / (np.abs(y).max() or 1.0), linewidth=0.4, color="#27476e")
    edges = np.flatnonzero(np.diff(np.concatenate([[True], there, [True]]).astype(int))) / rate
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        axis.axvspan(begin, end, color="0.8")
        axis.text((begin + end) / 2, 0.9, "missing", ha="center", va="top", fontsize="x-small", color="0.3")
    axis.set_ylabel("sound, 25–800 Hz")
    axis.set_ylim(-1.05, 1.05)


def _scalogram(axis: Any, y: Floats) -> None:
    scales = frontend.scalogram(y)
    end_s = (len(y) - 1) / frontend.RATE_HZ
    axis.imshow(
        scales, origin="lower", aspect="auto", extent=(0, end_s, 0, len(scales)), cmap="magma",
        vmin=float(np.quantile(scales, 0.2)),
    )  # fmt: skip
    hz = np.array([30, 60, 120, 240, 480, 700])
    axis.set_yticks(np.log(hz / 30.0) / np.log(800 / 1.1 / 30.0) * (len(scales) - 1) + 0.5, [str(f) for f in hz])
    axis.set_ylabel("scalogram, Hz")


def _heard(axis: Any, y: Floats, judged: Sequence[Reading], model: Model) -> None:
    if judged:
        times, logits = activations(y, model)
        chance = 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))
        ends = np.array([r.t for r in judged])
        answered = ((times[:, None] <= ends) & (times[:, None] >= ends - frontend.WINDOW_S)).any(axis=1)
        axis.fill_between(
            times, 0, chance, where=answered, step="mid", color="#b3202c", alpha=0.5, label="network, raw"
        )
        windows = [(r.t - frontend.WINDOW_S / 2, r.value) for r in judged if r.detail["complete"]]
        at, of_window = np.array(windows, float).reshape(-1, 2).T
        axis.plot(at, of_window, "o", markersize=3, color="black", label="probability of a window")
        axis.legend(loc="upper right", fontsize="small", ncols=2)
    else:
        axis.text(0.5, 0.5, "no window was answered", transform=axis.transAxes, ha="center", va="center")
    axis.set_ylim(0, 1)
    axis.set_ylabel("murmur heard")
    axis.set_xlabel("s")


def activations(y: Floats, model: Model) -> tuple[NDArray[Any], NDArray[Any]]:
    """Murmur logit over time from windows 2.5 s apart, where they overlap the mean: times s, logits."""
    span = int(frontend.WINDOW_S * frontend.RATE_HZ)
    if len(y) < span:
        y = np.concatenate([y, np.zeros(span - len(y), np.float32)])
    steps = 32
    step = span // steps
    total, count = np.zeros(len(y) // step + 1), np.zeros(len(y) // step + 1)
    for start in range(0, len(y) - span + 1, span // 2):
        found = activation(model, frontend.log_mel(y[start : start + span]))
        at = start // step
        total[at : at + steps] += found
        count[at : at + steps] += 1
    good = count > 0
    times = (np.flatnonzero(good) + 0.5) * step / frontend.RATE_HZ
    return times, total[good] / count[good]
