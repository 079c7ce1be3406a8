"""Bytes in, messages out: the host's half of the wire format as a pure object. Standard library only.

``feed`` never raises whatever it is given, holds at most 1,024 bytes, and after any garbage decodes the first good
frame that follows a zero byte. What a device says of itself is made printable. Loss is counted per stream from the
sample index, modulo 2^32, between the first and the last frame received of one boot. A reset shows as a new ``boot``,
or as an index or a device time that goes back where no wrap explains it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from firmware_bridge.frames import MAX_ENCODED, BadFrameError, Data, DeviceEvent, Hello, Message, StreamInfo, parse

COUNTERS: Final = (
    "frames_ok", "crc_errors", "no_hello", "too_long", "too_short", "unknown_version", "unknown_type", "bad_body",
    "lost_frames", "lost_samples", "resets",
)  # fmt: skip
WAVES: Final = frozenset({"ppg", "pcg", "acc", "ecg"})
"""Kinds whose samples last from one to the next; a temperature, or what is not known here, is of a moment."""
KINDS: Final = WAVES | {"temp", "batt"}
_INDEX_MOD = 1 << 32
_BACK = 1 << 31
_ASK_EVERY_S = 1.0
_MOST_UNKNOWN = 64


@dataclass(frozen=True, slots=True)
class Reset:
    """The device started anew: what follows belongs to another epoch."""


@dataclass(frozen=True, slots=True)
class Samples:
    """DATA of an announced stream. start: samples since the first frame of this boot; lost: missing just before."""

    info: StreamInfo
    data: Data
    start: int
    lost: int


Item = Message | Reset | Samples


@dataclass(slots=True)
class _Position:
    next_index: int
    reached: int = 0
    device_us: int = 0


@dataclass(slots=True)
class Decoder:
    """``feed`` bytes, take messages; ``counters`` by the names of the wire format; ``unknown``: what it does not know of
    a HELLO, each name once and at most 64."""

    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    hello: Hello | None = None
    unknown: set[str] = field(default_factory=set)
    _held: bytearray = field(default_factory=bytearray)
    _skipping: bool = False
    frame_seq: int = 0
    _heard: bool = False
    _positions: dict[int, _Position] = field(default_factory=dict)
    _wants_hello: bool = True
    _reset_seen: bool = False
    _asked: float = float("-inf")

    def feed(self, data: bytes) -> list[Item]:
        """What the bytes complete, in order."""
        items: list[Item] = []
        start = 0
        while True:
            zero = data.find(b"\0", start)
            if zero < 0:
                self._hold(data[start:])
                return items
            self._hold(data[start:zero])
            start = zero + 1
            frame, self._held = bytes(self._held), bytearray()
            if self._skipping:
                self._skipping = False
            elif frame:
                items += self._frame(frame)

    def wants_hello(self, now: float) -> bool:
        """Whether to send REQUEST_HELLO now: a stream is not announced yet; at most once a second."""
        if not self._wants_hello or now - self._asked < _ASK_EVERY_S:
            return False
        self._asked = now
        return True

    def _hold(self, data: bytes) -> None:
        if self._skipping:
            return
        if len(self._held) + len(data) > MAX_ENCODED - 1:
            self.counters["too_long"] += 1
            self._skipping = True
            self._held = bytearray()
            return
        self._held += data

    def _frame(self, frame: bytes) -> Iterable[Item]:
        try:
            frame_seq, message = parse(frame)
        except BadFrameError as bad:
            self.counters[bad.counter] += 1
            return ()
        self.counters["frames_ok"] += 1
        before = self.frame_seq if self._heard else None
        self.frame_seq, self._heard = frame_seq, True
        if isinstance(message, Hello):
            return self._hello(_legible(message), frame_seq, before)
        if isinstance(message, Data):
            items = self._data(message)
            if not any(isinstance(item, Reset) for item in items):  # a device that began anew counts from 0 again
                self._count_frames(frame_seq, before)
            return items
        self._count_frames(frame_seq, before)
        return (replace(message, detail=_words(message.detail)) if isinstance(message, DeviceEvent) else message,)

    def _count_frames(self, frame_seq: int, before: int | None) -> None:
        if before is not None:
            jump = (frame_seq - before - 1) & 0xFFFF
            self.counters["lost_frames"] += jump if jump < 0x8000 else 0

    def _hello(self, hello: Hello, frame_seq: int, before: int | None) -> Iterable[Item]:
        self._wants_hello = False
        known = self.hello
        named = [f"key {k}" for k in hello.unknown_keys]
        named += [f"stream kind {s.kind}" for s in hello.streams if s.kind not in KINDS]
        for name in named:
            if len(self.unknown) < _MOST_UNKNOWN:
                self.unknown.add(name)
        self.hello = hello
        if known is None or known.boot == hello.boot:
            self._reset_seen = False
            self._count_frames(frame_seq, before)
            return (hello,)
        if self._reset_seen:  # its samples told already; this is only the new name
            self._reset_seen = False
            return (hello,)
        self._positions.clear()
        self.counters["resets"] += 1
        return (Reset(), hello)

    def _data(self, data: Data) -> Sequence[Item]:
        info = next((s for s in self.hello.streams if s.id == data.stream), None) if self.hello else None
        if info is None or len(info.channels) != data.channels:
            self.counters["no_hello"] += 1
            self._wants_hello = True
            return ()
        position = self._positions.get(data.stream)
        items: list[Item] = []
        jump = 0
        if position is not None:
            jump = (data.index - position.next_index) % _INDEX_MOD
            if jump >= _BACK or self._time_went_back(position, data, jump, info):
                self.counters["resets"] += 1
                self._positions.clear()
                self._wants_hello = self._reset_seen = True
                items.append(Reset())
                position, jump = None, 0
        if position is None:
            position = self._positions[data.stream] = _Position(data.index)
        position.reached += jump
        self.counters["lost_samples"] += jump
        items.append(Samples(info, data, position.reached, jump))
        position.reached += data.count
        position.next_index = (data.index + data.count) % _INDEX_MOD
        position.device_us = data.device_us
        return items

    @staticmethod
    def _time_went_back(position: _Position, data: Data, jump: int, info: StreamInfo) -> bool:
        """A device time that goes back although the few samples between cannot have taken a wrap's 71 minutes."""
        elapsed_us = (data.device_us - position.device_us) % _INDEX_MOD
        expected_us = (jump + data.count) / info.rate_hz * 1e6
        return elapsed_us >= _BACK and expected_us < _BACK / 2


def _legible(hello: Hello) -> Hello:
    streams = tuple(
        replace(s, kind=_words(s.kind), channels=tuple(map(_words, s.channels)), unit=_words(s.unit))
        for s in hello.streams
    )
    unknown = tuple(map(_words, hello.unknown_keys))
    return replace(hello, device=_words(hello.device), fw=_words(hello.fw), streams=streams, unknown_keys=unknown)


def _words(text: str) -> str:
    """As a log, a terminal and a file can take it: no line ends, escapes or halves of characters."""
    return "".join(one if one.isprintable() else "?" for one in text)
