"""A second copy of the alarm board's state, beside the outbox, for the day on which its database cannot be read.

Two small files are written in turn, each with a number and a checksum, so that one is whole whenever the program or the
power stops. A write takes microseconds and waits for no disk: what it said survives the program's death, and a power cut
for all but the last half minute. ``Copied.certain`` says which of both it was, since after a power cut the newest numbers
may be missing and must not be counted on from there.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.clock import machine_start

_MAGIC: Final = b"EVCOPY1\n"
_HEAD: Final = struct.Struct("<8sQ?36sI")  # magic, turn, closed, the machine's start, length; then the checksum
_CHECKSUM: Final = struct.Struct("<I")
_MOST_BYTES: Final = 1 << 26
_STEP_BYTES: Final = 1 << 16  # so much at a time; on a disk that is full by then there is still some room to go on


@dataclass(frozen=True, slots=True)
class Copied:
    """turn: which write it was, counted from 1; certain: surely the last one that was made."""

    turn: int
    state: bytes
    certain: bool


class StateCopy:
    """The files ``<path>.0`` and ``<path>.1``. machine: id of this start of the machine, by default Linux's own."""

    def __init__(self, path: Path, *, machine: str | None = None) -> None:
        self._paths = [path.with_name(f"{path.name}.{n}") for n in (0, 1)]
        self._machine = (machine_start() if machine is None else machine).encode()[:36]
        self._files: dict[Path, int] = {}
        self._room = 0  # bytes that the disk surely has for each
        self._last: tuple[int, bytes] | None = None

    def read(self) -> Copied | None:
        """The newest whole copy, or None."""
        found = [copied for path in self._paths if (copied := self._whole(path))]
        return max(found, key=lambda copied: copied.turn, default=None)

    def write(self, turn: int, state: bytes) -> None:
        """Keep this; what the disk refuses is left out: the database is what counts."""
        self._last = (turn, state)
        with contextlib.suppress(OSError):
            self._put(turn, state, closed=False)

    def sync(self) -> None:
        """Onto the disk; takes as long as the disk does."""
        for file in self._files.values():
            with contextlib.suppress(OSError):
                os.fsync(file)

    def close(self) -> None:
        """An orderly end: what is there now is the last, whatever happens to the machine. Calling twice is harmless."""
        if self._last is not None and self._files:
            turn, state = self._last
            with contextlib.suppress(OSError):
                self._put(turn, state, closed=True)
            self.sync()
        for file in self._files.values():
            with contextlib.suppress(OSError):
                os.close(file)
        self._files.clear()
        self._room = 0

    def forget(self) -> None:
        """It is not needed any more. Calling twice is harmless."""
        self._last = None
        self.close()
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _put(self, turn: int, state: bytes, *, closed: bool) -> None:
        path = self._paths[turn % 2]
        self._make_room(_HEAD.size + _CHECKSUM.size + len(state))
        head = _HEAD.pack(_MAGIC, turn, closed, self._machine, len(state))
        checksum = _CHECKSUM.pack(zlib.crc32(state, zlib.crc32(head)))
        os.pwrite(self._files[path], head + checksum + state, 0)

    def _make_room(self, length: int) -> None:
        """For both, or for none: a disk that fills up must neither spoil what is there nor take every other one only."""
        if length <= self._room:
            return
        room = -(-length // _STEP_BYTES) * _STEP_BYTES
        for path in self._paths:
            if path not in self._files:
                self._files[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.posix_fallocate(self._files[path], 0, room)
        self._room = room

    def _whole(self, path: Path) -> Copied | None:
        try:
            content = path.read_bytes()[:_MOST_BYTES]
            magic, turn, closed, machine, length = _HEAD.unpack_from(content)
            (checksum,) = _CHECKSUM.unpack_from(content, _HEAD.size)
        except (OSError, struct.error):
            return None
        start = _HEAD.size + _CHECKSUM.size
        state = content[start : start + length]
        whole = checksum == zlib.crc32(state, zlib.crc32(content[: _HEAD.size]))
        if magic != _MAGIC or not whole:
            return None
        same_start = bool(self._machine) and machine.rstrip(b"\0") == self._machine
        return Copied(turn, state, closed or same_start)
