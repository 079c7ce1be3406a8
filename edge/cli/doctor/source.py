"""What ``doctor`` finds by opening a source and listening: one fault a cause, the likeliest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.cli._file_notes import of_rates
from edge.cli.doctor.camera import Pictures
from edge.cli.doctor.faults import Finding, fault, fine
from edge.config import ANALYZERS_BY_STREAM
from edge.types import ConfigError, EdgeVitalsError, self_report
from firmware_bridge.decoder import WAVES

if TYPE_CHECKING:
    from edge.clock import Clock
    from edge.config import SourceConfig
    from edge.types import Block, Source

OLDEST_FIRMWARE = (1, 0)
RATE_TOLERANCE = 0.1
_LEAST_S = 1.0
_BACKLOG_S = 0.5  # what a device or its driver kept from before the port was opened comes within so long
_FRAMING_SHARE = 0.01
_PICTURES = 4  # axes: how many, height, width, colour; a board may call anything a video


@dataclass(slots=True)
class _Stream:
    """points: when a block was there, s, and how many samples there had been by then, with those that were lost."""

    rate: float
    found_rate: float = 0.0
    first_t: float = 0.0
    points: list[tuple[float, int]] = field(default_factory=list)
    samples: int = 0
    lost: int = 0
    expected: int | None = None
    epoch: int = 0
    flagged: dict[str, int] = field(default_factory=dict)
    low: float = np.inf
    high: float = -np.inf

    def add(self, block: Block, arrival: float | None) -> None:
        """Note a block; arrival: when it came, for a device; a file has only its own times."""
        n, at = len(block.data), block.t_end if arrival is None else arrival
        if not self.samples:
            self.first_t = at
        if self.expected is not None and block.epoch == self.epoch:
            self.lost += max(0, block.seq - self.expected)
        self.expected, self.epoch = block.next_seq, block.epoch
        self.found_rate = block.rate
        self.samples += n
        if arrival is None or at - self.first_t >= _BACKLOG_S:
            self.points.append((at, self.samples + self.lost))
        for word in block.flags:
            self.flagged[word] = self.flagged.get(word, 0) + n
        self.low = min(self.low, float(np.fmin.reduce(block.data, axis=None)))  # a channel may hold no numbers
        self.high = max(self.high, float(np.fmax.reduce(block.data, axis=None)))

    def measured_hz(self) -> float | None:
        """Samples a second by the line of least squares, which frames that come together do not bend; None for a second
        or less."""
        t, counted = np.array(self.points).reshape(-1, 2).T
        if len(t) < 2 or t[-1] - t[0] <= _LEAST_S:
            return None
        t = t - t.mean()
        return float(t @ counted / (t @ t))


@dataclass(slots=True)
class _Heard:
    """What came while a source was listened to, ``for_s``; error: what ended that early."""

    streams: dict[str, _Stream] = field(default_factory=dict)
    pictures: dict[str, Pictures] = field(default_factory=dict)
    error: EdgeVitalsError | None = None
    for_s: float = 0.0

    def add(self, block: Block, arrival: float | None) -> None:
        """Note a block; arrival: as of ``_Stream.add``."""
        if block.kind == "video" and block.data.ndim == _PICTURES:
            self.pictures.setdefault(block.stream, Pictures()).add(block)
        self.streams.setdefault(block.stream, _Stream(block.rate)).add(block, arrival)


def listen(
    config: SourceConfig, clock: Clock, listen_s: float, told: Callable[[float], None], *, path: str = ""
) -> Iterator[Finding]:
    """Open the source and listen; told: called with the seconds left. path: the configuration's file."""
    from edge.assembly import build_source

    step = f"source {config.name}"
    try:
        source = build_source(config, clock, path=path)
    except ConfigError as refused:
        yield fault(step, "config_refused", str(refused))
        return
    waits = self_report(source).can_wait
    heard = _Heard()
    started = clock.now()
    try:
        source.open()
        while (left_s := started + listen_s - clock.now()) > 0:
            told(left_s)
            blocks, arrival = source.read(), None if waits else clock.now()
            for block in blocks:
                heard.add(block, arrival)
    except EOFError:
        pass
    except EdgeVitalsError as failed:
        heard.error = failed
    finally:
        heard.for_s = clock.now() - started
        source.close()
    yield from _judge(step, config, source, heard)


def _judge(step: str, config: SourceConfig, source: Source, heard: _Heard) -> Iterator[Finding]:
    says, streams = self_report(source), heard.streams
    counters = says.counters
    if counters.get("unknown_version", 0) > counters.get("frames_ok", 0):
        yield fault(step, "firmware_old", "it speaks another version of the wire format", state="fail")
        return
    if heard.error is not None:
        unnamed = "file_unreadable" if config.kind == "files" else "source_failed"
        yield fault(step, getattr(heard.error, "fault", "") or unnamed, str(heard.error))
        return
    if says.clock_wrong:
        yield fault(step, "device_clock", says.clock_wrong)
    if says.complaint != says.clock_wrong:
        yield fault(step, "sensor_error", says.complaint)
        if not streams:
            return
    if not streams:
        yield _silence(step, config, counters, heard.for_s)
        return
    yield from _wire(step, source, counters)
    if config.kind in ("serial_port", "synthetic"):
        sent = {stream.partition("/")[2] for stream in streams}
        yield from _missing(step, config, sent, says.announced)
    for name, stream in streams.items():
        kind = name.partition("/")[2]
        if name in heard.pictures:
            yield from heard.pictures[name].judge(step, stream.rate)
        elif kind in WAVES:
            yield from _stream(step, name, stream)
        else:  # may be seldom and always the same, as a charge is
            yield fine(step, f"{name}: {stream.samples} sample(s)")


