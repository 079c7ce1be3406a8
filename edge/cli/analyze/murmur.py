"""``edge-vitals analyze murmur FILE``: what the model hears in a recording of heart sound, in words and numbers.

The file goes through the same source, lane and analyzer as live sound. A recording that cannot be judged is named with
its reason and is no failure of the command (exit code 0); a file that cannot be read ends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.analyzers import murmur
from edge.cli.analyze.one_file import OneFile, tell, through
from edge.dsp.pcg.decision import Calibration, Verdict
from edge.dsp.pcg.frontend import WINDOW_S
from edge.inference import Model
from edge.lane import Lane
from edge.types import Reading

WHY = {
    "too_short": "less than 3 seconds of sound",
    "warming_up": "less than 3 seconds of sound",
    "no_signal": "no heartbeat is to be found in it",
    "sensor_off": "the device says that its sensor is off",
    "saturated": "the sound is clipped: lower the gain",
    "gap": "too many samples are missing, or are zeros or a held value in place of sound",
    "low_quality": "sampled under 1 kHz or over 192 kHz, or broken samples: a murmur needs 500 Hz of bandwidth",
    "speech": "somebody is speaking, or there is music",
    "friction": "the stethoscope is rubbing: hold it still",
    "out_of_distribution": "this does not sound like a heart",
}
_LIMITS = (
    "Limits: trained on children and young people, murmurs nearly all systolic. 'Absent' does not rule out a diastolic "
    "murmur. Not a medical device."
)


def report(
    path: str | Path,
    *,
    rate_hz: float | None = None,
    channel: int | None = None,
    plot: str | Path | None = None,
    jsonl: bool = False,
    named: bool = False,
) -> Verdict:
    """Print what is heard in one file; with ``plot`` also draw it. named: lines of JSON say the file. Returns the verdict
    over all of it."""
    from edge import inference

    model = inference.load("murmur")
    sound = OneFile(path, "pcg", "heart sound", rate_hz=rate_hz, channel=channel)
    analyzers = {"murmur": murmur.build(models=lambda _: model)}
    readings = through(Lane(bed="file", source="file", primary="pcg", analyzers=analyzers), sound, lambda: sound.end_s)
    verdict = murmur.recording_verdict(readings, Calibration.from_card(model.card))
    notes = sound.notes
    if sound.unheard and verdict.decision == "unknown":
        heard = "the first" if channel is None else f"number {channel}"
        notes = [*notes, f"of {sound.unheard + 1} channels only {heard} was heard: --channel takes another"]
    words = [*in_words(verdict, readings, model), *(f"Note: {note}." for note in notes)]
    try:
        if plot is not None:
            from edge.cli.analyze.plot_murmur import draw

            draw(plot, sound, readings, model, title=f"{Path(path).name}\n{words[0]}")
    finally:  # said last: a reader that goes away takes no picture with it
        tell(readings, words, jsonl=jsonl, file=str(path) if named else "")
    return verdict


def in_words(verdict: Verdict, readings: Sequence[Reading], model: Model) -> list[str]:
    """The report, line by line."""
    threshold = Calibration.from_card(model.card).recording[3]
    if verdict.p is None:
        return [
            f"Murmur: cannot tell: {WHY.get(verdict.reason, verdict.reason)} ({verdict.reason}).",
            f"Model: {model.identity}",
        ]
    said = {
        "present": "Murmur: present",
        "absent": "Murmur: none heard",
        "unknown": "Murmur: cannot tell: too noisy to be sure",
    }[verdict.decision]
    lines = [f"{said} (probability {verdict.p:.2f}, present from {threshold:.2f} on; {_windows(verdict, readings)})."]
    rates = [float(r.value) for r in readings if r.metric == "pcg.hr" and isinstance(r.value, float)]
    if rates:
        low, middle, high = np.quantile(rates, [0.1, 0.5, 0.9])
        lines.append(f"Heart rate from sound: {middle:.0f} bpm (most windows {low:.0f} to {high:.0f}).")
    else:
        lines.append("Heart rate from sound: not clear enough to say.")
    lines.append(f"Quality: {verdict.quality:.2f} of 1.")
    refused = Counter(r.reason for r in readings if r.metric == "pcg.murmur" and r.value is None)
    refused.pop("warming_up", None)
    if refused:
        words = "; ".join(f"{n} because {WHY.get(reason, reason)} ({reason})" for reason, n in refused.most_common())
        lines.append(f"Windows left out: {words}.")
    return [*lines, _LIMITS, f"Model: {model.identity}"]


def _windows(verdict: Verdict, readings: Sequence[Reading]) -> str:
    """How many windows the verdict rests on and how long they are: shorter than 5 s only where no full one is."""
    heard = [r for r in readings if r.metric == "pcg.murmur" and r.value is not None]
    full = any(r.detail["complete"] for r in heard)
    longest_s = WINDOW_S if full else min(WINDOW_S, max(r.t for r in heard))
    length = f"{longest_s:.2g} s" if full or len(heard) == 1 else f"up to {longest_s:.2g} s"
    return f"{verdict.windows} window{'' if verdict.windows == 1 else 's'} of {length}"
