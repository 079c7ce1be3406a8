"""An append-only file of what the lanes were fed and what came of it; a torn end is dropped and said so.

Layout: the magic ``EVREC1\\n``, then records ``length u32, crc32 u32, payload``, little-endian, payload MessagePack
``[kind, fields]``. Kinds: ``header`` first (device, boot, configuration text, model variants, both clocks), then
``block``, ``status``, ``fault``, ``command`` in the order the program took them, and ``reading`` and ``alarm`` as it
made them. Frames of a camera never enter: only the region traces that the transform makes of them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np

from edge.types import Alarm, Block, Command, Fault, Reading, SourceError, SourceStatus

MAGIC: Final = b"EVREC1\n"
_HEAD = struct.Struct("<II")
_MAX_RECORD_BYTES = 1 << 26
_NARROW = (np.int16, np.int32)

Entry = Block | SourceStatus | Fault | Command | Reading | Alarm
_KINDS: Final[dict[str, type[Any]]] = {
    "status": SourceStatus,
    "fault": Fault,
    "command": Command,
    "reading": Reading,
    "alarm": Alarm,
}


class RecordingWriter:
    """Appends entries to a file. header: anything that MessagePack carries."""

    def __init__(self, file: BinaryIO, header: Mapping[str, Any]) -> None:
        self._file = file
        self._file.write(MAGIC)
        self._append("header", dict(header))

    def add(self, entry: Entry) -> None:
        """Append one entry; video blocks are refused."""
        if isinstance(entry, Block):
            if entry.kind == "video":
                raise ValueError("camera frames are never recorded")
            self._append("block", _block_fields(entry))
            return
        kind = next(k for k, cls in _KINDS.items() if isinstance(entry, cls))
        self._append(kind, asdict(entry))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _append(self, kind: str, fields: Mapping[str, Any]) -> None:
        payload = msgspec.msgpack.encode([kind, fields], enc_hook=_plain)
        self._file.write(_HEAD.pack(len(payload), zlib.crc32(payload)) + payload)


class Recording:
    """A recording opened for reading. ``torn`` is set once reading met an incomplete or damaged end."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.torn = ""
        try:
            with self.path.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise SourceError(f"{path}: not a recording of this program")
                first = self._next(file)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
        if first is None or first[0] != "header":
            raise SourceError(f"{path}: the recording has no header: nothing in it can be used")
        self.header: Mapping[str, Any] = first[1]

    def __iter__(self) -> Iterator[Entry]:
        with self.path.open("rb") as file:
            file.seek(len(MAGIC))
            self._next(file)  # the header
            while (record := self._next(file)) is not None:
                kind, fields = record
                yield _block(fields) if kind == "block" else _KINDS[kind](**fields)

    def _next(self, file: BinaryIO) -> tuple[str, dict[str, Any]] | None:
        at = file.tell()
        head = file.read(_HEAD.size)
        if not head:
            return None
        length, crc = _HEAD.unpack(head.ljust(_HEAD.size, b"\xff"))
        payload = file.read(length) if length <= _MAX_RECORD_BYTES else b""
        if len(payload) != length or zlib.crc32(payload) != crc:
            self.torn = f"{self.path}: the record at byte {at} is torn; everything before it was read"
            return None
        kind, fields = msgspec.msgpack.decode(payload)
        return kind, fields


def _block_fields(block: Block) -> dict[str, Any]:
    stored = block.data
    if stored.dtype == np.float64 and stored.size and np.isfinite(stored).all():
        for narrow in _NARROW:  # device counts fit; nothing is stored narrower than it reads back
            limits = np.iinfo(narrow)
            if stored.min() >= limits.min and stored.max() <= limits.max:
                cast = stored.astype(narrow)
                if np.array_equal(cast, stored) and not np.signbit(stored[stored == 0]).any():
                    stored = cast
                    break
    return {
        "stream": block.stream,
        "seq": block.seq,
        "t0": block.t0,
        "rate": block.rate,
        "epoch": block.epoch,
        "labels": block.labels,
        "flags": sorted(block.flags),
        "dtype": block.data.dtype.str,
        "stored": stored.dtype.str,
        "shape": stored.shape,
        "data": stored.tobytes(),
    }


def _block(fields: dict[str, Any]) -> Block:
    data = np.frombuffer(fields["data"], dtype=fields["stored"]).reshape(fields["shape"]).astype(fields["dtype"])
    return Block(
        stream=fields["stream"],
        seq=fields["seq"],
        t0=fields["t0"],
        rate=fields["rate"],
        data=data,
        epoch=fields["epoch"],
        labels=tuple(fields["labels"]),
        flags=frozenset(fields["flags"]),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"cannot record {type(value).__name__}")
