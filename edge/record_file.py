"""The recording that ``run --record`` asked for: when it no longer fits it ends, and the watching goes on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.recording import Entry, RecordingWriter
from edge.types import ConfigError

log = logging.getLogger(__name__)


class RecordFile:
    """Takes entries into ``path`` until its disk takes no more. Raises ConfigError where it cannot be written at all."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self._path, self._ended = path, False
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
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

    def _end(self, error: OSError) -> None:
        if not self._ended:
            self._ended = True
            log.error("%s: the recording ends here: %s; the watching goes on", self._path, error.strerror)
