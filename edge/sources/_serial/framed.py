"""Frames of one device become blocks: whole numbers for samples, host time for the device's, a rate one can believe.

A restart of the device, or of its clock, begins a new epoch; so does a stream that is announced otherwise than before, and
so do samples that come at another rate than was declared (``firmware_bridge.sample_rate``): then their own rate is
believed. Where the device's clock is plainly off by the host's, rates are per second of the host's, which is the one that
is right.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge.types import Block
from firmware_bridge.decoder import WAVES, Samples
from firmware_bridge.frames import FLAGS, OVERRUN, Data, StreamInfo
from firmware_bridge.sample_rate import SampleRate
from firmware_bridge.timebase import TimeBase

log = logging.getLogger("edge.sources.serial_port")

# Samples last longer than they took to come where a rate is wrong, until it is found out; never by more than this.
_AHEAD_S: Final = 10.0
# While times are set right each frame begins later than the last sample by this: two at one time would be taken for one.
_LATER_S: Final = 1e-6
_PACE_STEP: Final = 0.003  # less is no news, and a new epoch costs a window


class Framed:
    """The blocks of one device. name: of its source; port: for messages."""

    def __init__(self, name: str, port: str) -> None:
        self._name, self._port = name, port
        self._time = TimeBase()
        self._rates: dict[int, SampleRate] = {}
        self._pace = 1.0  # seconds of the host's in one of the device's
        self._epoch = -1
        self._ends: dict[str, float] = {}
        self._starts: dict[str, int] = {}
        self._infos: dict[str, StreamInfo] = {}

    def begin(self) -> None:
        """A device that has just started: nothing is known of it."""
        self._time = TimeBase()
        self._rates.clear()
        self._begin_epoch()

    def take(self, item: Samples, arrival: float) -> Block:
        """The block of a frame whose last byte came at ``arrival``, s."""
        rate = self._rate_hz(item) / self._pace
        # the frame left no earlier than its last sample was taken, which is what arrival can be compared with
        t0, anew = arrival - (item.data.count - 1) / rate, False
        if item.info.kind in WAVES:  # others come as seldom as they like, and must move no wave
            t0, anew = self._time.map(item.data.device_us, t0)
        if anew:
            self._begin_epoch()
        rate *= self._paced()
        kind = item.info.kind
        other = self._infos.get(kind, item.info) != item.info  # which has a count of its own
        if other or self._ends.get(kind, -np.inf) > t0 + _AHEAD_S:
            self._begin_epoch()
        self._infos[kind] = item.info
        start = self._starts.setdefault(kind, item.start)
        t0 = max(t0, self._ends.get(kind, -np.inf) + _LATER_S)
        self._ends[kind] = t0 + (item.data.count - 1) / rate
        flags = frozenset(word for bit, word in FLAGS.items() if item.data.flags & bit)
        return Block(
            f"{self._name}/{kind}", item.start - start, t0, rate, unpack(item.data), self._epoch,
            item.info.channels, flags,
        )  # fmt: skip

    def _rate_hz(self, item: Samples) -> float:
        rate = self._rates.get(item.info.id)
        if rate is None or rate.declared_hz != item.info.rate_hz:
            rate = self._rates[item.info.id] = SampleRate(item.info.rate_hz)
        if item.data.flags & OVERRUN:
            rate.restart()
        if rate.add(item.data.index, item.data.device_us):
            self._time = TimeBase()  # what it learnt rests on frames of another length
            self._begin_epoch()
            log.warning(
                "%s: %s comes at %g samples a second, not %g as declared; the former is believed",
                self._port, item.info.kind, rate.hz, rate.declared_hz,
            )  # fmt: skip
        return rate.hz

    def _paced(self) -> float:
        """What rates are to be taken by since the device's clock was last compared with the host's; mostly 1."""
        pace, before = 1.0 + self._time.skew_ppm * 1e-6, self._pace
        if not self._time.measured or abs(pace - before) < _PACE_STEP:
            return 1.0
        self._pace = pace if abs(pace - 1.0) >= _PACE_STEP else 1.0
        self._begin_epoch()
        if self._pace == 1.0:
            log.warning("%s: the device's clock is right again by this machine's", self._port)
        else:
            off = f"{abs(pace - 1.0):.1%} {'slow' if pace > 1.0 else 'fast'}"
            log.warning("%s: the device's clock is %s by this machine's; the latter is believed", self._port, off)
        return before / self._pace

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._ends.clear()
        self._starts.clear()
        self._infos.clear()


def unpack(data: Data) -> NDArray[np.float64]:
    """Samples of a frame, ``(count, channels)`` float64 in device units."""
    raw: NDArray[Any]
    if data.format == 2:
        bytes3 = np.frombuffer(data.samples, np.uint8).reshape(-1, 3).astype(np.int32)
        raw = (bytes3[:, 0] | (bytes3[:, 1] << 8) | (bytes3[:, 2] << 16)) << 8 >> 8
    else:
        raw = np.frombuffer(data.samples, {1: "<i2", 3: "<i4", 4: "u1"}[data.format])
    return raw.reshape(data.count, data.channels).astype(np.float64)
