"""The recording that ``run --record`` asked for, in one file.

A supervisor starts the same command again and again: what lies there already is kept, and the new one goes beside it.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from edge.clock import Clock
from edge.names import RECORDING_SUFFIX
from edge.recording import RecordingWriter
from edge.recording.batches import BatchedRecording, begun
from edge.storage.whole_files import sync_folder
from edge.types import ConfigError

log = logging.getLogger(__name__)


class RecordFile(BatchedRecording):
    """Takes entries into ``path``, or beside it where there is one.

    Raises ConfigError where it cannot be written at all, or ``replay`` would not know it by its name.
    """

    def __init__(self, path: Path, clock: Clock, header: Callable[[], Mapping[str, Any]]) -> None:
        self._asked = path
        if path.suffix != RECORDING_SUFFIX and _may_be_made(path):
            raise ConfigError(f"{path}: the name of a recording ends in {RECORDING_SUFFIX}: {path}{RECORDING_SUFFIX}")
        try:
            super().__init__(str(path), clock, header, written_before=path.exists())
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None

    def _begin(self, header: dict[str, Any]) -> RecordingWriter:
        path, file = _new(self._asked)
        writer = begun(path, file, header)
        if path != self._asked:
            log.warning("%s exists and is kept; this recording is %s", self._asked, path)
        sync_folder(path.parent)
        return writer

    def _make_room(self) -> None:
        """Nothing here is older than what somebody asked to keep."""


def _new(path: Path) -> tuple[Path, BinaryIO]:
    """``path``, or the first of ``path-2``, ``path-3`` … that is not there, opened; a device file is opened as it is."""
    if not _may_be_made(path):
        return path, path.open("wb", buffering=0)
    beside = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    for free in itertools.chain([path], beside):
        try:
            return free, free.open("xb", buffering=0)
        except FileExistsError:
            continue
    raise AssertionError("there is always another number")


def _may_be_made(path: Path) -> bool:
    """Whether it is a file or nothing yet, and no device or folder."""
    return path.is_file() or not path.exists()
