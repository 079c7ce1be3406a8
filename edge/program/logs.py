"""Log lines for machines: one JSON object a line, with the ids by which lines, events and recordings are matched."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from edge.clock import iso
from edge.types import Alarm, Event, SourceStatus

log = logging.getLogger("edge.events")


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "thread", "text", device and boot, the ids given with the line, "error"}``."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        super().__init__()
        self._ids = dict(ids)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "text": record.getMessage(),
            **self._ids,
            **getattr(record, "ids", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class LogSink:
    """Writes what an operator searches logs for: alarm transitions, sources that come and go."""

    def send(self, event: Event) -> None:
        if isinstance(event, Alarm):
            ids = {"bed": event.bed, "alarm": event.id, "occurrence": event.occurrence, "seq": event.seq}
            level = logging.WARNING if event.presence == "on" else logging.INFO
            log.log(level, "alarm %s: %s", event.presence, event.text, extra={"ids": ids})
        elif isinstance(event, SourceStatus) and event.coverage is None:  # with coverage nothing has changed
            ids = {"bed": event.bed, "source": event.source}
            level = logging.WARNING if event.state == "offline" else logging.INFO
            log.log(level, "source %s %s", event.state, event.reason, extra={"ids": ids})

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - logging writes at once
        return True

    def close(self) -> None:
        """Nothing is held."""
