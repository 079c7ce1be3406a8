"""A pseudo-terminal for tests of the serial source, and a device's frames to send over it."""

from __future__ import annotations

import os
import tty

from firmware_bridge.frames import Data, Hello, StreamInfo
from firmware_bridge.simulator import pack_samples

PPG = StreamInfo(1, "ppg", ("ir", "red"), 100.0)
HELLO = Hello("node", 1, (PPG,))


class Line:
    """A pseudo-terminal: ``path`` is opened by the source, bytes come and go at this end."""

    def __init__(self):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self.slave)

    def send(self, data):
        assert os.write(self.master, data) == len(data)

    def heard(self):
        try:
            return os.read(self.master, 4096)
        except BlockingIOError:
            return b""

    def pull(self):
        for end in (self.slave, self.master):
            os.close(end)


def ppg(index, count=10, flags=0, value=7):
    return Data(1, 3, 2, flags, count, index, index * 10_000, pack_samples([value, -value] * count, 3))


def read_until(source, frames):
    """Blocks up to the time at which so many good frames have been read."""
    blocks = []
    while source.counters["frames_ok"] < frames:
        blocks += source.read()
    return blocks
