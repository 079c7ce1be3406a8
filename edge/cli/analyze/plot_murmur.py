"""The picture of ``analyze murmur``: waveform, scalogram, where a murmur is heard, verdict. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.analyzers.murmur import activation
from edge.cli._events import clock_text
from edge.cli.analyze.picture import label_times, picture
from edge.dsp.filters import within_reach
from edge.dsp.pcg import frontend, listening
from edge.dsp.pcg.decision import Calibration
from edge.dsp.pcg.dropout import filled, spans
from edge.dsp.pcg.hum import without_hum
from edge.inference import Model
from edge.types import Block, ConfigError, Reading

Floats = NDArray[np.float32]

_SHOWN_S = 20.0
_STEPS = 32  # of the network's activation over a window
_MANY = 2000
_LEAST_S = 0.2  # a few frames of the scalogram


def draw(
    path: str | Path,
    blocks: Iterable[Block],
    readings: Sequence[Reading],
    model: Model,
    *,
    title: str,
) -> None:
    """Write the picture to ``path``: at most 20 s, those with the strongest murmur, under ``title``, and below them in
    what is longer all windows. The blocks are read twice. Raises ConfigError where it cannot."""
    rate, begin, end = _extent(blocks)
    all_s = (end - begin) / rate
    answered = [r for r in readings if r.metric == "pcg.murmur" and isinstance(r.value, float)]
    judged = [r for r in answered if r.detail["complete"]] or answered
    begin_s = strongest_from(judged, all_s)
    first = begin + round(begin_s * rate)
    x, there = _on_one_grid(blocks, first, min(end - first, int(_SHOWN_S * rate)), rate)
    if there.sum() < _LEAST_S * rate:
        raise ConfigError(f"--plot {path}: less than {_LEAST_S:g} s of sound cannot be drawn")
    end_s = begin_s + len(x) / rate
    y, hum = _as_heard(x, rate)
    threshold = Calibration.from_card(model.card).recording[3]
    inside = [r for r in judged if _start(r) >= begin_s and r.t <= end_s]
    long = all_s > _SHOWN_S
    rows = (2, 3, 1.2, 0.8) if long else (2, 3, 1.2)
    with picture(path, len(rows), size=(11, 5.3 + 1.2 * (len(rows) - 2)), title=title, height_ratios=rows) as axes:
        _wave(axes[0], y, there, rate, begin_s, hum=hum)
        _scalogram(axes[1], y, begin_s)
        _heard(axes[2], inside, activations(x, rate, begin_s, inside, model) if inside else None, threshold)
        for axis in axes[:3]:
            axis.set_xlim(begin_s, end_s)
        if long:
            shown = f"{clock_text(begin_s)} to {clock_text(end_s)} of {clock_text(all_s)}, shaded below"
            most = ": most like a murmur" if judged else ""
            axes[0].set_title(shown + most, loc="left", fontsize="small")
            _all(axes[3], judged, (begin_s, end_s), all_s, threshold)
        label_times(axes, all_s)


def strongest_from(judged: Sequence[Reading], all_s: float) -> float:
    """Where the 20 s with the largest sum of window probabilities begin, in whole s; 0 where all can be shown."""
    last = np.floor(max(0.0, all_s - _SHOWN_S))
    begins, ends = np.array([(_start(r), r.t) for r in judged]).reshape(-1, 2).T
    below = np.concatenate([[0.0], np.cumsum(np.array([r.value for r in judged], float))])
    from_s = np.minimum(np.floor(np.append(0.0, begins)), last)
    inside = below[np.searchsorted(ends, from_s + _SHOWN_S, "right")] - below[np.searchsorted(begins, from_s)]
    return float(from_s[inside.argmax()])


def activations(
    x: NDArray[np.float64], rate_hz: float, begin_s: float, judged: Sequence[Reading], model: Model
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Murmur logit over time, the mean where windows overlap: times s, logits; NaN where no window was answered.

    x: samples from ``begin_s`` on; judged: the readings of windows in them, each heard as the analyzer heard it.
    """
    step_s = frontend.WINDOW_S / _STEPS
    total = np.zeros(int(len(x) / rate_hz / step_s) + 2)
    count = np.zeros(len(total))
    for r in judged:
        start_s = _start(r)
        sound, _ = listening.listen_to(
            x[round((start_s - begin_s) * rate_hz) : round((r.t - begin_s) * rate_hz)], rate_hz
        )
        if sound is None:
            continue
        steps = round((r.t - start_s) / step_s)  # a short window is repeated to fill 5 s
        at = round((start_s - begin_s) / step_s)
        total[at : at + steps] += activation(model, sound.picture)[:steps]
        count[at : at + steps] += 1
    times = begin_s + (np.arange(len(total)) + 0.5) * step_s
    return times, np.divide(total, count, where=count > 0, out=np.full(len(total), np.nan))


def _start(r: Reading) -> float:
    return max(0.0, r.t - frontend.WINDOW_S)


