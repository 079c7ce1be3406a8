"""``edge-vitals doctor``: one line a step, and one remedy for each that fails."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli._options import CONFIG_HELP
from edge.cli.doctor.faults import FAULTS, Finding, fault, fine

if TYPE_CHECKING:
    from edge.cli.doctor.machine import Machine
    from edge.config import Config, SourceConfig

LISTEN_S = 5.5  # longer than the 5 s after which a device says HELLO again
_DISK_S = 5.0
_ANSWER_S = 25.0  # a camera's address may take 20 s to open


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "doctor",
        help="find what is wrong with ports, cameras, broker, clock and models",
        description="Look at every part that a configuration needs, in the order in which they depend on each other; "
        "sources and broker at the same time, in under ten seconds, or half a minute where a driver hangs. Without a "
        "configuration: packages, models, clock, disk, power and the ports there are. Opens devices: stop the service "
        "first.",
        epilog="example: edge-vitals doctor bedside.toml",
    )
    command.add_argument("config", nargs="?", help=CONFIG_HELP)
    command.add_argument("--faults", action="store_true", help="list every fault it knows, with its remedy")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print a line a step; 3 when one failed."""
    from edge.config import load

    if args.faults:
        for word, (meaning, remedy) in FAULTS.items():
            print(f"{word}: {meaning} -> {remedy}")
        return 0
    config = load(args.config, to_watch=True) if args.config is not None else None
    failed = False
    for finding in findings(config):
        print(finding, flush=True)
        failed |= finding.state == "fail"
    return 3 if failed else 0


def findings(config: Config | None, *, machine: Machine | None = None, listen_s: float = LISTEN_S) -> Iterator[Finding]:
    """Every step's findings. machine: where the board and the clock tell of themselves."""
    from edge.assembly import state_dir_of
    from edge.cli.doctor import machine as checks

    machine = machine or checks.Machine()
    state_dir = state_dir_of(config) if config else Path.cwd()
    missing = list(checks.packages(config))  # before threads import them: cv2 is not to be found while it is imported
    waited = _listen_to_all(config, listen_s) if config is not None else []
    kept = _unless_it_hangs(lambda: list(checks.disk(state_dir)))
    yield from missing
    yield from checks.models(config if kept else None)
    yield from checks.configuration(config if kept else None)
    yield checks.clock(machine)
    yield from checks.power(machine)
    yield from kept or [fault("disk", "state_hung", str(state_dir))]
    if config is None:
        yield from _ports()
    elif any(source.kind == "camera" for source in config.sources.values()):
        yield from _face_models()
    for found in waited:
        yield from found()


def _listen_to_all(config: Config, listen_s: float) -> list[Callable[[], list[Finding]]]:
    """Begin with every source and the broker at once: listening takes its time, and ten seconds are all there are. Each is
    then waited for by calling it; a thread that is stuck in a driver is left behind."""
    from concurrent.futures import Future

    from edge.cli._progress import show
    from edge.cli.doctor.broker import broker
    from edge.cli.doctor.source import listen
    from edge.clock import SystemClock

    clock = SystemClock()
    by = clock.now() + _ANSWER_S

    def begun(step: str, word: str, look: Callable[[], Iterable[Finding]]) -> Callable[[], list[Finding]]:
        done: Future[list[Finding]] = Future()

        def run() -> None:
            try:
                done.set_result(list(look()))
            except Exception as error:  # what is wrong with one must not hide what is wrong with the others
                done.set_result([fault(step, word, " ".join(repr(error).split()))])

        def found() -> list[Finding]:
            try:
                return done.result(max(0.0, by - clock.now()))
            except TimeoutError:
                return [fault(step, word, f"it has not answered for {_ANSWER_S:g} s")]

        threading.Thread(target=run, name=f"edge-doctor-{step}", daemon=True).start()
        return found

    def listened(source: SourceConfig) -> Callable[[], list[Finding]]:
        def told(left_s: float) -> None:
            show(f"listening to {source.name}, {left_s:.0f} s")

        step = f"source {source.name}"
        return begun(step, "source_failed", lambda: listen(source, clock, listen_s, told, path=config.path))

    jobs = [listened(source) for source in config.sources.values()]
    if "mqtt" in config.sinks:
        jobs.append(begun("broker", "broker_failed", lambda: broker(config)))
    return jobs


def _unless_it_hangs(look: Callable[[], list[Finding]]) -> list[Finding]:
    """What is found on a disk, or nothing where it gives no answer: whoever waits for it could not be called off."""
    from edge.storage.disk_thread import DiskThread

    disk = DiskThread("edge-doctor-disk")
    try:
        return disk.ask(look).result(_DISK_S)
    except TimeoutError:
        return []
    finally:
        disk.end(0.0)


def _face_models() -> Iterator[Finding]:
    from edge import face_models

    missing = face_models.missing()
    if missing:
        yield fault("models", "face_models_missing", ", ".join(missing))


def _ports() -> Iterator[Finding]:
    by_id = sorted(Path("/dev/serial/by-id").glob("*"))
    cameras = sorted(Path("/dev").glob("video[0-9]*"))
    for path in by_id:
        yield fine("port", f"found {path}")
    for path in cameras:
        yield fine("camera", f"found {path}")
    if not by_id:
        yield fault("port", "port_missing", "no USB serial device", state="warn")
    if not cameras:
        yield fault("camera", "camera_missing", "no /dev/video*", state="warn")
