"""Records appended to a file: whole ones, or none."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Final

from edge.recording.entries import Entry
from edge.recording.packing import pack, pack_batch, pack_header
from edge.recording.scan import HEAD, MAGIC
from edge.storage.disk import is_there

_HEADER_EVERY_BYTES: Final = 1 << 22


class RecordingWriter:
    """Appends entries to a file. header: anything that MessagePack carries."""

    def __init__(self, file: BinaryIO, header: Mapping[str, Any]) -> None:
        self._file = file
        self._header = dict(header)
        self._good = self._since_header = 0
        self._file.write(MAGIC)
        self._write(pack_header(self._header))

    def add(self, entry: Entry) -> None:
        """Append one entry; video blocks are refused."""
        self._write(pack(entry))
        self._say_again()

    def add_batch(self, packed: Sequence[bytes]) -> int:
        """Append entries that ``pack`` made, as one compressed record: all or none survive. Returns its bytes."""
        return self._write(pack_batch(packed)) + self._say_again()

    def flush(self) -> None:
        self._file.flush()

    def sync(self) -> None:
        """Onto the disk, so that a power cut does not cost it; raises OSError when it does not take all."""
        self._file.flush()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno == errno.EINVAL:  # a pipe or a device, which keeps nothing
                return
            raise
        self._good = self._file.tell()

    def is_there(self) -> bool:
        """Whether its name still leads to the file."""
        return is_there(self._file)

    def undo(self) -> None:
        """Forget what an unbuffered file took since the last ``sync``: half a record would hide all that follow."""
        os.ftruncate(self._file.fileno(), self._good)
        self._file.seek(self._good)

    def close(self) -> None:
        self._file.close()

    def _say_again(self) -> int:
        if self._since_header < _HEADER_EVERY_BYTES:
            return 0
        self._since_header = 0
        return self._write(pack_header(self._header))

    def _write(self, payload: bytes) -> int:
        record = HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        if self._file.write(record) != len(record):
            raise OSError(errno.ENOSPC, "the disk is full")
        self._since_header += len(record)
        return len(record)
