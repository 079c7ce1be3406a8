"""The waveform around every alarm, in a small recording of its own, and a history of all alarms.

The last minutes of each bed are kept in memory. When an alarm is raised, what lies ``before_s`` before it began to hold
until ``after_s`` after it was raised is written as ``<occurrence>.evrec``, from the states of lanes and board on that a
replay needs (``edge.recording``). Alarms of one bed that come together share one recording under each of their names.
A thread writes; the oldest recordings go when the quota or the disk's free space asks for it, the history
(``edge.sinks.history``) stays. Camera frames never enter: lanes hand over traces of skin only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from edge.alarms.bed import recording_of
from edge.clock import CLOCK_STEP_S, Clock, wall_offset
from edge.evidence import Ring, Span, exact_part
from edge.ranges import Around, NotNegative
from edge.recording import Entry, RecordingWriter, pack
from edge.sinks.history import History
from edge.storage.disk import is_full, must_take
from edge.storage.disk_thread import DiskThread
from edge.storage.whole_files import WholeFiles, remove_leavings, sync_folder
from edge.types import Alarm, ConfigError, Event

log = logging.getLogger(__name__)

_WAITING: Final = 8  # recordings of one bed that wait for a slow disk; those of all beds may come together
_BATCH: Final = 2000  # entries that are compressed together
_CLOSE_S: Final = 10.0
_UNKEPT: Final = "the recordings of alarms are not kept"
_TOO_MANY: Final = "too many came together"
_APART_NS: Final = 2_000_000_000  # what a file system (FAT) can tell two times of modification by


def build(
    *,
    clock: Clock,
    boot: str,
    state_dir: Path = Path(),
    header: Callable[[], Mapping[str, Any]] = dict,
    layout: Mapping[str, Any] | None = None,
    standing: Sequence[Alarm] = (),
    path: str = "evidence",
    before_s: Around = 30.0,
    after_s: Around = 30.0,
    quota_mb: NotNegative = 500.0,
    keep_free_mb: NotNegative = 200.0,
    checking: bool = False,
) -> Evidence | None:
    """A folder of recordings, one an alarm; on unless told otherwise.

    path: the folder; a relative one lies in the state directory. before_s, after_s: seconds of waveform before the
    condition began and after the alarm. quota_mb: size of all of them, 0 = keep none; the oldest go first.
    keep_free_mb: of the disk, left to others; the oldest go for it, too.
    """
    root = state_dir / path
    sources = {s: bed for bed, about in (layout or {}).items() for s in about["sources"]}
    try:
        must_take(root / "any", begun=root.exists())
        if checking:
            return None
        _folder(root)
        history = History(state_dir / "history.sqlite")
    except (OSError, sqlite3.Error) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigError(f"{root}: cannot be written: {said}; set sinks.evidence.path") from None
    if history.full:
        log.error("evidence: %s: %s; the watching goes on", state_dir, history.full)
    ring = Ring(sources, before_s=before_s, after_s=after_s)
    return Evidence(root, history, ring, clock, boot, header, quota_mb * 1e6, keep_free_mb * 1e6, standing)


class Evidence:
    """See ``build``. ``record`` takes entries from any thread. The history is told of alarms as any sink is, once they are
    on disk: one that a kill takes with it before was told to nobody, and would stand there for ever."""

    def __init__(
        self,
        root: Path,
        history: History,
        ring: Ring,
        clock: Clock,
        boot: str,
        header: Callable[[], Mapping[str, Any]],
        quota_bytes: float,
        keep_free_bytes: float,
        standing: Sequence[Alarm],
    ) -> None:
        self.root, self.history = root, history
        self._ring, self._clock, self._boot, self._header = ring, clock, boot, header
        self._quota_bytes, self._keep_free_bytes = quota_bytes, keep_free_bytes
        self._ahead_s = wall_offset(clock)  # of the wall clock, as it was at the last alarm
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()
        self._closed = False
        self.lost = 0
        self._why = ""
        self._disk = DiskThread("edge-evidence")
        self._disk.do(partial(remove_leavings, root))
        self._disk.do(partial(history.begin, standing, ahead_s=self._ahead_s, boot=boot))

    def record(self, entry: Entry) -> None:
        """Keep an entry for as long as an alarm may ask for it."""
        with self._lock:
            if self._quota_bytes and not self._closed:
                self._hand_over(self._ring.take(entry, self._header))

    def _note(self, alarm: Alarm) -> None:
        was_ahead_s, self._ahead_s = self._ahead_s, wall_offset(self._clock)
        by_s = self._ahead_s - was_ahead_s
        moved_s = by_s if abs(by_s) > CLOCK_STEP_S else 0.0
        self._disk.do(partial(self.history.add, alarm, wall=alarm.t + self._ahead_s, boot=self._boot, moved_s=moved_s))

    def send(self, event: Event) -> None:
        """Note an alarm in the history."""
        with self._lock:
            if isinstance(event, Alarm) and not self._closed:
                self._note(event)

    def why_not(self) -> str:
        """What kept the last alarm's recording from being written, in words; "" where nothing did."""
        return self._disk.why_not(_UNKEPT) or self._why

    def flush(self, timeout_s: float) -> bool:
        """Write what alarms ask for, shorter where its time has not come; whether all of it is on disk."""
        with self._lock:
            self._hand_over(self._ring.cut(all_of_them=True))
        return self._disk.has_done_all(timeout_s) and self.lost == 0

    def close(self) -> None:
        """Write what alarms ask for and end; calling twice is harmless."""
        with self._lock:
            if self._closed:
                return
            self._hand_over(self._ring.cut(all_of_them=True))
            self._closed = True
        self._disk.ask(self.history.close)  # there: whoever else did it would wait for a disk that hangs
        self._disk.end(_CLOSE_S)

    def _hand_over(self, spans: Sequence[tuple[Span, list[Entry]]]) -> None:
        for span, entries in spans:
            if self._waiting[span.bed] >= _WAITING:
                self._lose(span, "the disk is too slow")
                continue
            self._waiting[span.bed] += 1
            self._disk.do(partial(self._write, span, entries))

    def _lose(self, span: Span, why: str) -> None:
        self.lost += len(span.occurrences)
        self._why = f"{_UNKEPT}: {why}"
        log.error("evidence: no recording of %d alarm(s) of %s: %s", len(span.occurrences), span.bed, why)

    # ---- the disk's thread ---------------------------------------------------------------------------------

    def _write(self, span: Span, entries: Sequence[Entry]) -> None:
        if span.beyond:
            log.error("evidence: no recording of %d alarm(s) of %s: %s", span.beyond, span.bed, _TOO_MANY)
        first, *others = [self.root / recording_of(occurrence) for occurrence in span.occurrences]
        try:
            packed = [pack(entry) for entry in exact_part(entries, span)]
            about = {"bed": span.bed, "span": [span.start, span.until], "occurrences": span.occurrences}
            self.root.mkdir(parents=True, exist_ok=True)
            newest_ns = self._make_room(sum(map(len, packed)))
            with WholeFiles(replace=True) as files:
                part = files.begin(first)
                with part.open("wb") as file:
                    writer = RecordingWriter(file, {**span.header, **about})
                    for start in range(0, len(packed), _BATCH):
                        writer.add_batch(packed[start : start + _BATCH])
                if part.stat().st_mtime_ns <= newest_ns:  # the clock was set back: it stays the newest all the same
                    os.utime(part, ns=(newest_ns + _APART_NS, newest_ns + _APART_NS))
            for other in others:
                _same_file(first, other)
            sync_folder(self.root)
            self._why = f"{_UNKEPT}: {_TOO_MANY}" if span.beyond else ""
        except OSError as error:
            self._lose(span, error.strerror or str(error))
        finally:
            with self._lock:
                self._waiting[span.bed] -= 1

    def _make_room(self, coming: int) -> int:
        """Remove the oldest recordings until quota and free space hold with ``coming`` bytes more.

        Returns the newest one's time of modification, ns.
        """
        found: dict[int, tuple[int, int, list[Path]]] = {}
        for path in self.root.glob("*.evrec"):
            with contextlib.suppress(OSError):
                seen = path.stat()
                found.setdefault(seen.st_ino, (seen.st_mtime_ns, seen.st_size, []))[2].append(path)
        total = sum(size for _, size, _ in found.values())
        newest_ns = max((modified_ns for modified_ns, _, _ in found.values()), default=0)
        for _, size, paths in sorted(found.values()):
            if (
                total + coming <= self._quota_bytes
                and shutil.disk_usage(self.root).free >= self._keep_free_bytes + coming
            ):
                break
            for path in paths:
                with contextlib.suppress(OSError):
                    path.unlink()
            total -= size
        return newest_ns


def _folder(root: Path) -> None:
    """Make it, if there is room; else when there is something to be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if not is_full(error):
            raise


def _same_file(first: Path, other: Path) -> None:
    """A second name for a recording, or a copy where the file system has none."""
    other.unlink(missing_ok=True)
    try:
        os.link(first, other)
    except OSError:
        with WholeFiles(replace=True) as files:
            copy = files.begin(other)
            shutil.copyfile(first, copy)
            modified_ns = first.stat().st_mtime_ns
            os.utime(copy, ns=(modified_ns, modified_ns))
