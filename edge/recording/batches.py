"""Entries of a recording on their way to the disk: together, as one compressed, checked and synced record.

They wait in memory and are written every ``batch_s`` seconds, or within a second of an alarm; a power cut costs what had
not been written, never what had. A thread writes, so that a disk that is slow, or hangs, holds up nobody; when it falls
behind by ``_WAITING_BYTES`` or the disk refuses, entries are lost and the recording says how many. A disk that is full
from the start, whatever is removed, is tried again with every batch.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from edge.clock import Clock
from edge.recording import Entry, Lost, RecordingWriter, Tick, pack
from edge.storage.disk import is_full
from edge.storage.disk_thread import DiskThread
from edge.types import Alarm

log = logging.getLogger(__name__)

BATCH_S: Final = 10.0
"""Seconds between writes, unless told otherwise."""
_WAITING_BYTES = 1 << 25
_TELL_EVERY_S = 3600.0  # a disk that fails for weeks must not fill the log as well
_MOST_BYTES = 1 << 22  # of entries in one batch
_CLOSE_S = 10.0
_UNKEPT = "recordings are not kept"


class BatchedRecording(ABC):
    """See the module. ``record`` takes entries, from any thread.

    name: in front of log lines. header: of this moment, for each file. part_bytes: size at which the next file is begun.
    written_before: a file system that is read-only now has failed since. Raises the OSError of a place that cannot be
    written, other than for want of room.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        header: Callable[[], Mapping[str, Any]],
        *,
        batch_s: float = BATCH_S,
        part_bytes: float = math.inf,
        written_before: bool = True,
    ) -> None:
        self._name, self._clock, self._header = name, clock, header
        self._batch_s, self._part_bytes = batch_s, part_bytes
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._due = clock.now() + batch_s
        self._waiting_bytes = 0
        self._closed = False
        self.lost_entries = self._told_lost = 0
        self._told_at = -math.inf
        self._why = ""
        self.bytes_written = 0
        self._part_written = 0
        self._writer: RecordingWriter | None = None
        try:
            self._writer = self._begin(dict(header()))
        except OSError as error:
            if not is_full(error) or (error.errno == errno.EROFS and not written_before):
                raise
            self._why = _refused(error)
            log.error("%s: %s; the watching goes on", name, error.strerror)
        self._disk = DiskThread(f"edge-{type(self).__name__.lower()}")

    @abstractmethod
    def _begin(self, header: dict[str, Any]) -> RecordingWriter:
        """The next file, with its header on the disk; raises OSError. Called by the disk's thread, but for the first."""

    @abstractmethod
    def _make_room(self) -> None:
        """Called before each batch, by the disk's thread."""

    def record(self, entry: Entry) -> None:
        """Keep an entry. A tick, which the main thread alone makes, also is when batches end and parts begin."""
        packed = pack(entry)
        with self._lock:
            if self._closed:
                return
            self._pending.append(packed)
            self._pending_bytes += len(packed)
            if isinstance(entry, Alarm):
                self._due = min(self._due, entry.t)  # the next tick, after its evidence
            if not isinstance(entry, Tick):
                if self._pending_bytes >= _MOST_BYTES:
                    self._hand_over()
                return
            if entry.t >= self._due:
                self._due = entry.t + self._batch_s
                self._hand_over()
                if self._part_written >= self._part_bytes:
                    self._part_written = 0
                    self._disk.do(partial(self._next_part, dict(self._header())))

    def why_not(self) -> str:
        """What kept the last batch from being written, in words; "" where nothing did."""
        return self._disk.why_not(_UNKEPT) or self._why

    def flush(self, timeout_s: float) -> bool:
        """Write what waits; whether all of it is on disk."""
        with self._lock:
            self._hand_over()
        return self._disk.has_done_all(timeout_s) and self.lost_entries == 0

    def close(self) -> None:
        """Write what waits and end; calling twice is harmless."""
        with self._lock:
            if self._closed:
                return
            self._hand_over()
            self._closed = True
        self._disk.do(self._end_part)
        self._disk.end(_CLOSE_S)

    def _hand_over(self) -> None:
        batch, size = self._pending, self._pending_bytes
        self._pending, self._pending_bytes = [], 0
        if not batch:
            return
        if self._waiting_bytes + size > _WAITING_BYTES:
            self._why = f"{_UNKEPT}: the disk is too slow"
            self._lose(len(batch))
            return
        self._waiting_bytes += size
        self._disk.do(partial(self._take, batch, size))

    def _lose(self, entries: int) -> None:
        self.lost_entries += entries
        now = self._clock.now()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            log.error("%s: %d entries lost so far; is the disk full or failing?", self._name, self.lost_entries)

    # ---- the disk's thread ---------------------------------------------------------------------------------

    def _next_part(self, header: dict[str, Any]) -> None:
        try:
            self._end_part()
            self._writer = self._begin(header)
        except OSError as error:
            log.error("%s: no new part: %s", self._name, error.strerror)

    def _take(self, batch: list[bytes], size: int) -> None:
        try:
            self._write(batch)
        finally:
            with self._lock:
                self._waiting_bytes -= size

    def _end_part(self) -> None:
        if self._writer is not None:
            ended, self._writer = self._writer, None
            with contextlib.suppress(OSError):  # all of it is on the disk
                ended.close()

    def _write(self, batch: list[bytes]) -> None:
        missing = self.lost_entries - self._told_lost
        told = [pack(Lost(self._clock.now(), missing)), *batch] if missing else batch
        try:
            self._make_room()
            if self._writer is not None and not self._writer.is_there():
                log.warning("%s: the file is gone, perhaps with its disk; another one is begun", self._name)
                self._end_part()
            self._writer = self._writer or self._begin(dict(self._header()))
            size = self._writer.add_batch(told)
            self._writer.sync()
        except (OSError, ValueError) as error:  # ValueError: the part could not be begun
            self._why = _refused(error)
            self._lose(len(batch))
            with contextlib.suppress(OSError, ValueError):
                if self._writer is not None:
                    self._writer.undo()
            return
        self._why = ""
        self._told_lost += missing
        self._part_written += size
        self.bytes_written += size


def begun(path: Path, file: BinaryIO, header: Mapping[str, Any]) -> RecordingWriter:
    """A recording in the file that was opened at ``path``, with its header on the disk, or none."""
    try:
        writer = RecordingWriter(file, header)
        writer.sync()
    except OSError:
        file.close()
        if path.is_file():  # not a device
            path.unlink()
        raise
    return writer


def _refused(error: Exception) -> str:
    return f"{_UNKEPT}: {getattr(error, 'strerror', None) or error}"
