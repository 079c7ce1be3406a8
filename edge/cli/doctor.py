"""``edge-vitals doctor``: one line a step, and one remedy for each that fails."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import Config, SourceConfig

LISTEN_S = 6.0  # longer than the 5 s after which a device says HELLO again
RATE_TOLERANCE = 0.05
DISK_MIN_MB = 200
EXTRAS = {
    "serial": ("serial", "serial devices"),
    "cv2": ("camera", "cameras and video files"),
    "onnxruntime": ("onnx", "models in ONNX Runtime"),
    "ai_edge_litert": ("litert", "models in LiteRT, face models"),
    "soundfile": ("files", "FLAC files"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step found: ``ok``, ``warn`` or ``fail``; remedy says what to do about the latter two."""

    step: str
    state: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"  -> {self.remedy}" if self.remedy else ""
        return f"{self.state:<4} {self.step:<16} {self.text}{remedy}"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "doctor",
        help="find what is wrong with ports, cameras, broker, clock and models",
        description="Look at every part that a configuration needs, in the order in which they depend on each other. "
        "Without a configuration: packages, models, clock, disk and the ports there are. Opens devices: stop the "
        "service first.",
        epilog="example: edge-vitals doctor bedside.toml",
    )
    command.add_argument("config", nargs="?")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print a line a step; 3 when one failed."""
    from edge.config import load

    config = load(args.config) if args.config else None
    failed = False
    for finding in findings(config):
        print(finding, flush=True)
        failed |= finding.state == "fail"
    return 3 if failed else 0


def findings(config: Config | None) -> Iterator[Finding]:
    """Every step's finding, as it is made."""
    yield from _packages(config)
    yield from _models(config)
    yield _clock()
    yield _disk(config)
    if config is None:
        yield from _ports()
        return
    for source in config.sources.values():
        yield from _source(source)
    if "mqtt" in config.sinks:
        yield _broker(config)


def _packages(config: Config | None) -> Iterator[Finding]:
    from importlib.util import find_spec

    for module, (extra, what) in EXTRAS.items():
        if find_spec(module) is None:
            needed = config is not None and any(
                (module == "serial" and s.kind == "serial_port") or (module == "cv2" and s.kind == "camera")
                for s in config.sources.values()
            )
            state = "fail" if needed else "warn"
            yield Finding("packages", state, f"no {module}: no {what}", f"pip install 'edge-vitals[{extra}]'")
    if find_spec("onnxruntime") is None and find_spec("ai_edge_litert") is None:
        yield Finding("packages", "fail", "no runtime for models", "pip install 'edge-vitals[litert]'")


def _models(config: Config | None) -> Iterator[Finding]:
    from edge import inference
    from edge.types import ModelError

    names = sorted(inference.catalogue())
    for name in names:
        try:
            model = inference.load(name, state_dir=config.state_dir if config else None)
        except ModelError as error:
            yield Finding("models", "fail", str(error), "reinstall edge-vitals")
            continue
        if model.notes:
            yield Finding("models", "warn", f"{model.identity}: {'; '.join(model.notes)}", "edge-vitals models verify")
        else:
            yield Finding("models", "ok", str(model.identity))


def _clock() -> Finding:
    synced = clock_synchronised()
    if synced is None:
        return Finding("clock", "warn", "cannot tell whether it is synchronised", "enable systemd-timesyncd or chrony")
    if not synced:
        return Finding("clock", "warn", "not synchronised: times in alarms may be wrong", "timedatectl set-ntp true")
    return Finding("clock", "ok", "synchronised")


def clock_synchronised(flag: Path = Path("/run/systemd/timesync/synchronized")) -> bool | None:
    """Whether the wall clock follows a time server; None where the system does not say."""
    if flag.exists():
        return True
    return False if flag.parent.exists() else None


def _disk(config: Config | None) -> Finding:
    from edge.assembly import state_dir_of

    folder = state_dir_of(config) if config else Path.cwd()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return Finding("disk", "fail", f"{folder}: {error.strerror}", "alarms must survive: make it writable")
    free_mb = shutil.disk_usage(folder).free / 1e6
    if free_mb < DISK_MIN_MB:
        return Finding("disk", "warn", f"{folder}: {free_mb:.0f} MB left", "make room: the outbox and journal need it")
    return Finding("disk", "ok", f"{folder}: {free_mb / 1000:.1f} GB left")


def _ports() -> Iterator[Finding]:
    by_id = sorted(Path("/dev/serial/by-id").glob("*"))
    cameras = sorted(Path("/dev").glob("video[0-9]*"))
    for path in by_id:
        yield Finding("port", "ok", f"found {path}")
    for path in cameras:
        yield Finding("camera", "ok", f"found {path}")
    if not by_id:
        yield Finding("port", "warn", "no USB serial device", "plug it in; then look again in /dev/serial/by-id")
    if not cameras:
        yield Finding("camera", "warn", "no /dev/video*", "plug it in, or enable the CSI camera")


def _source(config: SourceConfig, listen_s: float = LISTEN_S) -> Iterator[Finding]:
    """Open the source, listen, and judge what came: streams, rates, losses."""
    from edge.assembly import build_source
    from edge.clock import SystemClock
    from edge.types import EdgeVitalsError

    step = f"source {config.name}"
    source = build_source(config, SystemClock())
    samples: dict[str, int] = {}
    rates: dict[str, float] = {}
    lost = 0
    expected: dict[str, int] = {}
    try:
        source.open()
        yield Finding(step, "ok", f"{config.kind} opened")
        end = time.monotonic() + listen_s
        while time.monotonic() < end:
            _progress(step, end - time.monotonic())
            for block in source.read():
                lost += max(0, block.seq - expected.get(block.stream, block.seq))
                expected[block.stream] = block.next_seq
                samples[block.stream] = samples.get(block.stream, 0) + len(block.data)
                rates[block.stream] = block.rate
    except EOFError:
        yield Finding(step, "ok", f"ended; {', '.join(f'{k} {n} samples' for k, n in samples.items())}")
        return
    except EdgeVitalsError as error:
        yield Finding(step, "fail", str(error))
        return
    finally:
        source.close()
    if not samples:
        yield Finding(step, "fail", f"opened, but nothing came in {listen_s:g} s", "is the device powered and sending?")
    for stream, count in samples.items():
        rate = count / listen_s
        text = f"{stream}: {rate:.1f} of {rates[stream]:g} samples a second"
        if abs(rate / rates[stream] - 1.0) > 2 * RATE_TOLERANCE + 2.0 / listen_s:
            yield Finding(step, "warn", text, "wrong rate declared, or samples are lost on the way")
        else:
            yield Finding(step, "ok", text)
    if lost:
        yield Finding(step, "warn", f"{lost} samples lost", "a shorter cable, or a higher baud rate")


def _progress(step: str, left_s: float) -> None:
    if sys.stderr.isatty():
        print(f"... {step}: listening, {left_s:.0f} s ", end="\r", file=sys.stderr)


def _broker(config: Config) -> Finding:
    from edge.config import kind_module

    probe: Callable[..., str] = kind_module("sinks", "mqtt").probe
    settings = config.sinks["mqtt"]
    where = f"{settings['host']}:{settings.get('port', 1883)}"
    problem = probe(**settings)
    if problem:
        return Finding("broker", "fail", f"{where}: {problem}", "see [mqtt] in the configuration")
    return Finding("broker", "ok", where)
