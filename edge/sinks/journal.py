"""A journal of every event: lines of JSON with both clocks, rotated by size, under a quota, written in batches.

For people and scripts afterwards. Alarms are written through at once; readings wait up to some seconds in memory, which
spares a flash card. A torn last line, left by a power cut, is skipped when reading and cut off by the next run. A file
that somebody moved or removed, or whose disk was pulled out, is begun anew.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from edge.clock import Clock, iso
from edge.plain import encode, fields_of
from edge.ranges import Positive
from edge.storage.disk import is_full, is_there, must_take
from edge.storage.disk_thread import DiskThread, Gathered
from edge.types import KINDS_OF_EVENTS, ConfigError, Event, Heartbeat, Reading, SourceStatus

log = logging.getLogger(__name__)

_FLUSH_EVERY_S = 5.0
_CLOSE_S = 3.0
_MOST_WAITING = 10_000  # lines, while the disk does not answer
_NOT_WRITTEN = "the journal is not written"


def build(
    *,
    clock: Clock,
    boot: str,
    state_dir: Path = Path(),
    path: str = "journal.jsonl",
    max_mb: Positive = 50.0,
    keep: Annotated[int, Meta(ge=0, le=1000)] = 4,
    checking: bool = False,
) -> Journal | None:
    """A journal file.

    path: the file; a relative one lies in the state directory. max_mb: size at which a new file is begun. keep:
    how many old ones stay, as ``path.1`` (newest) and so on.
    """
    try:
        must_take(state_dir / path, begun=(state_dir / path).exists())
        if checking:
            return None
        return Journal(state_dir / path, clock, boot, int(max_mb * 1e6), keep)
    except OSError as error:
        raise ConfigError(f"{state_dir / path}: cannot be written: {error.strerror}; set sinks.journal.path") from None


class Journal:
    """See ``build``."""

    def __init__(self, path: Path, clock: Clock, boot: str, max_bytes: int, keep: int) -> None:
        self._path, self._clock, self._boot = path, clock, boot
        self._max_bytes, self._keep = max_bytes, keep
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._written = clock.now()
        self.lost_lines = 0
        self._why = ""
        self._file: io.FileIO | None = None
        try:
            self._file = self._open()
        except OSError as error:
            if not is_full(error):
                raise
            self._refused(error)
            log.error("%s: %s; the watching goes on", path, error.strerror)
        self._disk = DiskThread("edge-journal")
        self._write_it = Gathered(self._disk, self._write)

    def send(self, event: Event) -> None:
        """Note an event; an alarm reaches the file before this returns, unless the disk takes longer than a second. A
        source's state is noted when it changes."""
        if isinstance(event, Heartbeat) or (isinstance(event, SourceStatus) and event.coverage is not None):
            return
        now = self._clock.now()
        fields = {
            "type": KINDS_OF_EVENTS[type(event)],
            "time": iso(self._clock.wall()),
            "mono": round(now, 3),
            "boot": self._boot,
            **fields_of(event),
        }
        line = encode(fields) + b"\n"
        with self._lock:
            if len(self._pending) < _MOST_WAITING:
                self._pending.append(line)
            else:
                self.lost_lines += 1
            due = not isinstance(event, Reading) or now - self._written >= _FLUSH_EVERY_S
            if due:
                self._written = now
        if due:
            self._disk.wait(self._write_it.ask())

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - a file answers at once or does not count
        return self._disk.wait(self._write_it.ask()) is True and self.lost_lines == 0

    def why_not(self) -> str:
        """What keeps lines from being written, in words; "" where nothing does."""
        return self._disk.why_not(_NOT_WRITTEN) or self._why

    def close(self) -> None:
        """Write what waits; calling twice is harmless."""
        self._write_it.ask()
        self._disk.ask(self._close_file)
        self._disk.end(_CLOSE_S)

    # ---- the disk's thread ---------------------------------------------------------------------------------

    def _write(self) -> bool:
        """What waits; whether it is in the file."""
        with self._lock:
            lines, self._pending = self._pending, []
        if not lines:
            return True
        try:
            if self._file is not None and not is_there(self._file):
                log.warning("%s: the file is gone, perhaps with its disk; another one is begun", self._path)
                self._close_file()
            self._file = self._file or self._open()
            _append(self._file, b"".join(lines))
        except OSError as error:  # a full disk must not end the watch; the outbox has the alarms
            self.lost_lines += len(lines)
            self._refused(error)
            return False
        self._why = ""
        if self._file.tell() >= self._max_bytes:
            with contextlib.suppress(OSError):  # tried again after the next line
                self._rotate(self._file)
        return True

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _refused(self, error: OSError) -> None:
        self._why = f"{_NOT_WRITTEN}: {error.strerror or error}"

    def _open(self) -> io.FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _end_last_line(self._path)
        return self._path.open("ab", buffering=0)

    def _rotate(self, file: io.FileIO) -> None:
        if self._keep == 0:
            file.truncate(0)
            return
        for number in range(self._keep, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        file.close()
        self._file = None
        self._file = self._open()


def _append(file: io.FileIO, content: bytes) -> None:
    """All of ``content`` or, where the disk does not take all of it, nothing."""
    start = file.seek(0, os.SEEK_END)
    try:
        if file.write(content) != len(content):
            raise OSError("the disk is full")
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(start)
        raise


def _end_last_line(path: Path) -> None:
    """Cut off a last line that a power cut tore; one that lacks only its end is kept."""
    if not path.is_file():
        return
    with path.open("rb+") as file:
        begin = size = file.seek(0, os.SEEK_END)
        tail = b""
        while begin and b"\n" not in tail:
            begin = max(0, begin - 65_536)
            file.seek(begin)
            tail = file.read(size - begin)
        tail = tail[tail.rfind(b"\n") + 1 :]
        try:
            json.loads(tail)
            file.write(b"\n")
        except ValueError:
            file.truncate(size - len(tail))


def read(path: str | Path) -> Iterator[dict[str, Any]]:
    """Entries of one journal file, oldest first; a torn last line is left out."""
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                if line.endswith("\n"):
                    raise
