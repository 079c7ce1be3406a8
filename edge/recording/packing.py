"""Entries as MessagePack and back: the only code that knows the form of a record's payload."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypedDict

import msgspec
import numpy as np

from edge.plain import fields_of, plain
from edge.recording.entries import ClockMark, Entry, LaneState, Lost, MainState, Tick
from edge.types import Alarm, Block, Command, Fault, Reading, SourceStatus

KINDS: Final[dict[str, type[Any]]] = {
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
"""Name of a kind in the file to its type; blocks have a form of their own."""
_KIND_OF: Final = {cls: kind for kind, cls in KINDS.items()}
UNKNOWN: Final = (KeyError, TypeError, ValueError, OverflowError, RecursionError, zlib.error)
"""What reading a payload raises that is whole and was not made by ``pack``."""
_NARROW = (np.int16, np.int32)
_decode: Final[Callable[[Any], Any]] = msgspec.msgpack.Decoder().decode
_decode_record: Final = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode
_decode_batch: Final = msgspec.msgpack.Decoder(list[tuple[str, msgspec.Raw]]).decode  # what nobody wants stays packed


class _Header(TypedDict, total=False):
    """What is read of a header again; it may hold more."""

    config: str
    boot: str
    variants: dict[str, str]
    identities: dict[str, str]
    cards: dict[str, str]
    mono: float
    wall: float


def pack(entry: Entry) -> bytes:
    """One entry as MessagePack; video blocks are refused with ValueError."""
    if isinstance(entry, Block):
        if entry.kind == "video":
            raise ValueError("camera frames are never recorded")
        return msgspec.msgpack.encode(["block", _block_fields(entry)], enc_hook=plain)
    return msgspec.msgpack.encode([_KIND_OF[type(entry)], fields_of(entry)], enc_hook=plain)


def pack_header(header: Mapping[str, Any]) -> bytes:
    """A header as MessagePack: anything that it carries."""
    return msgspec.msgpack.encode(["header", header], enc_hook=plain)


def pack_batch(packed: Sequence[bytes]) -> bytes:
    """Entries that ``pack`` made, compressed together."""
    body = b"\xdd" + struct.pack(">I", len(packed)) + b"".join(packed)  # a MessagePack array
    return msgspec.msgpack.encode(["batch", zlib.compress(body, 6)], enc_hook=plain)


def header_in(payload: bytes) -> Mapping[str, Any] | None:
    """The header, where a record holds one; raises one of ``UNKNOWN``."""
    kind, packed = _decode_record(payload)
    if kind != "header":
        return None
    header: Mapping[str, Any] = _decode(packed)
    msgspec.convert(header, _Header)
    return header


def entries_in(payload: bytes, *, samples: bool) -> Iterator[Entry]:
    """What one record holds; the header is no entry."""
    record = _decode_record(payload)
    for kind, packed in _decode_batch(zlib.decompress(_decode(record[1]))) if record[0] == "batch" else [record]:
        if kind == "block":
            if samples:
                yield _block(_decode(packed))
        elif kind != "header":
            yield KINDS[kind](**_decode(packed))


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