def _silence(step: str, config: SourceConfig, counters: Mapping[str, int], for_s: float) -> Finding:
    """Why nothing came that is a sample of a stream."""
    if counters.get("no_hello", 0):
        broken = counters.get("bad_body", 0)
        told = f", and {broken} frames that do not say what they should, as a HELLO without boot" if broken else ""
        return fault(step, "hello_missing", f"{counters['no_hello']} frames of samples{told}")
    noise = _bad_frames(counters) and not counters.get("frames_ok", 0)
    word = "camera_silent" if config.kind == "camera" else "port_noise" if noise else "port_silent"
    return fault(step, word, f"listened {for_s:.0f} s")


def _bad_frames(counters: Mapping[str, int]) -> int:
    return sum(counters.get(name, 0) for name in ("crc_errors", "too_long", "too_short", "bad_body"))


def _missing(step: str, config: SourceConfig, sent: set[str], announced: Collection[str]) -> Iterator[Finding]:
    """Streams that do not come and that ``run`` would miss: of analyzers that the configuration names, or which the device
    announces; where none comes that anything looks at, all of them."""
    readers = {kind: set(names) & set(config.analyzers) for kind, names in ANALYZERS_BY_STREAM.items()}
    wanted = {kind for kind, needy in readers.items() if needy}
    for kind in sorted(wanted - sent):
        needy = ", ".join(name for name in config.analyzers if name in readers[kind])
        if config.named or kind in announced or not wanted & sent:
            yield fault(step, "stream_missing", f"no {kind}, which {needy} need(s)")
        else:
            busy = [name for name in config.analyzers if not any(name in readers[silent] for silent in wanted - sent)]
            yield fine(
                step, f"no {kind}: nothing to do for {needy}; analyzers = {json.dumps(busy)} saves what it takes"
            )


def _wire(step: str, source: Any, counters: Mapping[str, int]) -> Iterator[Finding]:
    """What frames and HELLO tell of the line and of what is at its end; only a serial port has a ``hello``."""
    bad, good = _bad_frames(counters), counters.get("frames_ok", 0)
    if bad > _FRAMING_SHARE * (good + bad) and bad > 1:
        yield fault(step, "port_framing", f"{bad} of {good + bad} frames")
    if counters.get("resets", 0) > 1:
        yield fault(step, "device_resets", f"{counters['resets']} times")
    hello = getattr(source, "hello", None)
    if counters.get("second_of_kind", 0) and hello is not None:
        kinds: dict[str, list[str]] = {}
        for stream in hello.streams:
            kinds.setdefault(stream.kind, []).append(str(stream.id))
        twice = [f"{kind} as {', '.join(ids)}" for kind, ids in kinds.items() if len(ids) > 1]
        yield fault(step, "stream_twice", "; ".join(twice))
    if hello is not None:
        version = _version(hello.fw)
        if version and version < OLDEST_FIRMWARE:
            oldest = ".".join(map(str, OLDEST_FIRMWARE))
            yield fault(step, "firmware_old", f"{hello.device} has {hello.fw}, {oldest} is the oldest")
        else:
            yield fine(step, f"{hello.device}, firmware {hello.fw or 'of no version'}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _stream(step: str, name: str, stream: _Stream) -> Iterator[Finding]:
    """What is wrong with the samples of a stream, or that nothing is."""
    measured = stream.measured_hz()
    faults = list(_stream_faults(step, name, stream, measured))
    if not faults and stream.low == stream.high and stream.samples > stream.rate:
        faults.append(fault(step, "signal_flat", f"{name} is always {stream.low:g}"))
    yield from faults or [fine(step, f"{name}: {measured or stream.rate:.1f} samples a second")]


def _stream_faults(step: str, name: str, stream: _Stream, measured: float | None) -> Iterator[Finding]:
    total = stream.samples + stream.lost
    if stream.lost > 0.002 * total:
        yield fault(step, "samples_lost", f"{name}: {stream.lost} of {total}")
    if stream.found_rate != stream.rate:  # the source knows better, by the device's own count and clock
        told = f"{name}: {stream.found_rate:g} samples a second by the device's clock, declared {stream.rate:g}"
        yield fault(step, "rate_wrong", told)
    elif measured is not None and abs(measured / stream.rate - 1.0) > RATE_TOLERANCE:
        yield fault(step, "rate_wrong", f"{name}: {measured:.1f} samples a second, declared {stream.rate:g}")
    for text in of_rates({name.partition("/")[2]: stream.rate}):
        yield fault(step, "rate_low", text)
    for word in ("sensor_off", "saturated"):
        if stream.flagged.get(word, 0) > 0.5 * stream.samples:
            yield fault(step, word, name)
