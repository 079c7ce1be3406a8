"""A device that speaks the wire format without hardware: ``step(now) -> bytes``, pure and deterministic by its seed.

It has what real ones have: a clock that drifts, frames that arrive late, in bursts, damaged or not at all, and
restarts. Signals come from a callable; time comes from the caller.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_bridge.decoder import Decoder
from firmware_bridge.frames import (
    SET,
    START,
    STOP,
    WIDTHS,
    Ack,
    Data,
    Hello,
    RequestHello,
    Set,
    Start,
    Stop,
    StreamInfo,
    encode,
)

HELLO_EVERY_S: Final = 5.0
_TYPES: Final = {Set: SET, Start: START, Stop: STOP}

Samples = Callable[[int, int], Sequence[Sequence[int]]]
"""``(first index, count) -> rows of one int per channel``."""


@dataclass(frozen=True, slots=True)
class SimulatedStream:
    """What one stream sends: ``per_frame`` samples a frame in wire ``format``; flags: bits for a first index."""

    info: StreamInfo
    samples: Samples
    per_frame: int
    format: int = 3
    flags: Callable[[int], int] = lambda _first: 0


@dataclass(frozen=True, slots=True)
class Faults:
    """How bad the line is. drift_ppm: the device's clock runs so much fast; jitter_s: one-sided, uniform delay;
    burst_s: frames are held and come together; loss, corruption: share of frames; reset_at_s: restarts."""

    drift_ppm: float = 0.0
    jitter_s: float = 0.0
    burst_s: float = 0.0
    loss: float = 0.0
    corruption: float = 0.0
    reset_at_s: tuple[float, ...] = ()


@dataclass(slots=True)
class Simulator:
    """A device. ``step`` is called with rising host time and gives the bytes that have arrived by then."""

    streams: Sequence[SimulatedStream]
    name: str = "simulated"
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    start_us: int = 0
    lost_samples: dict[int, int] = field(default_factory=dict)
    _rng: random.Random = field(init=False)
    _started: float | None = None
    _boot_at: float = 0.0
    _boot: int = 0
    _frame_seq: int = 0
    _next: dict[int, int] = field(default_factory=dict)
    _stopped: set[int] = field(default_factory=set)
    _hello_due: float = 0.0
    _resets: list[float] = field(default_factory=list)
    _line: list[tuple[float, bytes]] = field(default_factory=list)
    _last_arrival: float = 0.0
    _host: Decoder = field(default_factory=Decoder)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._resets = sorted(self.faults.reset_at_s)

    def step(self, now: float) -> bytes:
        """Let time run to ``now``, s; the bytes that have arrived at the host since the last call."""
        if self._started is None:
            self._started = now
            self._restart(now)
        while self._resets and now - self._started >= self._resets[0]:
            at = self._started + self._resets.pop(0)
            self._sample_until(at)
            self._restart(at)
        self._sample_until(now)
        arrived = b"".join(frame for at, frame in self._line if at <= now)
        self._line = [(at, frame) for at, frame in self._line if at > now]
        return arrived

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the host: answers REQUEST_HELLO with HELLO, START, STOP and SET with ACK."""
        # byte by byte, so that the decoder's frame_seq is that of the message at hand
        for message in (message for byte in data for message in self._host.feed(bytes([byte]))):
            if isinstance(message, RequestHello):
                self._say_hello(now)
            elif isinstance(message, (Start, Stop, Set)):
                if not isinstance(message, Set):
                    ids = {s.info.id for s in self.streams} if message.stream == 0 else {message.stream}
                    self._stopped = self._stopped - ids if isinstance(message, Start) else self._stopped | ids
                self._send(encode(Ack(_TYPES[type(message)], self._host.frame_seq, 0), self._seq()), now)

    def _restart(self, at: float) -> None:
        self._boot_at, self._boot = at, self._rng.getrandbits(32)
        self._frame_seq = 0
        self._next = {s.info.id: 0 for s in self.streams}
        self._say_hello(at)

    def _say_hello(self, at: float) -> None:
        hello = Hello(self.name, self._boot, tuple(s.info for s in self.streams), fw="sim")
        self._send(encode(hello, self._seq()), at)
        self._hello_due = at + HELLO_EVERY_S

    def _sample_until(self, now: float) -> None:
        """Send every frame whose last sample is taken by ``now``, as soon as it is, in that order."""
        due = []
        for stream in self.streams:
            rate = stream.info.rate_hz
            while True:
                first = self._next[stream.info.id]
                complete = self._boot_at + (first + stream.per_frame - 1) / rate
                if complete > now:
                    break
                self._next[stream.info.id] = first + stream.per_frame
                due.append((complete, first, stream))
        for complete, first, stream in sorted(due, key=lambda d: (d[0], d[2].info.id)):
            if complete >= self._hello_due:
                self._say_hello(complete)
            if stream.info.id not in self._stopped:
                self._send_data(stream, first, complete)

    def _send_data(self, stream: SimulatedStream, first: int, complete: float) -> None:
        rows = stream.samples(first, stream.per_frame)
        true_s = first / stream.info.rate_hz
        data = Data(
            stream=stream.info.id,
            format=stream.format,
            channels=len(stream.info.channels),
            flags=stream.flags(first),
            count=stream.per_frame,
            index=first & 0xFFFFFFFF,
            device_us=(self.start_us + round(true_s * 1e6 * (1 + self.faults.drift_ppm * 1e-6))) & 0xFFFFFFFF,
            samples=pack_samples([int(v) for row in rows for v in row], stream.format),
        )
        if not self._send(encode(data, self._seq()), complete):
            self.lost_samples[stream.info.id] = self.lost_samples.get(stream.info.id, 0) + stream.per_frame

    def _seq(self) -> int:
        seq, self._frame_seq = self._frame_seq, (self._frame_seq + 1) & 0xFFFF
        return seq

    def _send(self, frame: bytes, at: float) -> bool:
        """Put a frame on the line; whether it will arrive whole."""
        if self._rng.random() < self.faults.loss:
            return False
        whole = True
        if self._rng.random() < self.faults.corruption:
            damaged = bytearray(frame)
            damaged[self._rng.randrange(len(damaged) - 1)] ^= 1 << self._rng.randrange(8)
            frame, whole = bytes(damaged), False
        arrival = at + self._rng.random() * self.faults.jitter_s
        if self.faults.burst_s:
            arrival = (int(arrival / self.faults.burst_s) + 1) * self.faults.burst_s
        self._last_arrival = max(self._last_arrival, arrival)
        self._line.append((self._last_arrival, frame))
        return whole


def pack_samples(values: Sequence[int], format_: int) -> bytes:
    """Interleaved samples as bytes of wire ``format_``; values out of range are clipped, as a converter does."""
    width = WIDTHS[format_]
    if format_ == 4:
        return bytes(max(0, min(255, v)) for v in values)
    limit = 1 << (8 * width - 1)
    clipped = [max(-limit, min(limit - 1, v)) for v in values]
    if width == 3:
        return b"".join(v.to_bytes(3, "little", signed=True) for v in clipped)
    return struct.pack(f"<{len(clipped)}{'h' if width == 2 else 'i'}", *clipped)
