"""Readings and alarms as lines on a terminal or in a service's log: a reading when it changes, an alarm always."""

from __future__ import annotations

import sys
from typing import TextIO

from edge.types import Alarm, Event, Reading, SourceStatus

_RED, _YELLOW, _DIM, _PLAIN = "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_SAME_BPM = 3.0


def build(*, readings: bool = True) -> Console:
    """Print to standard output. readings: also readings, when they change; alarms and sources always."""
    return Console(sys.stdout, readings=readings)


class Console:
    """See ``build``. Colour only on a terminal."""

    def __init__(self, stream: TextIO, *, readings: bool = True) -> None:
        self._stream, self._readings = stream, readings
        self._colour = stream.isatty()
        self._shown: dict[tuple[str, str, str], object] = {}

    def send(self, event: Event) -> None:
        match event:
            case Alarm():
                colour = _DIM if event.presence == "off" else _RED if event.priority == "high" else _YELLOW
                self._line(event.t, f"ALARM {event.presence:<8} {event.priority:<7} {event.id}: {event.text}", colour)
            case SourceStatus():
                blind = f", blind for {event.blind_s:.1f} s" if event.blind_s else ""
                reason = f": {event.reason}" if event.reason else ""
                self._line(event.t, f"source {event.source} {event.state}{reason}{blind}", _DIM)
            case Reading() if self._readings and not event.metric.endswith((".quality", ".spread")):
                self._reading(event)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - a stream answers at once
        try:
            self._stream.flush()
        except OSError:  # whoever read it has gone; the other sinks still have their end to say
            return False
        return True

    def close(self) -> None:
        """Nothing to let go of: the stream is not ours."""

    def _reading(self, reading: Reading) -> None:
        key = (reading.bed, reading.source, reading.metric)
        shown: object = reading.value if reading.value is not None else f"-- ({reading.reason.replace('_', ' ')})"
        before = self._shown.get(key)
        if isinstance(shown, float):
            near = isinstance(before, float) and abs(shown - before) < (_SAME_BPM if reading.unit == "bpm" else 0.1)
        else:
            near = shown == before
        if near:
            return
        self._shown[key] = shown
        text = (
            f"{shown:.0f}"
            if isinstance(shown, float) and abs(shown) >= 10
            else f"{shown:.2f}"
            if isinstance(shown, float)
            else str(shown)
        )
        where = f"{reading.bed}/{reading.source}" if reading.source else reading.bed
        self._line(reading.t, f"{where:<16} {reading.metric:<14} {text} {reading.unit}".rstrip(), "")

    def _line(self, t: float, text: str, colour: str) -> None:
        line = f"{t:12.1f} {text}"
        print(f"{colour}{line}{_PLAIN}" if self._colour and colour else line, file=self._stream, flush=True)
