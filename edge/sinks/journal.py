"""A journal of every event: lines of JSON with both clocks, rotated by size, under a quota, written in batches.

For people and scripts afterwards. Alarms are written through at once; readings wait up to some seconds in memory, which
spares a flash card. A torn last line, left by a power cut, is skipped when reading.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from edge.clock import Clock
from edge.sinks._payloads import encode, iso
from edge.types import Alarm, CommandResult, Event, Reading, SourceStatus

_KINDS = {Reading: "reading", Alarm: "alarm", SourceStatus: "source", CommandResult: "command"}
_FLUSH_EVERY_S = 5.0


def build(
    *,
    clock: Clock,
    boot: str,
    state_dir: Path = Path(),
    path: str = "journal.jsonl",
    max_mb: float = 50.0,
    keep: int = 4,
) -> Journal:
    """A journal file.

    path: the file; a relative one lies in the state directory. max_mb: size at which a new file is begun. keep:
    how many old ones stay, as ``path.1`` (newest) and so on.
    """
    return Journal(state_dir / path, clock, boot, int(max_mb * 1e6), keep)


class Journal:
    """See ``build``."""

    def __init__(self, path: Path, clock: Clock, boot: str, max_bytes: int, keep: int) -> None:
        self._path, self._clock, self._boot = path, clock, boot
        self._max_bytes, self._keep = max_bytes, keep
        self._lock = threading.Lock()
        self._pending: list[str] = []
        self._written = clock.now()
        self.lost_lines = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO | None = path.open("a", encoding="utf-8")

    def send(self, event: Event) -> None:
        """Note an event; an alarm reaches the file before this returns."""
        now = self._clock.now()
        fields = {
            "type": _KINDS.get(type(event), "stats"),
            "time": iso(self._clock.wall()),
            "mono": round(now, 3),
            "boot": self._boot,
            **asdict(event),
        }
        with self._lock:
            self._pending.append(encode(fields).decode())
            if not isinstance(event, Reading) or now - self._written >= _FLUSH_EVERY_S:
                self._write(now)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - a file answers at once
        with self._lock:
            self._write(self._clock.now())
        return self.lost_lines == 0

    def close(self) -> None:
        with self._lock:
            self._write(self._clock.now())
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write(self, now: float) -> None:
        self._written = now
        if self._file is None or not self._pending:
            return
        lines, self._pending = self._pending, []
        try:
            self._file.write("\n".join(lines) + "\n")
            self._file.flush()
            if self._file.tell() >= self._max_bytes:
                self._rotate()
        except OSError:  # a full disk must not end the watch; the outbox has the alarms
            self.lost_lines += len(lines)

    def _rotate(self) -> None:
        assert self._file is not None
        self._file.close()
        for number in range(self._keep, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        self._file = self._path.open("a", encoding="utf-8")


def read(path: str | Path) -> Iterator[dict[str, Any]]:
    """Entries of one journal file, oldest first; a torn last line is left out."""
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                if line.endswith("\n"):
                    raise
