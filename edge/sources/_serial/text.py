"""Text on a line that should carry frames: readings that a sketch prints, or a boot loader's last words."""

from __future__ import annotations

import re
from typing import Final

_SHARE: Final = 0.95  # of what is heard; at a wrong baud rate some 0.4 of all bytes are letters by chance
_LEAST: Final = 16
_SHOWN: Final = 60  # characters
_LETTERS: Final = bytes(range(32, 127)) + b"\t\r\n"
_COLOURS: Final = re.compile(rb"\x1b\[[0-9;]*m")  # as the ESP32's own log has them


def line_of_text(heard: bytes) -> str:
    """The last whole line of what a port gave, "" where that is no text; a frame ends in a zero, which no text has."""
    plain = _COLOURS.sub(b"", heard)
    others = plain.translate(None, _LETTERS)
    if len(plain) < _LEAST or b"\0" in others or len(others) > (1.0 - _SHARE) * len(plain):
        return ""
    lines = plain.decode("ascii", "replace").replace("\r", "\n").split("\n")
    whole = [line.strip() for line in lines[1:-1] if line.strip()]  # the first and the last may be cut
    return "".join(c if c.isprintable() else "?" for c in (whole or [plain.decode("ascii", "replace")])[-1])[:_SHOWN]
