"""An append-only file of what the lanes were fed and what came of it; a torn end is dropped, damage a gap: both are said.

Layout: the magic ``EVREC1\\n``, then records ``length u32, crc32 u32, payload``, little-endian, payload MessagePack
``[kind, fields]``. Kinds: ``header`` first (device, boot, configuration text, model variants, both clocks) and again
every 4 MB, since without it nothing can be made again, then ``block``, ``status``, ``fault``, ``command``, ``tick`` in
the order the program took them, and ``reading`` and ``alarm`` as it made them; ``clock`` says which wall time a
monotonic one was, ``lost`` that the disk was too slow.
``lane_state`` and ``main_state``, some seconds apart, say what was remembered there: from any of them on an exact
replay can begin.
A ``batch`` holds many of them, compressed: what a flash card likes. Frames of a camera never enter: only the region
traces that the transform makes of them. A folder ``NAME.evrec`` of numbered files is one recording, too.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np

from edge.plain import plain
from edge.record_scan import HEAD, Unread, records
from edge.types import Alarm, Block, Command, Fault, Reading, SourceError, SourceStatus

MAGIC: Final = b"EVREC1\n"
PARTS: Final = "[0-9]" * 6 + ".evrec"
"""What the parts of a folder are called."""
STATE_EVERY_S: Final = 15.0
"""So often it is told what lanes, fusion and board remember."""
_HEADER_EVERY_BYTES: Final = 1 << 22
_NARROW = (np.int16, np.int32)


@dataclass(frozen=True, slots=True)
class Tick:
    """The moment at which the main thread let the alarm board's clock run on."""

    t: float


@dataclass(frozen=True, slots=True)
class ClockMark:
    """At monotonic time t the wall clock said wall (Unix, s): from here on, wherever it was before."""

    t: float
    wall: float


@dataclass(frozen=True, slots=True)
class Lost:
    """From here back to the entry before, ``entries`` could not be kept: the disk was full or too slow."""

    t: float
    entries: int


@dataclass(frozen=True, slots=True)
class Damage:
    """From here back by ``seconds``, to the entry before, ``size`` bytes of the file cannot be read; it is never written."""

    t: float
    seconds: float
    size: int


@dataclass(frozen=True, slots=True)
class LaneState:
    """What a lane remembered after the blocks before this entry: see ``Lane.state``."""

    source: str
    primary: str
    t: float
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MainState:
    """What board and fusion remembered at this place: their own states, by bed. shift_s: see ``Board``."""

    t: float
    board: Mapping[str, Any]
    fusion: Mapping[str, Any]
    shift_s: float | None = None


Entry = (
    Block | SourceStatus | Fault | Command | Reading | Alarm | Tick | ClockMark | Lost | Damage | LaneState | MainState
)
_KINDS: Final[dict[str, type[Any]]] = {
    "status": SourceStatus,
    "fault": Fault,
    "command": Command,
    "reading": Reading,
    "alarm": Alarm,
    "tick": Tick,
    "clock": ClockMark,
    "lost": Lost,
    "lane_state": LaneState,
    "main_state": MainState,
}
_decode: Final[Callable[[Any], Any]] = msgspec.msgpack.Decoder().decode
_decode_record: Final = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode
_decode_batch: Final = msgspec.msgpack.Decoder(list[tuple[str, msgspec.Raw]]).decode  # what nobody wants stays packed
_KIND_OF: Final = {cls: kind for kind, cls in _KINDS.items()}


