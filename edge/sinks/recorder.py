"""A recording of what the analyzers see and what came of it, kept through power cuts, in parts, under a quota.

Each run of the program has a folder ``NNNNN-<boot>.evrec`` of parts ``000001.evrec`` and so on (``edge.recording``).
Camera frames are refused by ``edge.recording``.
"""

from __future__ import annotations

import contextlib
import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from edge.clock import Clock
from edge.ranges import Batch, NotNegative, Positive
from edge.recording import PARTS, RecordingWriter
from edge.recording.batches import BATCH_S, BatchedRecording, begun
from edge.storage.disk import must_take
from edge.storage.whole_files import sync_folder
from edge.types import ConfigError, Event

_RUN: Final = re.compile(r"(\d{5,})-")


def build(
    *,
    clock: Clock,
    boot: str,
    state_dir: Path = Path(),
    header: Callable[[], Mapping[str, Any]] = dict,
    path: str = "recordings",
    batch_s: Batch = BATCH_S,
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


class Recorder(BatchedRecording):
    """See ``build``. As a sink it needs no events beside the entries."""

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
        self._root, self._quota_bytes, self._keep_free_bytes = root, quota_bytes, keep_free_bytes
        self._part = 0
        self.folder = root / f"{_next_number(root):05d}-{boot}.evrec"
        super().__init__(f"recorder: {self.folder}", clock, header, batch_s=batch_s, part_bytes=part_bytes)

    def send(self, event: Event) -> None:
        """Nothing: what is worth keeping comes through ``record``, in the order in which it was judged."""

    def _begin(self, header: dict[str, Any]) -> RecordingWriter:
        self._remove_oldest(coming_bytes=self._part_bytes)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self._part + 1:06d}.evrec"
        try:
            writer = begun(path, path.open("xb", buffering=0), {**header, "part": self._part + 1})
        except OSError:
            with contextlib.suppress(OSError):
                self.folder.rmdir()  # only when it is empty
            raise
        self._part += 1
        for folder in (self.folder, self._root):
            sync_folder(folder)
        return writer

    def _make_room(self) -> None:
        """Others may have filled the disk since the part was begun."""
        if self._free() < self._keep_free_bytes:
            self._remove_oldest(coming_bytes=0.0)

    def _remove_oldest(self, *, coming_bytes: float) -> None:
        """Remove the oldest parts, never this run's newest, until quota and free space hold."""
        parts = list(_parts(self._root))
        total = sum(size for _, size in parts)
        for path, size in parts[:-1]:
            if total + coming_bytes <= self._quota_bytes and self._free() >= self._keep_free_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
            with contextlib.suppress(OSError):
                path.parent.rmdir()  # only when it is empty

    def _free(self) -> float:
        """Bytes; of a folder that is not there yet: enough."""
        return shutil.disk_usage(self._root).free if self._root.exists() else math.inf


def _parts(root: Path) -> Iterator[tuple[Path, int]]:
    """All parts of all runs, oldest first, with their sizes."""
    for _, run in sorted(_runs(root)):
        for path in sorted(run.glob(PARTS)):
            with contextlib.suppress(OSError):
                yield path, path.stat().st_size


def _next_number(root: Path) -> int:
    return max((number for number, _ in _runs(root)), default=0) + 1


def _runs(root: Path) -> Iterator[tuple[int, Path]]:
    """Number and folder of each run: behind 99999, which a program that does not stay up reaches in days, it has a digit
    more."""
    for path in root.glob("*.evrec"):
        if found := _RUN.match(path.name):
            yield int(found[1]), path
