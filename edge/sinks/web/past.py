"""Alarms of the past as a page shows them: what each rested on, and the waveform around it with beats and murmur marked.

Reads the history and an alarm's own recording; nothing here is called by the main thread. Of a camera there are traces
of skin, never a picture.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge import fusion
from edge.alarms.bed import recording_of
from edge.alarms.conditions import DRILL
from edge.dsp.ppg.beats import band_passed, polarity
from edge.dsp.ppg.breaks import MAX_BRIDGE_S
from edge.dsp.ppg.pulse_rate import RATE_SPAN_S, WINDOW_S
from edge.dsp.resample import to_grid
from edge.dsp.rest.look import look
from edge.recording import Entry, Recording
from edge.sinks.evidence import Evidence
from edge.sinks.web.receipt import receipt
from edge.sinks.web.traces import Traces, channels_read, read_channel
from edge.types import Alarm, Block, Reading, SourceError
from edge.window import sample_times

SHOWN_HZ: Final = 50.0
_BEATS_HZ: Final = 100.0
_LEAST_S: Final = 3.0  # of pulse wave in which beats are looked for
_SETTLE_S: Final = 4.0  # of samples before what is shown
_VERDICTS: Final[Mapping[str, tuple[Callable[[Reading], bool], float, str]]] = {
    "pcg.murmur": (lambda r: r.detail.get("decision") == "present", 5.0, "murmur"),
    "ppg.rhythm": (lambda r: r.value == "af", 10.0, "atrial fibrillation"),
}
"""What is marked on a trace: of which metric, when, over how many seconds back, and in which words."""
_SHOWN: Final = (*fusion.METRICS, fusion.HR)


class Past:
    """See the module."""

    def __init__(self, kept: Evidence) -> None:
        self._kept = kept

    def listing(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Occurrences as asked for, newest first, and the conditions there are to ask for."""
        return {"alarms": self.rows(asked), "conditions": self._kept.history.conditions()}

    def rows(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Occurrences as asked for, newest first."""
        return [{**row, "drill": row["condition"] == DRILL} for row in self._kept.history.occurrences(**asked)]

    def one(self, occurrence: str) -> dict[str, Any] | None:
        """Everything of one occurrence; None for one that is not known."""
        transitions = self._kept.history.transitions(occurrence)
        rows = self._kept.history.occurrences(occurrence=occurrence)
        if not transitions or not rows:
            return None
        path = self._kept.root / recording_of(occurrence)
        quoted = shlex.quote(str(path))
        told: dict[str, Any] = {
            "presence": rows[0]["presence"],
            "priority": rows[0]["priority"],
            "transitions": _with_receipts(transitions),
            "replay": f"edge-vitals replay --alarm {shlex.quote(occurrence)} {quoted}",
            "export": f"edge-vitals export {quoted} --edf --csv",
            "recording": None,
        }
        try:
            recording = Recording(path)
            return {**told, "recording": waveform(recording, list(recording), transitions[0])}
        except SourceError:
            return told  # not written yet, or gone for the quota

    def recording(self, occurrence: str) -> Path | None:
        """The file of an occurrence that is known; None where there is none."""
        path = self._kept.root / recording_of(occurrence)
        return path if self._kept.history.transitions(occurrence) and path.is_file() else None


def _with_receipts(transitions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**transition, "receipt": receipt(transition.get("delivery", {}))} for transition in transitions]


def waveform(recording: Recording, entries: Sequence[Entry], alarm: Mapping[str, Any]) -> dict[str, Any]:
    """A recording as traces, marks and readings. wall: what makes a monotonic time Unix time, s: the alarm's, which is moved
    when the clock is set, and not that of the moment of recording."""
    header = recording.header
    start, end = _span(header, entries, float(alarm["t"]))
    channels = channels_read(str(header.get("config", "")))
    blocks = [e for e in entries if isinstance(e, Block) and e.t_end > start - _SETTLE_S and e.t0 < end]
    readings = [e for e in entries if isinstance(e, Reading) and start <= e.t <= end]
    return {
        "start": start,
        "end": end,
        "wall": alarm["wall"] - alarm["t"],
        "bytes": sum(part.stat().st_size for part in recording.parts),
        "version": header.get("version", ""),
        "models": header.get("identities", {}),
        "torn": "; ".join(recording.said),
        "together": len(header.get("occurrences", ())),
        "waves": [chunk for chunk in _chunks(blocks, channels) if chunk["t"] >= start],
        "beats": _beats(blocks, readings, start, channels),
        "marks": _marks(readings, {b.source: b.t0 for b in reversed(blocks)}),
        "moments": [[e.t, e.evidence.get("change", ""), e.id] for e in entries if isinstance(e, Alarm)],
        "readings": _numbers(readings, str(alarm["evidence"].get("reading", {}).get("metric", ""))),
    }


def _span(header: Mapping[str, Any], entries: Iterable[Entry], raised: float) -> tuple[float, float]:
    """From when until when it is, s: as far as its samples go where the header is damaged."""
    if "span" in header:
        start, until = header["span"]
        return float(start), float(until)
    blocks = [entry for entry in entries if isinstance(entry, Block)]
    return min((b.t0 for b in blocks), default=raised), max((b.t_end for b in blocks), default=raised)


def _chunks(blocks: Iterable[Block], channels: Mapping[str, int]) -> list[dict[str, Any]]:
    traces = Traces(SHOWN_HZ, channels)
    traces.watched = True
    found: list[dict[str, Any]] = []
    for block in blocks:
        traces.take(block)
        found += traces.drain()
    return found


def _beats(
    blocks: Sequence[Block], readings: Sequence[Reading], start: float, channels: Mapping[str, int]
) -> dict[str, list[float]]:
    """Times of the beats of each pulse wave, where a reading says that there is a pulse."""
    found: dict[str, list[float]] = {}
    for stream in dict.fromkeys(b.stream for b in blocks if b.kind == "ppg"):
        source = stream.partition("/")[0]
        known = [r.t for r in readings if r.source == source and r.metric == "ppg.hr" and r.value is not None]
        peaks = [t for run in _runs([b for b in blocks if b.stream == stream], channels) for t in _peaks(*run)]
        found[stream] = [round(t, 3) for t in peaks if t >= start and any(0.0 <= k - t <= 10.0 for k in known)]
    return found


def _runs(
    blocks: Sequence[Block], channels: Mapping[str, int]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Times and values of the channel that is read, apart wherever the epoch changes."""
    runs: list[list[Block]] = []
    for block in blocks:
        if not runs or runs[-1][-1].epoch != block.epoch:
            runs.append([])
        runs[-1].append(block)
    return [
        (
            np.concatenate([sample_times(b) for b in run]),
            np.concatenate([read_channel(b, channels).astype(float) for b in run]),
        )
        for run in runs
    ]


def _peaks(t: NDArray[np.float64], x: NDArray[np.float64]) -> list[float]:
    good = np.isfinite(x) & np.concatenate([[True], np.diff(t) > 0])
    t, x = t[good], x[good]
    if len(t) < 2 or t[-1] - t[0] < _LEAST_S:
        return []
    values, valid = to_grid(t, x, float(t[0]), float(t[-1]), _BEATS_HZ, MAX_BRIDGE_S)
    wave = band_passed(values, _BEATS_HZ)
    peaks = _counted(values, wave if polarity(wave) >= 0 else -wave)
    return [float(t[0] + peak) for peak in peaks if valid[min(len(valid) - 1, round(peak * _BEATS_HZ))]]


def _counted(raw: NDArray[np.float64], wave: NDArray[np.float64]) -> Iterator[float]:
    """Times from the first sample, s, of the beats that a rate is counted by: of the last 10 s of one window after another,
    since noise in the pauses of a slow heart is told from its beats there only."""
    begin, span, window = 0, round(RATE_SPAN_S * _BEATS_HZ), round(WINDOW_S * _BEATS_HZ)
    while begin < len(wave):
        end = len(wave) if len(wave) - begin < 2 * span else begin + span
        first = max(0, end - max(window, end - begin))
        peaks = first / _BEATS_HZ + look(raw[first:end], wave[first:end], _BEATS_HZ).beats.peak
        yield from peaks[peaks >= begin / _BEATS_HZ].tolist()
        begin = end


def _marks(readings: Sequence[Reading], first: Mapping[str, float]) -> list[dict[str, Any]]:
    """Spans in which an analyzer found what alarms are made of, joined where they touch. first: sample of a source, s."""
    found: list[dict[str, Any]] = []
    for metric, (holds, back_s, text) in _VERDICTS.items():
        for reading in readings:
            if reading.metric != metric or not holds(reading):
                continue
            last = next((m for m in reversed(found) if (m["source"], m["text"]) == (reading.source, text)), None)
            if last is not None and reading.t - back_s <= last["end"]:
                last["end"] = round(reading.t, 3)
            else:
                kind = metric.partition(".")[0]
                begin = max(reading.t - back_s, first.get(reading.source, reading.t))
                span = {"start": round(begin, 3), "end": round(reading.t, 3)}
                found.append({"source": reading.source, "kind": kind, "text": text, **span})
    return found


def _numbers(readings: Sequence[Reading], metric: str) -> list[list[Any]]:
    """Heart rates, and what the alarm rests on, over the span: metric, t, value, quality, reason."""
    return [
        [
            r.metric,
            round(r.t, 3),
            round(r.value, 3) if isinstance(r.value, float) else r.value,
            round(r.quality, 2),
            r.reason,
        ]
        for r in readings
        if r.metric in _SHOWN or r.metric == metric
    ]
