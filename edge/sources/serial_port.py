"""A microcontroller on a serial port that speaks the wire format: reads, stamps and hands on blocks, nothing else.

Sample times of waves are the device's own, mapped to host time by ``firmware_bridge.timebase``; ``seq`` counts the device's
samples, so that loss shows in the data. Of two streams of one kind the first that HELLO names is read: two signals are
never mixed into one.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import termios
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge.clock import Clock
from edge.ranges import Baud, Silence, Text
from edge.sources._serial.framed import Framed
from edge.sources._serial.text import line_of_text
from edge.types import Block, SourceError
from firmware_bridge.decoder import WAVES, Decoder, Reset, Samples
from firmware_bridge.frames import (
    EVENTS,
    SENSOR_ERROR,
    DeviceEvent,
    Hello,
    RequestHello,
    StreamInfo,
    encode,
)

log = logging.getLogger(__name__)

_WAIT_S = 0.1
_READ_BYTES = 65_536
_MOST_PATIENT = 4  # times: a board that restarts whenever it is opened would else never come to its first frame
_HEARD_LAST = 256  # bytes since the last frame, to tell text by
_EVENT_AGAIN_S = 60.0  # a device that says the same over and over fills no log
_RESTARTS_S = 30.0  # from one to the next, where it is said
_COMPLAINT_S = 15.0  # it is said again while it lasts, as HELLO is
_LONGEST_FRAME_S = 30.0  # of a wave: one that lasts longer was given a period, or a rate per minute, as its rate


def build(
    *,
    name: str,
    clock: Clock,
    port: Text,
    baud: Baud = 921_600,
    silence_s: Silence = 3.0,
    exclusive: bool = True,
    checking: bool = False,
) -> SerialPort:
    """A serial device.

    port: ``/dev/serial/by-id/...`` (keeps its name when plugged elsewhere), another device file, or a pyserial URL
    such as ``loop://``. baud: as in the device's firmware; USB ports ignore it. silence_s: without a valid frame for
    so long the port is closed and opened again; after openings that brought no byte at all, up to four times as long.
    exclusive: refuse a port that another program has open.
    """
    if checking:
        import serial  # noqa: F401
    return SerialPort(name, clock, port, baud=baud, silence_s=silence_s, exclusive=exclusive)


def holds(settings: Mapping[str, Any]) -> str:
    """The device that no second source can read, "" where any may."""
    port = str(settings["port"])
    return "" if port.startswith("loop://") else port if "://" in port else os.path.realpath(port)


class SerialPort:
    """See ``build``. ``counters``: those of the wire format, and ``second_of_kind``, frames of streams that are not read."""

    can_wait = False

    def __init__(self, name: str, clock: Clock, port: str, *, baud: int, silence_s: float, exclusive: bool) -> None:
        self._clock, self._port = clock, port
        self._baud, self._silence_s, self._exclusive = baud, silence_s, exclusive
        self._serial: Any = None
        self._decoder, self._framed = Decoder(), Framed(name, port)
        self._heard_bytes, self._heard_last = 0, b""
        self._last_frame, self._patience = 0.0, 1
        self._request_seq = 0
        self._deaf = False
        self._named: set[str] = set()
        self._told_events: dict[int, float] = {}
        self._complaint, self._complained = "", -np.inf
        self._restarted = self._told_restarts = -np.inf
        self._refused: set[int] = set()
        self._refused_frames = 0

    @property
    def counters(self) -> Mapping[str, int]:
        return {**self._decoder.counters, "second_of_kind": self._refused_frames}

    @property
    def hello(self) -> Hello | None:
        """What the device said of itself, once it did."""
        return self._decoder.hello

    @property
    def complaint(self) -> str:
        """The device's last sensor error, for as long as it goes on saying so; or what is wrong with its times."""
        return self._complaint if self._clock.now() - self._complained < _COMPLAINT_S else self.clock_wrong

    @property
    def clock_wrong(self) -> str:
        """What is wrong with the device's times, "" where they are a clock's."""
        return self._framed.clock_wrong

    @property
    def announced(self) -> tuple[str, ...]:
        """The kinds of streams that its HELLO names."""
        hello = self._decoder.hello
        return () if hello is None else tuple(sorted({one.kind for one in hello.streams}))

    def open(self) -> None:
        try:
            import serial
        except ImportError:
            raise SourceError(
                f"{self._port}: pyserial is missing; pip install 'edge-vitals[serial]'", "package_missing"
            ) from None
        options: dict[str, Any] = {"baudrate": self._baud, "timeout": _WAIT_S, "write_timeout": 0.5}
        if "://" not in self._port:
            if not os.path.exists(self._port):
                raise SourceError(f"{self._port}: no such port; is the device plugged in?", "port_missing")
            options["exclusive"] = self._exclusive
        try:
            self._serial = serial.serial_for_url(self._port, **options)
        except (OSError, ValueError) as error:  # pyserial's own is an OSError
            why, fault = _why(error)
            raise SourceError(f"{self._port}: {why}", fault) from None
        except termios.error as error:  # pyserial lets it through where the device goes while it is opened
            raise SourceError(f"{self._port}: unplugged ({error.args[-1]})", "port_unplugged") from None
        counters = self._decoder.counters
        self._decoder = Decoder(counters=counters)
        self._device_began()
        self._deaf = False
        self._heard_bytes, self._heard_last, self._last_frame = 0, b"", self._clock.now()

    def read(self) -> list[Block]:
        """Blocks of the frames that have arrived; waits at most 0.1 s. Raises SourceError when the device is gone or
        silent."""
        if self._serial is None:
            raise SourceError(f"{self._port}: not open")
        try:
            data = self._serial.read(max(1, min(self._serial.in_waiting, _READ_BYTES)))
            if data and self._serial.in_waiting:
                data += self._serial.read(min(self._serial.in_waiting, _READ_BYTES))
            arrival = self._clock.now()
            if self._decoder.wants_hello(arrival) and not self._deaf:
                self._ask()
        except (OSError, TypeError, ValueError) as error:  # pyserial raises all three when the port vanishes
            raise SourceError(f"{self._port}: unplugged ({_why(error)[0]})", "port_unplugged") from None
        self._heard_bytes += len(data)
        self._heard_last = (self._heard_last + data)[-_HEARD_LAST:]
        before = self._decoder.counters["frames_ok"]
        blocks = self._blocks(data, arrival)
        if self._decoder.counters["frames_ok"] > before:
            self._last_frame, self._heard_last, self._patience = arrival, b"", 1
        elif arrival - self._last_frame > (waited_s := self._silence_s * self._patience):
            why, fault = self._silence(waited_s)
            if not self._heard_bytes:
                self._patience = min(2 * self._patience, _MOST_PATIENT)
            raise SourceError(f"{self._port}: {why}", fault)
        return blocks

    def _ask(self) -> None:
        import serial

        try:
            self._serial.write(encode(RequestHello(), self._request_seq))
            self._request_seq += 1
        except serial.SerialTimeoutException:  # a device that only sends: what was asked before fills its line
            self._deaf = True

    def close(self) -> None:
        port, self._serial = self._serial, None
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()

    def _blocks(self, data: bytes, arrival: float) -> list[Block]:
        blocks = []
        for item in self._decoder.feed(data):
            if isinstance(item, Reset):
                self._device_began()
                self._tell_restart(arrival)
            elif isinstance(item, Hello):
                self._name_unknown()
            elif isinstance(item, DeviceEvent):
                self._tell(item, arrival)
            elif isinstance(item, Samples) and not self._is_second(item.info) and not self._is_endless(item):
                blocks.append(self._framed.take(item, arrival))
        return blocks

    def _name_unknown(self) -> None:
        new = sorted(self._decoder.unknown - self._named)
        self._named |= self._decoder.unknown
        if new:
            log.warning("%s: the device announces what is not known here and ignored: %s", self._port, ", ".join(new))

    def _tell(self, event: DeviceEvent, now: float) -> None:
        what = EVENTS.get(event.code, f"event {event.code}") + (f" ({event.detail})" if event.detail else "")
        if event.code == SENSOR_ERROR:
            self._complaint, self._complained = f"the device says: {what}", now
        if now - self._told_events.get(event.code, -np.inf) < _EVENT_AGAIN_S:
            return
        self._told_events[event.code] = now
        log.warning("%s: the device says: %s", self._port, what)

    def _tell_restart(self, now: float) -> None:
        """Say so where one restart follows another, at most once a minute: each begins every window anew."""
        before, self._restarted = self._restarted, now
        if now - before < _RESTARTS_S and now - self._told_restarts >= _EVENT_AGAIN_S:
            self._told_restarts = now
            log.warning("%s: the device restarts again and again, or its index or device_us goes back", self._port)

    def _is_second(self, info: StreamInfo) -> bool:
        """Whether another stream of this kind is the one that is read; says so once."""
        announced = self._decoder.hello.streams if self._decoder.hello else ()
        read = next((one.id for one in announced if one.kind == info.kind), info.id)
        if info.id == read:
            return False
        self._refused_frames += 1
        if info.id not in self._refused:
            self._refused.add(info.id)
            log.warning("%s: stream %d is a second %s and not read; stream %d is", self._port, info.id, info.kind, read)
        return True

    def _is_endless(self, item: Samples) -> bool:
        """Whether its declared rate would make one frame last for minutes, and its times far from the truth; says so
        once."""
        info, lasts_s = item.info, item.data.count / item.info.rate_hz
        if info.kind not in WAVES or lasts_s <= _LONGEST_FRAME_S:
            return False
        if info.id not in self._refused:
            self._refused.add(info.id)
            log.warning(
                "%s: %s is declared at %g samples a second, at which one frame would last %.0f s; not read",
                self._port, info.kind, info.rate_hz, lasts_s,
            )  # fmt: skip
        return True

    def _device_began(self) -> None:
        self._complaint = ""
        self._refused.clear()
        self._framed.begin()

    def _silence(self, waited_s: float) -> tuple[str, str]:
        """Why no frame came, in words and as a fault."""
        waited = f"{waited_s:g} s"
        if not self._heard_bytes:
            return f"silent for {waited}; is the device powered, and its firmware running?", "port_silent"
        counters = self._decoder.counters
        if counters["unknown_version"] > counters["frames_ok"]:
            told = "the device speaks another version of the wire format; flash the firmware of this release"
            return told, "firmware_old"
        if line := line_of_text(self._heard_last):
            return f"text but no frame in {waited}: {line!r}; flash a sketch that sends frames", "port_text"
        if not counters["frames_ok"]:
            told = f"{self._heard_bytes} bytes but no frame in {waited}; is the baud rate {self._baud} right?"
            return told, "port_noise"
        return f"no frame for {waited}", "port_noise" if self._heard_last else "port_unplugged"


def _why(error: BaseException) -> tuple[str, str]:
    """Why the port fails, in words and as a fault, "" where the words are the system's own."""
    number = getattr(error, "errno", None)
    text = str(error)
    if number in (errno.EACCES, errno.EPERM) or "Permission denied" in text:
        return "no permission; add the user to the group dialout", "port_permission"
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return "busy: another program has it open", "port_busy"
    if "Inappropriate ioctl" in text or number == errno.ENOTTY:
        return "not a serial port", "port_not_serial"
    return text.splitlines()[0] if text else type(error).__name__, ""