def _extent(blocks: Iterable[Block]) -> tuple[float, int, int]:
    """Sampling rate, number of the first sample and of the one after the last."""
    numbers = [(b.rate, b.seq, b.next_seq) for b in blocks]
    return numbers[0][0], numbers[0][1], numbers[-1][2]


def _on_one_grid(
    blocks: Iterable[Block], first: int, n: int, rate_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """``n`` samples from number ``first`` on, filled where there are none; and where there are some."""
    x = np.full(n, np.nan)
    for b in blocks:
        at = b.seq - first
        part = b.data.reshape(len(b.data), -1)[max(0, -at) : max(0, len(x) - at), 0]
        at = max(0, at)
        x[at : at + len(part)] = part
    there = np.isfinite(x)
    at_hand = np.flatnonzero(there)
    if not len(at_hand):
        return np.zeros(len(x)), there
    short = [(a, b) for a, b in spans(~there) if b - a <= listening.MAX_MISSING_S * rate_hz]  # heard all the same
    return filled(np.interp(np.arange(len(x)), at_hand, x[at_hand]), short), there


def _as_heard(x: NDArray[np.float64], rate_hz: float) -> tuple[Floats, bool]:
    """Samples as the analyzer makes them, 5 s at a time as it does; and whether a mains hum was taken out."""
    y, _ = frontend.remove_spikes(frontend.to_internal(within_reach(x), rate_hz))
    parts = np.array_split(y, max(1, round(len(y) / (frontend.WINDOW_S * frontend.RATE_HZ))))
    clean = [without_hum(part) for part in parts]
    return np.concatenate(clean), any(a is not b for a, b in zip(clean, parts, strict=True))


def _wave(axis: Any, y: Floats, there: NDArray[np.bool_], rate: float, begin_s: float, *, hum: bool) -> None:
    at = begin_s + np.arange(len(y)) / frontend.RATE_HZ
    axis.plot(at, y / (np.abs(y).max() or 1.0), linewidth=0.4, color="#27476e")
    for begin, end in begin_s + np.array(spans(~there)).reshape(-1, 2) / rate:
        axis.axvspan(begin, end, color="0.8")
        axis.text((begin + end) / 2, 0.9, "missing", ha="center", va="top", fontsize="x-small", color="0.3")
    axis.set_ylabel("sound, 25–800 Hz" + ("\nwithout mains hum" if hum else ""))
    axis.set_ylim(-1.05, 1.05)


def _scalogram(axis: Any, y: Floats, begin_s: float) -> None:
    scales = frontend.scalogram(y)
    end_s = begin_s + scales.shape[1] * frontend.HOP_SAMPLES / frontend.RATE_HZ
    axis.imshow(
        scales, origin="lower", aspect="auto", extent=(begin_s, end_s, 0, len(scales)), cmap="magma",
        vmin=float(np.quantile(scales, 0.2)),
    )  # fmt: skip
    hz = np.array([30, 60, 120, 240, 480, 700])
    axis.set_yticks(np.log(hz / 30.0) / np.log(800 / 1.1 / 30.0) * (len(scales) - 1) + 0.5, [str(f) for f in hz])
    axis.set_ylabel("scalogram, Hz")


def _heard(
    axis: Any, judged: Sequence[Reading], raw: tuple[NDArray[Any], NDArray[Any]] | None, threshold: float
) -> None:
    if raw is not None:
        times, logits = raw
        chance = 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))
        answered = np.isfinite(logits)
        axis.fill_between(
            times, 0, chance, where=answered, step="mid", color="#b3202c", alpha=0.5, label="network, raw"
        )
        _dots(axis, judged, label="probability of a window")
        _threshold(axis, threshold, label=f"present from {threshold:.2f} on: the recording decides, no single window")
        axis.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize="small", ncols=3, frameon=False)
    else:
        axis.text(0.5, 0.5, "no window was answered", transform=axis.transAxes, ha="center", va="center")
    axis.set_ylim(-0.03, 1.05)
    axis.set_ylabel("murmur heard")


def _all(axis: Any, judged: Sequence[Reading], shown: tuple[float, float], all_s: float, threshold: float) -> None:
    many = len(judged) > _MANY  # of a night: how dark it is tells how many
    _dots(axis, judged, **({"markersize": 2, "alpha": 0.1, "markeredgewidth": 0} if many else {}))
    if judged:
        _threshold(axis, threshold)
    axis.axvspan(*shown, color="#27476e", alpha=0.15, linewidth=3)  # 20 s of a night have no width
    axis.set_xlim(0, all_s)
    axis.set_ylim(-0.1, 1.1)
    axis.set_ylabel("all windows")


def _threshold(axis: Any, threshold: float, **how: Any) -> None:
    axis.axhline(threshold, linestyle="--", linewidth=0.9, color="0.35", **how)


def _dots(axis: Any, judged: Sequence[Reading], **how: Any) -> None:
    middles = [(_start(r) + r.t) / 2 for r in judged]
    axis.plot(middles, [r.value for r in judged], "o", **{"markersize": 3, "color": "black", **how})
