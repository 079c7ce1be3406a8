"""A recording of what the analyzers see and what came of it, kept through power cuts, in parts, under a quota.

Each run of the program has a folder ``NNNNN-<boot>.evrec`` of parts ``000001.evrec`` and so on (``edge.recording``).
Entries wait in memory and reach the card as one compressed, checked and synced record every ``batch_s`` seconds, or
within a second of an alarm; a power cut costs what had not been written, never what had. A thread writes, so that a slow
card holds up nobody; when it falls behind by ``_WAITING_BYTES`` or the disk refuses, entries are lost and the
recording says how many. A disk that is full from the start, whatever is removed, is tried again with every batch. Camera
frames are refused by ``edge.recording``.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.disk import is_full, must_take
from edge.ranges import NotNegative, Positive
from edge.recording import Entry, Lost, RecordingWriter, Tick, pack
from edge.types import Alarm, ConfigError, Event

log = logging.getLogger(__name__)

BATCH_S = 10.0
"""Seconds between writes, unless told otherwise."""
_WAITING_BYTES = 1 << 25
_TELL_EVERY_S = 3600.0  # a disk that fails for weeks must not fill the log as well
_MOST_BYTES = 1 << 22  # of entries in one batch


def build(
    *,
    clock: Clock,
    boot: str,
    state_dir: Path = Path(),
    header: Callable[[], Mapping[str, Any]] = dict,
    path: str = "recordings",
    batch_s: Positive = BATCH_S,
    part_mb: Positive = 64.0,
    quota_mb: NotNegative = 4000.0,
    keep_free_mb: NotNegative = 500.0,
    checking: bool = False,
) -> Recorder | None:
    """A folder of recordings.

    path: the folder; a relative one lies in the state directory. batch_s: seconds between writes; a power cut costs
    no more. part_mb: size at which a new part is begun. quota_mb: size of all recordings; the oldest parts go first.
    keep_free_mb: of the disk, left to others; the oldest parts go for it, too.
    """
    if not 0 < batch_s <= 300:
        raise ConfigError(f"sinks.recorder.batch_s: {batch_s:g}; must be above 0 and at most 300 s")
    if part_mb <= 0:
        raise ConfigError(f"sinks.recorder.part_mb: {part_mb:g}; must be above 0")
    if quota_mb < 2 * part_mb:
        raise ConfigError(f"sinks.recorder.quota_mb: {quota_mb:g}; must be at least twice part_mb, {part_mb:g}")
    root = state_dir / path
    try:
        must_take(root / "any", begun=root.exists())
        if checking:
            return None
        return Recorder(root, clock, boot, header, batch_s, int(part_mb * 1e6), int(quota_mb * 1e6), keep_free_mb * 1e6)
    except OSError as error:
        raise ConfigError(f"{root}: cannot be written: {error.strerror}; set sinks.recorder.path") from None


class Recorder:
    """See ``build``. ``record`` takes entries, from any thread; as a sink it needs no events beside them."""

    def __init__(
        self,
        root: Path,
        clock: Clock,
        boot: str,
        header: Callable[[], Mapping[str, Any]],
        batch_s: float,
        part_bytes: int,
        quota_bytes: int,
        keep_free_bytes: float,
    ) -> None:
        self._root, self._clock, self._header = root, clock, header
        self._batch_s, self._part_bytes = batch_s, part_bytes
        self._quota_bytes, self._keep_free_bytes = quota_bytes, keep_free_bytes
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._due = clock.now() + batch_s
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._closed = False
        self.lost_entries = self._told_lost = 0
        self._told_at = -math.inf
        self._why = ""
        self.bytes_written = 0
        self._part = 0
        self._part_written = 0
        self.folder = root / f"{_next_number(root):05d}-{boot}.evrec"
        self._writer: RecordingWriter | None = None
        try:
            self._writer = self._begin(dict(header()))
        except OSError as error:
            if not is_full(error):
                raise
            self._why = _refused(error)
            log.error("recorder: %s: %s; the watching goes on", self.folder, error.strerror)
        self._thread = threading.Thread(target=self._run, name="edge-recorder", daemon=True)
        self._thread.start()

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
                    self._jobs.put(partial(self._next_part, dict(self._header())))

    def send(self, event: Event) -> None:
        """Nothing: what is worth keeping comes through ``record``, in the order in which it was judged."""

    def why_not(self) -> str:
        """What kept the last batch from being written, in words; "" where nothing did."""
        return self._why

    def flush(self, timeout_s: float) -> bool:
        """Write what waits; whether all of it is on disk."""
        with self._lock:
            self._hand_over()
        done = threading.Event()
        self._jobs.put(done.set)
        return done.wait(timeout_s) and self.lost_entries == 0

    def close(self) -> None:
        """Write what waits and end; calling twice is harmless."""
        with self._lock:
            if self._closed:
                return
            self._hand_over()
            self._closed = True
        self._jobs.put(None)
        self._thread.join(10.0)

    def _hand_over(self) -> None:
        batch, size = self._pending, self._pending_bytes
        self._pending, self._pending_bytes = [], 0
        if not batch:
            return
        if self._waiting_bytes + size > _WAITING_BYTES:
            self._why = "recordings are not kept: the disk is too slow"
            self._lose(len(batch))
            return
        self._waiting_bytes += size
        self._jobs.put(partial(self._take, batch, size))

    def _lose(self, entries: int) -> None:
        self.lost_entries += entries
        now = self._clock.now()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            log.error("recorder: %d entries lost so far; is the disk full or failing?", self.lost_entries)

    # ---- the thread that writes ----------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        with contextlib.suppress(OSError):
            self._end_part()

    def _next_part(self, header: dict[str, Any]) -> None:
        try:
            self._end_part()
            self._writer = self._begin(header)
        except OSError as error:
            log.error("recorder: no new part in %s: %s", self.folder, error.strerror)

    def _take(self, batch: list[bytes], size: int) -> None:
        self._write(batch)
        with self._lock:
            self._waiting_bytes -= size

    def _end_part(self) -> None:
        if self._writer is not None:
            ended, self._writer = self._writer, None
            ended.close()

    def _write(self, batch: list[bytes]) -> None:
        missing = self.lost_entries - self._told_lost
        told = [pack(Lost(self._clock.now(), missing)), *batch] if missing else batch
        try:
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

    def _begin(self, header: dict[str, Any]) -> RecordingWriter:
        if self._root.exists():
            self._make_room()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self._part + 1:06d}.evrec"
        file = path.open("xb", buffering=0)
        try:
            writer = RecordingWriter(file, {**header, "part": self._part + 1})
            writer.sync()
        except OSError:
            file.close()
            path.unlink()
            raise
        self._part += 1
        for folder in (self.folder, self._root):
            _sync_folder(folder)
        return writer

    def _make_room(self) -> None:
        """Remove the oldest parts, never this run's newest, until quota and free space hold."""
        parts = list(_parts(self._root))
        total = sum(size for _, size in parts)
        for path, size in parts[:-1]:
            if total + self._part_bytes <= self._quota_bytes and self._free() >= self._keep_free_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
            with contextlib.suppress(OSError):
                path.parent.rmdir()  # only when it is empty

    def _free(self) -> int:
        return shutil.disk_usage(self._root).free


def _parts(root: Path) -> Iterator[tuple[Path, int]]:
    """All parts of all runs, oldest first, with their sizes."""
    for path in sorted(root.glob("[0-9]*.evrec/[0-9]*.evrec")):
        with contextlib.suppress(OSError):
            yield path, path.stat().st_size


def _refused(error: Exception) -> str:
    return f"recordings are not kept: {getattr(error, 'strerror', None) or error}"


def _next_number(root: Path) -> int:
    numbers = [int(p.name[:5]) for p in root.glob("[0-9][0-9][0-9][0-9][0-9]-*.evrec")]
    return max(numbers, default=0) + 1


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
