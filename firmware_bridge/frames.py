"""Frames of the serial wire format, version 1: pure values to bytes and back. Standard library only.

A frame is ``version, type, frame_seq, body, crc`` little-endian, COBS-encoded and ended by one zero byte. ``encode``
makes the bytes of one frame; ``parse`` reads the unstuffed bytes of one and says in one word why it cannot.
"""

from __future__ import annotations

import json
import struct
from binascii import crc_hqx
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

VERSION: Final = 1
MAX_ENCODED: Final = 1024
MAX_FRAME: Final = 1018
MAX_HELLO: Final = 700
MAX_EVENT_DETAIL: Final = 64
MAX_SAMPLE_BYTES: Final = 998
WIDTHS: Final[Mapping[int, int]] = {1: 2, 2: 3, 3: 4, 4: 1}
"""Sample format to bytes a sample: int16, int24, int32, uint8."""
SATURATED, SENSOR_OFF, OVERRUN = 1, 2, 4
FLAGS: Final[Mapping[int, str]] = {SATURATED: "saturated", SENSOR_OFF: "sensor_off", OVERRUN: "overrun"}
SENSOR_ERROR: Final = 3
EVENTS: Final[Mapping[int, str]] = {1: "button", 2: "low battery", SENSOR_ERROR: "sensor error", 4: "watchdog reset"}

HELLO, DATA, EVENT, REQUEST_HELLO, START, STOP, SET, ACK = 1, 2, 3, 16, 17, 18, 19, 20
_RATES_HZ: Final = (1e-6, 1e6)  # a sample in eleven days, so that the time of any is a number
_DATA_HEAD = struct.Struct("<BBBBHII")


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream as a device announces it."""

    id: int
    kind: str
    channels: tuple[str, ...]
    rate_hz: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who the device is and what it streams; ``boot`` is random per start."""

    device: str
    boot: int
    streams: tuple[StreamInfo, ...]
    fw: str = ""
    unknown_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    """Samples of one stream, still as bytes: ``count`` per channel, interleaved, of ``format``."""

    stream: int
    format: int
    channels: int
    flags: int
    count: int
    index: int
    device_us: int
    samples: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """Something happened on the device; code as in ``EVENTS``."""

    code: int
    device_us: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RequestHello:
    """Host to device: say who you are."""


@dataclass(frozen=True, slots=True)
class Start:
    """Host to device: start a stream; 0 = all."""

    stream: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """Host to device: stop a stream; 0 = all."""

    stream: int = 0


@dataclass(frozen=True, slots=True)
class Set:
    """Host to device: set ``key`` to ``value``."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Ack:
    """Device to host: what became of a request; result 0 = ok."""

    type: int
    frame_seq: int
    result: int = 0


Message = Hello | Data | DeviceEvent | RequestHello | Start | Stop | Set | Ack


class BadFrameError(ValueError):
    """Bytes that are no frame; ``counter`` is the receiver's counter for it."""

    def __init__(self, counter: str) -> None:
        super().__init__(counter)
        self.counter = counter


def cobs_encode(data: bytes) -> bytes:
    """Consistent overhead byte stuffing (Cheshire and Baker 1999), without the final zero."""
    out = bytearray()
    for run in data.split(b"\0"):
        at = 0
        while len(run) - at >= 254:
            out.append(255)
            out += run[at : at + 254]
            at += 254
        out.append(len(run) - at + 1)
        out += run[at:]
    return bytes(out)


def cobs_decode(data: bytes) -> bytes:
    """The bytes before stuffing; raises BadFrameError when a code points past the end."""
    out = bytearray()
    at, end = 0, len(data)
    while at < end:
        code = data[at]
        stop = at + code
        if code == 0 or stop > end:
            raise BadFrameError("crc_errors")
        out += data[at + 1 : stop]
        at = stop
        if code < 255 and at < end:
            out.append(0)
    return bytes(out)


def encode(message: Message, frame_seq: int) -> bytes:
    """One message as a whole frame with its final zero; raises ValueError when it does not fit."""
    type_, body = _body(message)
    frame = struct.pack("<BBH", VERSION, type_, frame_seq & 0xFFFF) + body
    if len(frame) + 2 > MAX_FRAME:
        raise ValueError(f"a frame of {len(frame) + 2} bytes; at most {MAX_FRAME}")
    return cobs_encode(frame + struct.pack("<H", crc_hqx(frame, 0xFFFF))) + b"\0"


def parse(stuffed: bytes) -> tuple[int, Message]:
    """``(frame_seq, message)`` of one frame without its final zero; raises BadFrameError naming the counter."""
    frame = cobs_decode(stuffed)
    if len(frame) < 6:
        raise BadFrameError("too_short")
    if crc_hqx(frame[:-2], 0xFFFF) != int.from_bytes(frame[-2:], "little"):
        raise BadFrameError("crc_errors")
    version, type_, frame_seq = struct.unpack_from("<BBH", frame)
    if version != VERSION:
        raise BadFrameError("unknown_version")
    reader = _READERS.get(type_)
    if reader is None:
        raise BadFrameError("unknown_type")
    try:
        return frame_seq, reader(frame[4:-2])
    except (ValueError, KeyError, TypeError, OverflowError, struct.error, RecursionError) as error:
        raise BadFrameError("bad_body") from error


