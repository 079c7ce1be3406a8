"""One output line of a GPIO chip through the kernel's character device (Linux 5.10 and newer); no library needed.

Numbers and layouts are those of ``linux/gpio.h``, version 2 of its interface.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from typing import Any, Final

GET_LINE: Final = 0xC250B407
SET_VALUES: Final = 0xC010B40F
FLAG_ACTIVE_LOW: Final = 1 << 1
FLAG_OUTPUT: Final = 1 << 3
REQUEST: Final = struct.Struct("=64I 32s Q 264x I I 20x i")
"""struct gpio_v2_line_request: offsets, consumer, flags (of its config), num_lines, event_buffer_size, fd."""
VALUES: Final = struct.Struct("=QQ")
"""struct gpio_v2_line_values: bits, mask."""
_CONSUMER: Final = b"edge-vitals"


class OutputLine:
    """A line that is ours until closed, at first off. Raises OSError."""

    def __init__(
        self, chip: str, line: int, *, active_low: bool = False, ioctl: Callable[..., Any] = fcntl.ioctl
    ) -> None:
        self._ioctl = ioctl
        flags = FLAG_OUTPUT | (FLAG_ACTIVE_LOW if active_low else 0)
        request = bytearray(REQUEST.pack(line, *[0] * 63, _CONSUMER, flags, 1, 0, -1))
        fd = os.open(chip, os.O_RDWR)
        try:
            ioctl(fd, GET_LINE, request)
        finally:
            os.close(fd)
        self._fd = REQUEST.unpack(request)[-1]

    def set(self, on: bool) -> None:
        """Switch it."""
        self._ioctl(self._fd, SET_VALUES, bytearray(VALUES.pack(int(on), 1)))

    def close(self) -> None:
        """Off, and free for others; calling twice is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                self._ioctl(fd, SET_VALUES, bytearray(VALUES.pack(0, 1)))
            finally:
                os.close(fd)
