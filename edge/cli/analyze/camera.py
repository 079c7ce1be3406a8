"""``edge-vitals analyze camera FILE``: the heart rate a face video gives, second by second, or why it gives none.

The file goes through the same source, region transform, lane and analyzer as a live camera. A video without a pulse
is no failure of the command (exit code 0); a file that is no video ends it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge.analyzers import camera_pulse
from edge.cli.analyze.one_file import left_out, main_reason, tell, through
from edge.clock import ManualClock
from edge.dsp.face.columns import COLUMNS
from edge.lane import Lane
from edge.replay import read_all
from edge.types import Block, Reading

WHY = {
    "warming_up": "less than the ten seconds that a rate needs",
    "too_short": "less than the ten seconds that a rate needs",
    "no_face": "no face in view",
    "face_moved": "the face moved, went away or overlapped with another; who came after may be somebody else",
    "too_dark": "too dark",
    "static_image": "the picture does not change, or comes again: a photo, or a frozen stream",
    "flicker": "the light flickers as strongly as the skin: nothing can be told apart",
    "motion": "too much motion",
    "gap": "too few frames",
    "saturated": "the face is overexposed",
    "low_quality": "the pulse does not stand out from the noise (compression, low light, small movements), or is irregular",
    "no_pulse": "the colour changes are not those of blood",
    "disagreement": "two methods see different rates",
}
_LIMITS = (
    "Limits: read from forehead, cheeks and chin, and never compared with a reference across people. No frame was kept. "
    "Not a medical device."
)


class Watched(NamedTuple):
    """A video's readings, its region traces, and how many frames it lacks of those it announces."""

    readings: list[Reading]
    traces: list[Block]
    missing: int


def report(path: str | Path, *, plot: str | Path | None = None, jsonl: bool = False) -> None:
    """Print what one video gives; with ``plot`` also draw it."""
    readings, traces, missing = watch(path)
    rates = [r for r in readings if r.metric == "camera.hr"]
    words = in_words(rates, traces, missing)
    try:
        if plot is not None:
            from edge.cli.analyze.plot_camera import draw

            draw(plot, rates, traces, title=f"{Path(path).name}\n{words[0]}")
    finally:  # said last: a reader that goes away takes no picture with it
        tell(readings, words, jsonl=jsonl, file=str(path))


def watch(path: str | Path, *, parts: Any = None) -> Watched:
    """What a video gives. parts: ``(model, transform)`` to use again for many files."""
    from edge import inference
    from edge.sources import camera
    from edge.transforms import face_roi

    model, transform = parts or (inference.load("camera_pulse"), face_roi.build())
    transform.reset()
    lane = Lane(
        bed="file",
        source="file",
        primary="roi",
        analyzers={"camera_pulse": camera_pulse.build(models=lambda _: model)},
        transforms={"video": transform},
    )
    traces: list[Block] = []
    lane.observe = traces.append
    source = camera.build(name="file", clock=ManualClock(), device=str(path), pace="max")
    readings = through(lane, read_all(source))
    return Watched(readings, traces, source.missing)


def in_words(rates: list[Reading], traces: list[Block], missing: int = 0) -> list[str]:
    """The report, line by line: of the readings of the heart rate, the traces, and how many frames are missing."""
    found = [r.quality for r in rates if r.reason != "warming_up"]
    seconds = traces[-1].t_end - traces[0].t0 if traces else 0.0
    present = np.mean([b.data[0, COLUMNS.index("present")] for b in traces]) if traces else 0.0
    lines = [
        *_rate(rates),
        f"Quality: {np.median(found):.2f} of 1." if found else "Quality: not known.",
        f"Video: {seconds:.1f} s, {len(traces)} frames, a face in {present:.0%} of them.",
    ]
    if missing:
        lines.append(
            f"Note: {missing} of {len(traces) + missing} frames that the file announces cannot be read: it is cut off, or "
            "was trimmed without being encoded again."
        )
    models = dict.fromkeys(r.model for r in rates if r.model)
    return [*lines, _LIMITS, *([f"Model: {', '.join(models)}"] if models else [])]


def _rate(rates: list[Reading]) -> list[str]:
    """The rate, and how often each reason for none was given, warming up too."""
    known = [r.value for r in rates if isinstance(r.value, float)]
    reasons = Counter(r.reason for r in rates if r.value is None)
    if known:
        low, middle, high = np.percentile(known, (0, 50, 100))
        lines = [f"Heart rate: {middle:.0f} bpm ({low:.0f} to {high:.0f}; {len(known)} of {len(rates)} readings)."]
    else:
        lines = [f"Heart rate: cannot tell: {main_reason(reasons, WHY)}."]
    return lines + left_out("Readings", reasons, WHY)
