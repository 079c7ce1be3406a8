"""The records of a recording's file one after another, and where one is not whole the next that is: see ``edge.recording``.

A record is ``length u32, crc32 u32, payload``, little-endian. Behind a damaged one the file is searched for the next
whose checksum holds: one flipped byte costs one record, not all that follow.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

MAGIC: Final = b"EVREC1\n"
"""What a file begins with."""
HEAD: Final = struct.Struct("<II")
"""In front of each payload: its length and CRC-32."""
_MAX_RECORD_BYTES: Final = 1 << 26
_PAGE_BYTES: Final = 1 << 20
_BEGINS: Final = re.compile(
    rb"\x92[\xa4-\xbf][a-z_]{4}"
)  # MessagePack: two things, of which the first is a kind's name
_BEGIN_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Unread:
    """So many bytes from byte ``at`` on hold no whole record; last: nothing whole follows in this file."""

    at: int
    size: int
    last: bool


def records(file: BinaryIO) -> Iterator[bytes | Unread]:
    """Payloads from where the file stands, and what lies between them that cannot be read."""
    size, at = os.fstat(file.fileno()).st_size, file.tell()
    while at < size:
        payload = _whole(file, at, size)
        if payload is not None:
            yield payload
            at += HEAD.size + len(payload)
            continue
        following = _following(file, at + 1, size)
        yield Unread(at, (size if following is None else following) - at, following is None)
        at = size if following is None else following


def _whole(file: BinaryIO, at: int, size: int) -> bytes | None:
    file.seek(at)
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    length, crc = HEAD.unpack(head)
    if not 0 < length <= min(_MAX_RECORD_BYTES, size - at - HEAD.size):  # zeros would have the right checksum
        return None
    payload = file.read(length)
    return payload if len(payload) == length and zlib.crc32(payload) == crc else None


def _following(file: BinaryIO, start: int, size: int) -> int | None:
    """Where the first whole record from byte ``start`` on begins, or None."""
    for page in range(start + HEAD.size, size, _PAGE_BYTES):
        file.seek(page)
        for found in _BEGINS.finditer(file.read(_PAGE_BYTES + _BEGIN_BYTES - 1)):
            at = page + found.start() - HEAD.size
            if _whole(file, at, size) is not None:
                return at
    return None
