"""A picture of a pulse wave with its beats, its rate and what was said of its rhythm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.cli.analyze.picture import label_times, picture
from edge.dsp.ppg.beats import band_passed, find_beats
from edge.dsp.ppg.breaks import MAX_BRIDGE_S
from edge.dsp.resample import to_grid
from edge.dsp.rhythm.features import RATE_HZ, WINDOW_S, prepared
from edge.types import Block, Reading
from edge.window import sample_times

_SAME_S = 0.05  # two times nearer than this are the same hop
_MAX_ROWS = 12
_COLOURS = {"sinus": "#2a7", "af": "#c33", "ectopy": "#c80", "tachyarrhythmia": "#83c"}
_LEAST_BPM = 10.0  # half of the least span shown: a change of a tenth is no change


def draw(
    plot: str | Path,
    blocks: Sequence[Block],
    readings: Sequence[Reading],
    signs: Sequence[tuple[float, float]],
    *,
    title: str,
) -> None:
    """Write the picture: rows of 10 s with verdicts, and the rate and all verdicts below. Of a long file some windows are
    chosen, of each verdict and each reason for none; the title says so.

    signs: at each hop, s, which way up the rhythm analyzer took the wave to be. A row is the window that a verdict
    stands on, drawn as it was judged. All rows have one scale, that of the answered ones where there are any, and beats
    are marked only where a verdict stands on them: noise looks like noise.
    """
    begin = blocks[0].t0
    t = np.concatenate([sample_times(b) for b in blocks])
    x = np.concatenate([np.asarray(b.data, dtype=np.float64).reshape(len(b.data), -1)[:, 0] for b in blocks])
    keep, slack_s = np.isfinite(x), 0.25 / blocks[0].rate  # as windows are cut
    t, x = t[keep], x[keep]
    starts = np.arange(begin, max(begin + 1e-6, blocks[-1].t_end - 0.5 * WINDOW_S), WINDOW_S)
    verdicts = [r for r in readings if r.metric == "ppg.rhythm"]
    if len(starts) > _MAX_ROWS:
        kinds = _kinds(verdicts, begin) or {"": starts.tolist()}
        starts = np.array(_chosen(kinds, begin))
        of_all = f"{len(starts)} of {sum(map(len, kinds.values()))} windows of 10 s"
        title += f"\n{of_all}, of each verdict and each reason by its share, one at least; all verdicts below"
    size = (12, 1.6 * (len(starts) + 1.5))
    with picture(plot, len(starts) + 1, size=size, title=title) as axes:
        heights = []
        for axis, start in zip(axes[:-1], starts.tolist(), strict=True):
            inside = (t >= start - slack_s) & (t < start + WINDOW_S - slack_s)
            heights.append(_row(axis, t[inside], x[inside], start, verdicts, signs))
        tallest = max([height for height, answered in heights if answered] or [height for height, _ in heights]) or 1.0
        for axis in axes[:-1]:
            axis.set_ylim(-1.1 * tallest, 1.1 * tallest)
        _rates(axes[-1], readings, begin, blocks[-1].t_end)
        _strip(axes[-1], verdicts)
        label_times(axes, blocks[-1].t_end - begin, each=True)


def _kinds(verdicts: Sequence[Reading], begin: float) -> dict[str, list[float]]:
    """Where the windows of each verdict, or of each reason for none, begin, s; those before the first sample left out."""
    kinds: dict[str, list[float]] = {}
    for r in verdicts:
        if r.t - WINDOW_S > begin - _SAME_S:
            kinds.setdefault(r.reason if r.value is None else str(r.value), []).append(r.t - WINDOW_S)
    return kinds


def _chosen(kinds: Mapping[str, Sequence[float]], begin: float) -> list[float]:
    """Where the windows that are shown begin, in order of time: of each kind as many as its share asks, one at least.

    Those a whole number of rows after ``begin`` are taken, which show nothing twice; where a kind has none, one other.
    """
    among = {kind: _in_rows(those, begin) or [those[len(those) // 2]] for kind, those in kinds.items()}
    shown = dict.fromkeys(kinds, 1)
    due = {kind: _MAX_ROWS * len(those) / sum(map(len, kinds.values())) for kind, those in kinds.items()}
    while sum(shown.values()) < _MAX_ROWS and (more := [k for k in kinds if shown[k] < len(among[k])]):
        shown[max(more, key=lambda k: due[k] - shown[k])] += 1
    evenly = {k: np.linspace(0, len(those) - 1, shown[k]).round().astype(int) for k, those in among.items()}
    return sorted(among[kind][i] for kind, picked in evenly.items() for i in picked)


def _in_rows(starts: Sequence[float], begin: float) -> list[float]:
    half = WINDOW_S / 2
    return [start for start in starts if abs((start - begin + half) % WINDOW_S - half) < _SAME_S]


def _strip(axis: Any, verdicts: Sequence[Reading]) -> None:
    """Every verdict in its colour along the foot of an axis of time; white where there was none."""
    ends = [r.t for r in verdicts]
    hop_s = float(np.median(np.diff(ends))) if len(ends) > 1 else WINDOW_S
    for word, colour in _COLOURS.items():
        spans = [(r.t - hop_s, hop_s) for r in verdicts if r.value == word]
        if spans:
            foot = {"transform": axis.get_xaxis_transform(), "color": colour, "linewidth": 0, "label": word}
            axis.broken_barh(spans, (0.0, 0.08), **foot)
    if any(r.value is not None for r in verdicts):
        axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncol=4, fontsize=8, frameon=False, borderaxespad=0.2)


def _row(
    axis: Any,
    t: np.ndarray,
    x: np.ndarray,
    start: float,
    verdicts: Sequence[Reading],
    signs: Sequence[tuple[float, float]],
) -> tuple[float, bool]:
    """Draw one row of samples ``x`` at ``t``, s; returns its height and whether it was answered."""
    end = start + WINDOW_S
    verdict = next((r for r in verdicts if abs(r.t - end) < _SAME_S), None)
    answered = verdict is not None and verdict.value is not None
    wave, valid = to_grid(t, x, start, end, RATE_HZ, MAX_BRIDGE_S)
    at = start + np.arange(len(wave)) / RATE_HZ
    if valid.mean() > 0.5 and wave.std() > 0:
        sign = next((s for when, s in reversed(signs) if when < end + _SAME_S), 1.0)
        beats = find_beats(sign * prepared(wave), RATE_HZ) if answered else None
        wave = sign * band_passed(wave, RATE_HZ)
        if beats is not None:
            axis.plot(start + beats.peak, np.interp(beats.peak, at - start, wave), "v", color="#c33", markersize=4)
    else:
        wave = wave - wave[valid].mean() if valid.any() else np.zeros(len(wave))
    axis.plot(at, np.where(valid, wave, np.nan), linewidth=0.9, color="#247" if answered else "0.6")
    if verdict is not None:
        word = str(verdict.value) if answered else f"cannot tell: {verdict.reason}"
        p = f"  p(AF) {verdict.detail['p_AF']:.2f}" if answered else ""
        axis.set_title(word + p, loc="left", fontsize=9, pad=3, color=_COLOURS.get(str(verdict.value), "#555"))
    axis.set_xlim(start, start + WINDOW_S)
    axis.set_yticks([])
    axis.set_ylabel("PPG, a.u.", fontsize="small")
    return float(np.abs(wave[valid]).max()) if valid.any() else 0.0, answered


def _rates(axis: Any, readings: Sequence[Reading], begin: float, end: float) -> None:
    mine = [r for r in readings if r.metric == "ppg.hr"]
    values = [np.nan if r.value is None else float(r.value) for r in mine]
    axis.plot([r.t for r in mine], values, ".-", linewidth=0.8, markersize=3, color="#247")
    known = [float(r.value) for r in mine if r.value is not None]
    middle = float(np.median(known)) if known else 75.0
    axis.set_ylim(min([middle - _LEAST_BPM, *known]) - 2, max([middle + _LEAST_BPM, *known]) + 2)
    axis.set_xlim(begin, max(end, begin + WINDOW_S))
    if not known:
        axis.text(0.5, 0.5, "no heart rate", transform=axis.transAxes, ha="center", va="center", color="#555")
    axis.set_ylabel("heart rate, bpm", fontsize="small")
