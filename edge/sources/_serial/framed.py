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
_CLOCK_SPAN_S: Final = 1.0
_CLOCK_MOST: Final = 2.0  # times as fast or slow as the host's: no oscillator is, but milliseconds or a constant are
_WRAP: Final = 1 << 32


class _DeviceClock:
    """Whether a device's times are those of a clock: two spans in a row say so, since in one frames may be held up. What
    was held up may come as fast as it likes."""

    def __init__(self) -> None:
        self._begin: tuple[int, float] | None = None
        self._held_s = 0.0
        self._before = 1.0
        self.pace = 1.0  # seconds of the device's in one of the host's, where it is none; else 1

    def add(self, device_us: int, host_s: float) -> bool:
        """The device's time of a sample, and the host's by its arrival; whether it is now told to be none."""
        if self._begin is None:
            self._begin = device_us, host_s
        span_s = host_s - self._begin[1]
        if span_s < _CLOCK_SPAN_S:
            return False
        gone_s = ((device_us - self._begin[0] + _WRAP // 2) % _WRAP - _WRAP // 2) / 1e6
        self._begin = device_us, host_s
        caught_up_s = min(self._held_s, gone_s - span_s)
        self._held_s -= caught_up_s
        before, self._before = self._before, (gone_s - max(0.0, caught_up_s)) / span_s
        slow = max(before, self._before) < 1.0 / _CLOCK_MOST
        fast = min(before, self._before) > _CLOCK_MOST
        if not (slow or fast):
            self.pace = 1.0
        elif self.pace == 1.0:
            self.pace = self._before  # and the same words for as long as it lasts
            return True
        return False


class Framed:
    """The blocks of one device. name: of its source; port: for messages."""

    def __init__(self, name: str, port: str) -> None:
        self._name, self._port = name, port
        self._time, self._clock = TimeBase(), _DeviceClock()
        self._rates: dict[int, SampleRate] = {}
        self._pace = 1.0  # seconds of the host's in one of the device's
        self._epoch = -1
        self._ends: dict[str, float] = {}
        self._starts: dict[str, int] = {}
        self._infos: dict[str, StreamInfo] = {}
        self._strange: set[StreamInfo] = set()  # said already

    def begin(self) -> None:
        """A device that has just started: nothing is known of it."""
        self._time, self._clock = TimeBase(), _DeviceClock()
        self._rates.clear()
        self._begin_epoch()

    @property
    def clock_wrong(self) -> str:
        """What is wrong with the device's times where they are no clock's, so that no window is ever full."""
        pace = self._clock.pace
        return "" if pace == 1.0 else f"device_us goes on by {pace:.2g} s in a second, and must be in microseconds"

    def take(self, item: Samples, arrival: float) -> Block:
        """The block of a frame whose last byte came at ``arrival``, s."""
        rate = self._rate_hz(item) / self._pace
        # the frame left no earlier than its last sample was taken, which is what arrival can be compared with
        t0, anew = arrival - (item.data.count - 1) / rate, False
        if item.info.kind in WAVES:  # others come as seldom as they like, and must move no wave
            if self._clock.add(item.data.device_us, t0):
                log.warning("%s: the device's clock is none: %s", self._port, self.clock_wrong)
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
        if rate.strange_hz and item.info not in self._strange:
            self._strange.add(item.info)
            log.warning(
                "%s: %s comes at %g samples a second by the device's clock, and %g are declared: too far apart to be read",
                self._port, item.info.kind, round(rate.strange_hz, 1), rate.declared_hz,
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
