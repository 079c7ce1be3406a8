"""``edge-vitals analyze ppg FILE``: heart rate, rhythm and quality of a recorded pulse wave, in words and numbers.

The file goes through the same source, lane, analyzers and models as a live sensor, an accelerometer in it beside the
pulse wave. What cannot be judged is named with its reason and is no failure of the command (exit code 0); a file that
cannot be read ends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edge.analyzers import pulse, rhythm
from edge.cli._file_notes import PPG_RATES_HZ, of_rates
from edge.cli.analyze.one_file import left_out, main_reason, played, tell, through
from edge.dsp.ppg.movement import MOVING
from edge.inference import Model
from edge.lane import Lane
from edge.types import Analyzer, Reading, Window

WHY = {
    "warming_up": "less than 10 seconds of signal",
    "too_short": "less than 10 seconds of signal",
    "no_signal": "the line is flat, or holds no numbers",
    "sensor_off": "nothing lies on the sensor",
    "saturated": "the signal is clipped: lower the light or the gain",
    "gap": "samples are missing, held, drawn as a line, or come twice",
    "motion": "too much movement",
    "low_quality": "too noisy to find beats one can trust",
    "no_pulse": "the pulse stopped",
    "out_of_distribution": "this does not look like a pulse wave",
}
NAMES = {
    "sinus": "sinus rhythm",
    "af": "atrial fibrillation likely",
    "ectopy": "premature beats",
    "tachyarrhythmia": "a fast rhythm (sinus tachycardia looks alike)",
}
_VERDICT = ("Heart rate:", "Rhythm:", "Also:", "Windows left out:")
_LIMITS = (
    "Limits: trained on 28 adults at rest. Frequent premature beats can look like atrial fibrillation; one window is "
    "no finding, look at how many agree. Not a medical device."
)


def report(
    path: str | Path,
    *,
    rate_hz: float | None = None,
    channel: int | None = None,
    plot: str | Path | None = None,
    jsonl: bool = False,
) -> None:
    """Print what one file holds; with ``plot`` also draw it."""
    from edge.assembly import ModelShelf

    models = ModelShelf()
    model = models("rhythm")
    blocks, rates_hz, notes = played(path, "ppg", "pulse wave", rate_hz=rate_hz, channel=channel)
    ppg = [b for b in blocks if b.kind == "ppg"]
    watched = Upward(rhythm.build(models=models))
    analyzers: dict[str, Analyzer] = {"pulse": pulse.build(models=models), "rhythm": watched}
    readings = through(
        Lane(bed="file", source="file", primary="ppg", analyzers=analyzers), blocks, lambda: blocks[-1].t_end
    )
    if ppg[0].data.shape[1] > 1 and all(r.value is None for r in readings if r.metric == "ppg.hr"):
        notes = [*notes, "beats are read from the first channel: --channel takes another"]
    words = in_words(readings, model, rates_hz, notes)
    try:
        if plot is not None:
            from edge.cli.analyze.plot_ppg import draw

            verdict = [line for line in words if line.startswith(_VERDICT)]
            draw(plot, ppg, readings, watched.signs, title="\n".join([Path(path).name, *verdict]))
    finally:  # said last: a reader that goes away takes no picture with it
        tell(readings, words, jsonl=jsonl, file=str(path))


class Upward:
    """The rhythm analyzer, and which way up it took the wave to be: ``signs``, ``(t, ±1)`` at each of its hops, s."""

    def __init__(self, inner: rhythm.Rhythm) -> None:
        self._inner = inner
        self.streams, self.metrics = inner.streams, inner.metrics
        self.window_s, self.hop_s = inner.window_s, inner.hop_s
        self.reset, self.state, self.restore = inner.reset, inner.state, inner.restore
        self.signs: list[tuple[float, float]] = []

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]:
        readings = self._inner(windows)
        self.signs.append((windows["ppg"].end, float(self._inner.state()["sign"])))
        return readings


def in_words(
    readings: Sequence[Reading], model: Model, rates_hz: Mapping[str, float] | None = None, notes: Sequence[str] = ()
) -> list[str]:
    """The report, line by line. rates_hz: sampling rate of each stream that was read; notes: what channels lack."""
    rates_hz = rates_hz or {}
    why = WHY
    if round(rates_hz.get("ppg", PPG_RATES_HZ[0]), 1) < PPG_RATES_HZ[0]:
        why = {**WHY, "low_quality": f"sampled at less than the {PPG_RATES_HZ[0]:g} Hz that it takes"}
    moved = _movement(readings) if "acc" in rates_hz else []
    told = [f"Note: {note}." for note in (*of_rates(rates_hz), *notes)]
    models = ", ".join(dict.fromkeys([str(model.identity), *(r.model for r in readings if r.model)]))
    return [
        *_rate(readings, why), *moved, *_rhythm(readings, why), _quality(readings), *told, _LIMITS, f"Model: {models}"
    ]  # fmt: skip


def _movement(readings: Sequence[Reading]) -> list[str]:
    mine = [r for r in readings if r.metric == "ppg.hr" and r.reason != "warming_up"]
    moved = [r for r in mine if r.reason == "motion" or (r.detail.get("motion") or 0.0) >= MOVING]
    if not moved:
        return ["Accelerometer: at rest."]
    return [
        f"Accelerometer: moving at {len(moved)} of {len(mine)} readings; there the rate is read with movement taken out."
    ]


def _rate(readings: Sequence[Reading], why: Mapping[str, str]) -> list[str]:
    mine = [r for r in readings if r.metric == "ppg.hr"]
    rates = [float(r.value) for r in mine if isinstance(r.value, float)]
    if not rates:
        return [f"Heart rate: cannot tell: {main_reason(_unknown(mine), why)}."]
    low, middle, high = np.quantile(rates, [0.05, 0.5, 0.95])
    lines = [f"Heart rate: {middle:.0f} bpm ({low:.0f} to {high:.0f}; {len(rates)} of {len(mine)} readings)."]
    slow = [float(r.detail["brady_bpm"]) for r in mine if r.value is not None and "brady_bpm" in r.detail]
    fast = [float(r.detail["tachy_bpm"]) for r in mine if r.value is not None and "tachy_bpm" in r.detail]
    if slow:
        fastest = f"; fastest five: {max(fast):.0f}" if fast else ""
        lines.append(f"Slowest four intervals: {min(slow):.0f} bpm{fastest}.")
    stops = [r.detail["longest_gap_s"] for r in mine if r.detail.get("asystole") == 1]
    if stops:
        lines.append(f"The pulse stopped for up to {max(stops):.1f} s.")
    return lines


def _rhythm(readings: Sequence[Reading], why: Mapping[str, str]) -> list[str]:
    mine = [r for r in readings if r.metric == "ppg.rhythm"]
    said = Counter(str(r.value) for r in mine if r.value is not None)
    if not said:
        return [f"Rhythm: cannot tell: {main_reason(_unknown(mine), why)}."]
    total = sum(said.values())
    word, n = said.most_common(1)[0]
    lines = [f"Rhythm: {NAMES[word]} in {n} of {total} windows of 10 s."]
    others = [f"{NAMES[w]} in {k}" for w, k in said.most_common()[1:]]
    if others:
        lines.append(f"Also: {', '.join(others)}.")
    p = [float(r.detail["p_AF"]) for r in mine if r.value is not None]
    lines.append(f"Probability of atrial fibrillation: {np.median(p):.2f} in the middle window, {max(p):.2f} at most.")
    left = _unknown(mine)
    left.pop("warming_up", None)
    return lines + left_out("Windows", left, why)


def _unknown(readings: Sequence[Reading]) -> Counter[str]:
    return Counter(r.reason for r in readings if r.value is None)


def _quality(readings: Sequence[Reading]) -> str:
    found = [r.quality for r in readings if r.metric == "ppg.quality" and r.reason != "warming_up"]
    perfusion = [float(r.value) for r in readings if r.metric == "ppg.perfusion" and isinstance(r.value, float)]
    text = f"Quality: {np.median(found):.2f} of 1." if found else "Quality: not known."
    return text + (f" Perfusion index: {np.median(perfusion):.2f} %." if perfusion else "")
