"""A checksum inside a JSON object, so that a bit that fell over on the disk is not read as another alarm.

It is the first key, of the bytes behind it: whoever knows nothing of it, such as an older version, reads the same object.
"""

from __future__ import annotations

import zlib
from typing import Final

_HEAD: Final = b'{"crc":"'
_BODY_AT: Final = len(_HEAD) + 8 + len(b'",')


def sealed(content: bytes, beside: str = "") -> bytes:
    """The JSON object with its checksum, once. beside: what is kept elsewhere and belongs to it."""
    if content[:1] != b"{" or content == b"{}" or content.startswith(_HEAD):
        return content
    return _HEAD + _checksum(content[1:], beside) + b'",' + content[1:]


def is_broken(content: bytes, beside: str = "") -> bool:
    """Whether it is not what was sealed; what never was is taken as it is."""
    if not content.startswith(_HEAD):
        return False
    return content[len(_HEAD) : len(_HEAD) + 8] != _checksum(content[_BODY_AT:], beside)


def _checksum(body: bytes, beside: str) -> bytes:
    return b"%08x" % zlib.crc32(body, zlib.crc32(beside.encode()))
