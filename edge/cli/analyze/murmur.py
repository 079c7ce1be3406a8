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
from edge.cli.analyze.one_file import OneFile, left_out, tell, through
from edge.dsp.pcg.decision import Calibration, Verdict
from edge.dsp.pcg.frontend import WINDOW_S
from edge.dsp.pcg.listening import MAX_RATE_HZ, MIN_RATE_HZ
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
    "low_quality": "samples that are no numbers, or too few or too many of them a second",
    "speech": "somebody is speaking, or there is music",
    "friction": "the stethoscope is rubbing: hold it still",
    "out_of_distribution": "this does not sound like a heart",
}
MOST_RATE_HZ = 4 * MAX_RATE_HZ
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
) -> Verdict:
    """Print what is heard in one file; with ``plot`` also draw it. Returns the verdict
    over all of it."""
    from edge import inference

    model = inference.load("murmur")
    sound = OneFile(path, "pcg", "heart sound", rate_hz=rate_hz, channel=channel)
    analyzers = {"murmur": murmur.build(models=lambda _: model)}
    readings = through(Lane(bed="file", source="file", primary="pcg", analyzers=analyzers), sound, lambda: sound.end_s)
    verdict = murmur.recording_verdict(readings, Calibration.from_card(model.card))
    notes, title = sound.notes, ""
    if sound.unheard:  # a murmur may be in another one, whatever is said of this
        title = (
            f"of {sound.unheard + 1} channels only {'the first' if channel is None else f'number {channel}'} was heard"
        )
        notes = [*notes, f"{title}: --channel takes another"]
    words = [*in_words(verdict, readings, model, sound.rate_hz), *(f"Note: {note}." for note in notes)]
    try:
        if plot is not None:
            from edge.cli.analyze.plot_murmur import draw

            draw(plot, sound, readings, model, title=f"{Path(path).name}\n{words[0]}\n{title}".rstrip())
    finally:  # said last: a reader that goes away takes no picture with it
        tell(readings, words, jsonl=jsonl, file=str(path))
    return verdict


def in_words(verdict: Verdict, readings: Sequence[Reading], model: Model, rate_hz: float) -> list[str]:
    """The report, line by line, on sound sampled at ``rate_hz``."""
    threshold = Calibration.from_card(model.card).recording[3]
    why = {**WHY, "low_quality": _low_quality(rate_hz)}
    if verdict.p is None:
        return [
            f"Murmur: cannot tell: {why.get(verdict.reason, verdict.reason)} ({verdict.reason}).",
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
    return [*lines, *left_out("Windows", refused, why), _LIMITS, f"Model: {model.identity}"]


def _low_quality(rate_hz: float) -> str:
    """Which of its causes low quality has in sound sampled at ``rate_hz``."""
    if rate_hz < MIN_RATE_HZ:
        needed = f"from {MIN_RATE_HZ / 1000:g} kHz on, since a murmur needs {MIN_RATE_HZ / 2:g} Hz of bandwidth"
        return f"sampled at only {rate_hz:g} Hz: it takes sound {needed}"
    if rate_hz > MOST_RATE_HZ:
        return f"sampled at {rate_hz / 1000:g} kHz: it takes sound up to {MOST_RATE_HZ / 1000:g} kHz"
    return "too many samples are no numbers"


def _windows(verdict: Verdict, readings: Sequence[Reading]) -> str:
    """How many windows the verdict rests on and how long they are: shorter than 5 s only where no full one is."""
    heard = [r for r in readings if r.metric == "pcg.murmur" and r.value is not None]
    full = any(r.detail["complete"] for r in heard)
    longest_s = WINDOW_S if full else min(WINDOW_S, max(r.t for r in heard))
    length = f"{longest_s:.2g} s" if full or len(heard) == 1 else f"up to {longest_s:.2g} s"
    return f"{verdict.windows} window{'' if verdict.windows == 1 else 's'} of {length}"
