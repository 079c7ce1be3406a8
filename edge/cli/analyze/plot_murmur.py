"""The picture of ``analyze murmur``: waveform, scalogram, where a murmur is heard, verdict. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.analyzers.murmur import activation
from edge.dsp import pcg_frontend as frontend
from edge.inference import Model
from edge.types import Block, ConfigError, Reading

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
    try:
        import matplotlib
    except ImportError:
        raise ConfigError("--plot needs matplotlib: pip install 'edge-vitals[plot]'") from None
    matplotlib.use("agg")
    from matplotlib import pyplot

    rate = blocks[0].rate
    x = np.concatenate([b.data.reshape(len(b.data), -1)[:, 0] for b in blocks]).astype(np.float64)
    x = x[: int(_SHOWN_S * rate)]
    if len(x) < _LEAST_S * rate:
        raise ConfigError(f"--plot {path}: less than {_LEAST_S:g} s of sound cannot be drawn")
    y, _ = frontend.remove_spikes(frontend.to_internal(np.nan_to_num(x), rate))
    t = np.arange(len(y)) / frontend.RATE_HZ
    figure, (wave, picture, heard) = pyplot.subplots(
        3, 1, figsize=(11, 6.5), sharex=True, height_ratios=(2, 3, 1.2), layout="constrained"
    )
    wave.plot(t, y / (np.abs(y).max() + 1e-12), linewidth=0.4, color="#27476e")
    wave.set_ylabel("sound, 25–800 Hz")
    wave.set_ylim(-1.05, 1.05)
    scales = frontend.scalogram(y)
    picture.imshow(
        scales, origin="lower", aspect="auto", extent=(0, t[-1] if len(t) else 1, 0, len(scales)), cmap="magma",
        vmin=float(np.quantile(scales, 0.2)),
    )  # fmt: skip
    ticks = np.array([30, 60, 120, 240, 480, 700])
    picture.set_yticks(
        np.log(ticks / 30.0) / np.log(800 / 1.1 / 30.0) * (len(scales) - 1) + 0.5, [str(f) for f in ticks]
    )
    picture.set_ylabel("scalogram, Hz")
    judged = [r for r in readings if r.metric == "pcg.murmur" and isinstance(r.value, float)]
    if judged:
        times, logits = activations(y, model)
        chance = 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))
        ends = np.array([r.t for r in judged])
        answered = ((times[:, None] <= ends) & (times[:, None] >= ends - frontend.WINDOW_S)).any(axis=1)
        heard.fill_between(times, 0, chance, where=answered, step="mid", color="#b3202c", alpha=0.7)
        windows = [(r.t - frontend.WINDOW_S / 2, r.value) for r in judged if r.detail["complete"]]
        heard.plot(*np.array(windows, float).reshape(-1, 2).T, "o", markersize=3, color="black", label="per window")
        heard.legend(loc="upper right", fontsize="small")
    else:
        heard.text(0.5, 0.5, "no window was answered", transform=heard.transAxes, ha="center", va="center")
    heard.set_ylim(0, 1)
    heard.set_ylabel("murmur heard")
    heard.set_xlabel("s")
    figure.suptitle(title)
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--plot {path}: {error}") from error
    finally:
        pyplot.close(figure)


def activations(y: NDArray[np.float32], model: Model) -> tuple[NDArray[Any], NDArray[Any]]:
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
