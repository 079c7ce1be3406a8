"""The recording that ``run --record`` asked for: when it no longer fits it ends, and the watching goes on.

A supervisor starts the same command again and again: what lies there already is kept, and the new one goes beside it.
"""

from __future__ import annotations

import errno
import io
import itertools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from edge.disk import is_full
from edge.recording import Entry, RecordingWriter
from edge.types import ConfigError

log = logging.getLogger(__name__)


class RecordFile:
    """Takes entries into ``path``, or beside it where there is one, until its disk takes no more.

    Raises ConfigError where it cannot be written at all.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self._path, self._ended = path, ""
        try:
            self._path, self._file = _new(path)
        except OSError as error:
            if not is_full(error) or (error.errno == errno.EROFS and not path.exists()):
                raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
            self._file = io.BytesIO()
            self._end(error)
        if self._path != path:
            log.warning("%s exists and is kept; this recording is %s", path, self._path)
        self._writer = RecordingWriter(self._file, header)

    def add(self, entry: Entry) -> None:
        """Write an entry, unless the recording has ended."""
        if not self._ended:
            try:
                self._writer.add(entry)
            except OSError as error:
                self._end(error)

    def close(self) -> None:
        """Write what waits, and close the file."""
        try:
            self._file.close()
        except OSError as error:  # what was still in memory does not fit, either
            self._end(error)

    def why_not(self) -> str:
        """What ended it, in words; "" while it goes on."""
        return self._ended

    def _end(self, error: OSError) -> None:
        if not self._ended:
            self._ended = f"the recording {self._path.name} has ended: {error.strerror}"
            log.error("%s: the recording ends here: %s; the watching goes on", self._path, error.strerror)


def _new(path: Path) -> tuple[Path, BinaryIO]:
    """``path``, or the first of ``path-2``, ``path-3`` … that is not there, opened; a device file is opened as it is."""
    if path.exists() and not path.is_file():
        return path, path.open("wb")
    beside = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    for free in itertools.chain([path], beside):
        try:
            return free, free.open("xb")
        except FileExistsError:
            continue
    raise AssertionError("there is always another number")