class RecordingWriter:
    """Appends entries to a file. header: anything that MessagePack carries."""

    def __init__(self, file: BinaryIO, header: Mapping[str, Any]) -> None:
        self._file = file
        self._header = dict(header)
        self._good = self._since_header = 0
        self._file.write(MAGIC)
        self._append("header", self._header)

    def add(self, entry: Entry) -> None:
        """Append one entry; video blocks are refused."""
        self._write(pack(entry))
        self._say_again()

    def add_batch(self, packed: Sequence[bytes]) -> int:
        """Append entries that ``pack`` made, as one compressed record: all or none survive. Returns its bytes."""
        body = b"\xdd" + struct.pack(">I", len(packed)) + b"".join(packed)  # a MessagePack array
        return self._append("batch", zlib.compress(body, 6)) + self._say_again()

    def flush(self) -> None:
        self._file.flush()

    def sync(self) -> None:
        """Onto the disk, so that a power cut does not cost it; raises OSError when it does not take all."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._good = self._file.tell()

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
        return self._append("header", self._header)

    def _append(self, kind: str, content: Any) -> int:
        return self._write(msgspec.msgpack.encode([kind, content], enc_hook=plain))

    def _write(self, payload: bytes) -> int:
        record = HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        if self._file.write(record) != len(record):
            raise OSError(errno.ENOSPC, "the disk is full")
        self._since_header += len(record)
        return len(record)


def pack(entry: Entry) -> bytes:
    """One entry as MessagePack; video blocks are refused with ValueError."""
    if isinstance(entry, Block):
        if entry.kind == "video":
            raise ValueError("camera frames are never recorded")
        return msgspec.msgpack.encode(["block", _block_fields(entry)], enc_hook=plain)
    named = {one.name: getattr(entry, one.name) for one in fields(entry)}
    return msgspec.msgpack.encode([_KIND_OF[type(entry)], named], enc_hook=plain)


class Recording:
    """A recording opened for reading: a file, or a folder of its numbered parts.

    ``header`` is the first that is whole, in any part, and empty where none is; then ``headless`` says so.
    ``torn`` is set once reading met an incomplete or damaged end, ``damaged`` once it met what is not whole before the
    end, where a ``Damage`` stands among the entries; ``missing`` says which parts a quota took away.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.torn = self.missing = self.damaged = self.headless = ""
        self.parts = sorted(self.path.glob(PARTS)) if self.path.is_dir() else [self.path]
        if not self.parts:
            raise SourceError(f"{path}: no recording in this folder (no 000001.evrec)")
        if self.path.is_dir():
            numbers = [int(part.stem) for part in self.parts]
            gone = sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
            self.missing = f"{path}: {len(gone)} part(s) were removed, the first is {numbers[0]}" if gone else ""
        self.header: Mapping[str, Any] = self._begin()

    def __iter__(self) -> Iterator[Entry]:
        return self.entries()

    @property
    def said(self) -> list[str]:
        """What is to be told of a recording that is not all there, known when it was read."""
        return [text for text in (self.headless, self.damaged, self.torn, self.missing) if text]

    def entries(self, *, samples: bool = True) -> Iterator[Entry]:
        """All entries in order; samples: with the blocks, which are most of a recording."""
        self.damaged, before, unread, damages = "", None, 0, list[Damage]()
        for entry in self._found(samples=samples):
            if isinstance(entry, Unread):
                unread += entry.size
                continue
            t = entry.t_end if isinstance(entry, Block) else entry.t
            if unread:
                damages.append(Damage(t, 0.0 if before is None else max(0.0, t - before), unread))
                unread = 0
                self.damaged = _told(self.path, damages)
                yield damages[-1]
            yield entry
            before = t if before is None else max(before, t)

    def _found(self, *, samples: bool) -> Iterator[Entry | Unread]:
        for part in self.parts:
            if part.stat().st_size <= len(MAGIC):  # begun when the power went
                self.torn = f"{part}: holds nothing yet; everything before it was read"
                continue
            with part.open("rb") as file:
                file.seek(len(MAGIC))
                for payload in records(file):
                    if not isinstance(payload, Unread):
                        yield from _entries(payload, samples=samples)
                    elif payload.last and part == self.parts[-1]:
                        self.torn = _torn(file, payload)
                    else:
                        yield payload

    def _begin(self) -> Mapping[str, Any]:
        ours = anything = False
        for part in self.parts:
            try:
                with part.open("rb") as file:
                    ours |= file.read(len(MAGIC)) == MAGIC
                    for payload in records(file):
                        if isinstance(payload, Unread):
                            continue
                        kind, packed = _decode_record(payload)
                        if kind == "header":
                            header: Mapping[str, Any] = _decode(packed)
                            return header
                        anything = True
            except OSError as error:
                raise SourceError(f"{part}: cannot be read: {error.strerror}") from None
        if not anything:
            why = (
                "the recording has no header: nothing in it can be used" if ours else "not a recording of this program"
            )
            raise SourceError(f"{self.parts[0]}: {why}")
        self.headless = f"{self.path}: the header is damaged: the configuration and the models of then are not known"
        return {}


def _entries(payload: bytes, *, samples: bool) -> Iterator[Entry]:
    """What one record holds; the header is no entry."""
    record = _decode_record(payload)
    for kind, packed in _decode_batch(zlib.decompress(_decode(record[1]))) if record[0] == "batch" else [record]:
        if kind == "block":
            if samples:
                yield _block(_decode(packed))
        elif kind != "header":
            yield _KINDS[kind](**_decode(packed))


def _torn(file: BinaryIO, end: Unread) -> str:
    return (
        f"{file.name}: the record at byte {end.at} is torn; everything before it was read, {end.size} byte(s) were not"
    )


def _told(path: Path, damages: Sequence[Damage]) -> str:
    size, seconds = sum(one.size for one in damages), sum(one.seconds for one in damages)
    span = f", and {seconds:.1f} s lack some or all of what was recorded" if seconds >= 0.05 else ""
    return f"{path}: damaged in {len(damages)} place(s): {size} byte(s) cannot be read{span}; the rest was read"


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


def _block(named: dict[str, Any]) -> Block:
    data = np.frombuffer(named["data"], dtype=named["stored"]).reshape(named["shape"]).astype(named["dtype"])
    return Block(
        stream=named["stream"],
        seq=named["seq"],
        t0=named["t0"],
        rate=named["rate"],
        data=data,
        epoch=named["epoch"],
        labels=tuple(named["labels"]),
        flags=frozenset(named["flags"]),
    )
