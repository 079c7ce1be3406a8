"""``edge-vitals analyze ppg FILE``: heart rate, rhythm and quality of a recorded pulse wave, in words and numbers.

The file goes through the same source, lane and analyzers as a live sensor. What cannot be judged is named with its
reason and is no failure of the command (exit code 0); a file that cannot be read ends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.analyzers import pulse, rhythm
from edge.cli.analyze.one_file import blocks_of, tell, through
from edge.inference import Model
from edge.lane import Lane
from edge.types import Analyzer, Reading

WHY = {
    "warming_up": "less than 10 seconds of signal",
    "too_short": "less than 10 seconds of signal",
    "no_signal": "the line is flat",
    "sensor_off": "nothing lies on the sensor",
    "saturated": "the signal is clipped: lower the light or the gain",
    "gap": "samples are missing",
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
) -> int:
    """Print what one file holds; with ``plot`` also draw it. Returns the exit code."""
    from edge import inference

    model = inference.load("rhythm")
    found = blocks_of(path, "ppg", "pulse wave", rate_hz=rate_hz, channel=channel)
    blocks = sorted((b for b in found if b.kind in ("ppg", "acc")), key=lambda b: (b.t0, b.kind))
    analyzers: dict[str, Analyzer] = {"pulse": pulse.build(), "rhythm": rhythm.build(models=lambda _: model)}
    readings = through(Lane(bed="file", source="file", primary="ppg", analyzers=analyzers), blocks)
    try:
        if plot is not None:
            from edge.cli.analyze.plot_ppg import draw

            draw(plot, [b for b in blocks if b.kind == "ppg"], readings, title=Path(path).name)
    finally:  # said last: a reader that goes away takes no picture with it
        tell(readings, in_words(readings, model), jsonl=jsonl)
    return 0


def in_words(readings: Sequence[Reading], model: Model) -> list[str]:
    """The report, line by line."""
    return [*_rate(readings), *_rhythm(readings), _quality(readings), _LIMITS, f"Model: {model.identity}"]


def _rate(readings: Sequence[Reading]) -> list[str]:
    mine = [r for r in readings if r.metric == "ppg.hr"]
    rates = [float(r.value) for r in mine if isinstance(r.value, float)]
    if not rates:
        return [f"Heart rate: cannot tell: {_why(mine)}."]
    low, middle, high = np.quantile(rates, [0.05, 0.5, 0.95])
    lines = [f"Heart rate: {middle:.0f} bpm ({low:.0f} to {high:.0f}; {len(rates)} of {len(mine)} readings)."]
    slow = [float(r.detail["brady_bpm"]) for r in mine if r.value is not None and "brady_bpm" in r.detail]
    fast = [float(r.detail["tachy_bpm"]) for r in mine if r.value is not None and "tachy_bpm" in r.detail]
    if slow:
        lines.append(
            f"Slowest four intervals: {min(slow):.0f} bpm" + (f"; fastest five: {max(fast):.0f}." * bool(fast))
        )
    stops = [r.detail["longest_gap_s"] for r in mine if r.detail.get("asystole") == 1]
    if stops:
        lines.append(f"The pulse stopped for up to {max(stops):.1f} s.")
    return lines


def _rhythm(readings: Sequence[Reading]) -> list[str]:
    mine = [r for r in readings if r.metric == "ppg.rhythm"]
    said = Counter(str(r.value) for r in mine if r.value is not None)
    if not said:
        return [f"Rhythm: cannot tell: {_why(mine)}."]
    total = sum(said.values())
    word, n = said.most_common(1)[0]
    lines = [f"Rhythm: {NAMES[word]} in {n} of {total} windows of 10 s."]
    others = [f"{NAMES[w]} in {k}" for w, k in said.most_common()[1:]]
    if others:
        lines.append(f"Also: {', '.join(others)}.")
    p = [float(r.detail["p_af"]) for r in mine if r.value is not None]
    lines.append(f"Probability of atrial fibrillation: {np.median(p):.2f} in the middle window, {max(p):.2f} at most.")
    left = Counter(r.reason for r in mine if r.value is None and r.reason != "warming_up")
    if left:
        words = "; ".join(f"{n} because {WHY.get(reason, reason)} ({reason})" for reason, n in left.most_common())
        lines.append(f"Windows left out: {words}.")
    return lines


def _quality(readings: Sequence[Reading]) -> str:
    found = [r.quality for r in readings if r.metric == "ppg.quality" and r.reason != "warming_up"]
    perfusion = [float(r.value) for r in readings if r.metric == "ppg.perfusion" and isinstance(r.value, float)]
    text = f"Quality: {np.median(found):.2f} of 1." if found else "Quality: not known."
    return text + (f" Perfusion index: {np.median(perfusion):.2f} %." if perfusion else "")


def _why(mine: Sequence[Reading]) -> str:
    reasons = Counter(r.reason for r in mine if r.value is None)
    late = Counter({k: v for k, v in reasons.items() if k != "warming_up"}) or reasons
    reason = late.most_common(1)[0][0] if late else "too_short"
    return f"{WHY.get(reason, reason)} ({reason})"