def _body(message: Message) -> tuple[int, bytes]:
    match message:
        case Hello():
            table = {"device": message.device, "fw": message.fw, "boot": message.boot}
            streams = [
                {"id": s.id, "kind": s.kind, "channels": list(s.channels), "rate_hz": s.rate_hz, "unit": s.unit}
                for s in message.streams
            ]
            body = json.dumps({**table, "streams": streams}, separators=(",", ":"), ensure_ascii=False).encode()
            if len(body) > MAX_HELLO:
                raise ValueError(f"a HELLO of {len(body)} bytes; at most {MAX_HELLO}")
            return HELLO, body
        case Data():
            _check_data(message)
            head = _DATA_HEAD.pack(
                message.stream, message.format, message.channels, message.flags, message.count,
                message.index & 0xFFFFFFFF, message.device_us & 0xFFFFFFFF,
            )  # fmt: skip
            return DATA, head + message.samples
        case DeviceEvent():
            detail = message.detail.encode()
            if len(detail) > MAX_EVENT_DETAIL:
                raise ValueError(f"an event detail of {len(detail)} bytes; at most {MAX_EVENT_DETAIL}")
            return EVENT, struct.pack("<BI", message.code, message.device_us & 0xFFFFFFFF) + detail
        case RequestHello():
            return REQUEST_HELLO, b""
        case Start():
            return START, bytes([message.stream])
        case Stop():
            return STOP, bytes([message.stream])
        case Set():
            return SET, json.dumps({"key": message.key, "value": message.value}, separators=(",", ":")).encode()
        case Ack():
            return ACK, struct.pack("<BHB", message.type, message.frame_seq, message.result)


def _check_data(data: Data) -> None:
    width = WIDTHS.get(data.format)
    if width is None:
        raise ValueError(f"unknown sample format {data.format}")
    if not 1 <= data.channels <= 8 or data.count < 1:
        raise ValueError("DATA needs 1 to 8 channels and at least one sample")
    if len(data.samples) != data.count * data.channels * width or len(data.samples) > MAX_SAMPLE_BYTES:
        raise ValueError(f"{len(data.samples)} bytes are not {data.count} x {data.channels} samples of {width} bytes")


def _read_data(body: bytes) -> Data:
    stream, format_, channels, flags, count, index, device_us = _DATA_HEAD.unpack_from(body)
    data = Data(stream, format_, channels, flags, count, index, device_us, body[_DATA_HEAD.size :])
    _check_data(data)
    return data


def _read_hello(body: bytes) -> Hello:
    if len(body) > MAX_HELLO:
        raise ValueError("too long")
    table = json.loads(body)
    streams = tuple(_read_stream(s) for s in table["streams"])
    if len({s.id for s in streams}) != len(streams):
        raise ValueError("two streams with one id")
    unknown = tuple(sorted(set(table) - {"device", "fw", "boot", "streams"}))
    boot = table["boot"]
    if isinstance(boot, bool) or not isinstance(boot, int):
        raise TypeError("boot")
    return Hello(str(table["device"]), boot, streams, str(table.get("fw", "")), unknown)


def _read_stream(table: dict[str, Any]) -> StreamInfo:
    rate_hz = float(table["rate_hz"])
    channels = tuple(str(c) for c in table["channels"])
    if not _RATES_HZ[0] <= rate_hz < _RATES_HZ[1] or not 1 <= len(channels) <= 8 or not 1 <= int(table["id"]) <= 255:
        raise ValueError("stream")
    return StreamInfo(int(table["id"]), str(table["kind"]), channels, rate_hz, str(table.get("unit", "")))


def _read_event(body: bytes) -> DeviceEvent:
    code, device_us = struct.unpack_from("<BI", body)
    if len(body) > 5 + MAX_EVENT_DETAIL:
        raise ValueError("too long")
    return DeviceEvent(code, device_us, body[5:].decode())


def _read_set(body: bytes) -> Set:
    table = json.loads(body)
    return Set(str(table["key"]), table["value"])


def _read_ack(body: bytes) -> Ack:
    return Ack(*struct.unpack("<BHB", body))


def _read_request(body: bytes) -> RequestHello:
    if body:
        raise ValueError("a body where none belongs")
    return RequestHello()


def _stream_id(body: bytes) -> int:
    (stream,) = body
    return stream


_READERS: Final[Mapping[int, Callable[[bytes], Message]]] = {
    HELLO: _read_hello,
    DATA: _read_data,
    EVENT: _read_event,
    REQUEST_HELLO: _read_request,
    START: lambda body: Start(_stream_id(body)),
    STOP: lambda body: Stop(_stream_id(body)),
    SET: _read_set,
    ACK: _read_ack,
}
