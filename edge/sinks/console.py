"""Readings and alarms as lines on a terminal or in a service's log: a reading when it changes, an alarm always."""

from __future__ import annotations

import logging
import os
import sys
from datetime import datetime
from typing import TextIO

from edge.alarms.delivery import in_words
from edge.clock import Clock
from edge.types import ASIDE, Alarm, Event, Reading, SourceStatus

log = logging.getLogger(__name__)

_RED, _YELLOW, _DIM, _PLAIN = "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_SAME_BPM = 3.0


def build(*, clock: Clock, readings: bool = True) -> Console:
    """Print to standard output. readings: also readings, when they change; alarms and sources always."""
    return Console(sys.stdout, readings=readings, clock=clock)


class Console:
    """See ``build``. Colour only on a terminal; the time of day with a clock, else seconds as they are."""

    def __init__(self, stream: TextIO, *, readings: bool = True, clock: Clock | None = None) -> None:
        self._stream, self._readings, self._clock = stream, readings, clock
        self._colour = stream.isatty() and not os.environ.get("NO_COLOR")
        self._gone = False
        self._shown: dict[tuple[str, str, str], object] = {}

    def send(self, event: Event) -> None:
        if self._gone:
            return
        match event:
            case Alarm():
                colour = _DIM if event.presence == "off" else _RED if event.priority == "high" else _YELLOW
                words = in_words(event.delivery) if event.presence != "off" else ""
                text = f"{event.text} ({words})" if words else event.text
                self._line(event.t, f"ALARM {event.presence:<8} {event.priority:<7} {event.id}: {text}", colour)
            case SourceStatus(coverage=None):  # with coverage nothing has changed
                blind = f", blind for {event.blind_s:.1f} s" if event.blind_s else ""
                reason = f": {event.reason}" if event.reason else ""
                self._line(event.t, f"source {event.source} {event.state}{reason}{blind}", _DIM)
            case Reading() if self._readings and not event.metric.endswith(ASIDE):
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
        shown: object = reading.value if reading.value is not None else reading.reason
        before = self._shown.get(key)
        if isinstance(shown, float):
            near = isinstance(before, float) and abs(shown - before) < (_SAME_BPM if reading.unit == "bpm" else 0.1)
        else:
            near = shown == before
        if near:
            return
        self._shown[key] = shown
        text = in_short(reading.value, reading.unit, reading.reason)
        where = f"{reading.bed}/{reading.source}" if reading.source else reading.bed
        self._line(reading.t, f"{where:<16} {reading.metric:<14} {text}", "")

    def _line(self, t: float, text: str, colour: str) -> None:
        line = f"{self._time(t)} {text}"
        try:
            print(f"{colour}{line}{_PLAIN}" if self._colour and colour else line, file=self._stream, flush=True)
        except OSError as error:  # its reader has gone, or a full disk; monitoring goes on, and says this once
            log.warning("the console cannot be written to (%s); it is silent from now on", error.strerror)
            self._gone = True

    def _time(self, t: float) -> str:
        if self._clock is None:
            return f"{t:12.1f}"
        wall = self._clock.wall() - self._clock.now() + t
        return datetime.fromtimestamp(wall).astimezone().strftime("%H:%M:%S")


def in_short(value: float | str | None, unit: str, reason: str) -> str:
    """A reading's value in words, or why there is none."""
    if value is None:
        return f"-- ({reason.replace('_', ' ')})"
    if isinstance(value, str):
        return value
    return f"{value:.{0 if abs(value) >= 10 else 2}f} {unit}".strip()
