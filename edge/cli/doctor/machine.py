"""What ``doctor`` asks of the machine itself: packages, models, clock, disk, power and heat."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.doctor.faults import Finding, fault, fine
from edge.clock import SET_AFTER, kept_by_time_server
from edge.extras import EXTRA_OF, installed
from edge.runtime.overload.board_health import read_health
from edge.storage.database import read_only
from edge.storage.disk import OUTBOX, existing, is_full, must_have_room
from edge.types import EdgeVitalsError

if TYPE_CHECKING:
    from edge.config import Config

DISK_MIN_MB = 200
_USED_FOR = {"serial": "serial devices", "cv2": "cameras and video files", "soundfile": "FLAC files"}
_NEEDED_BY = {"serial": "serial_port", "cv2": "camera"}
_RUNTIMES = ("onnxruntime", "ai_edge_litert", "tflite_runtime")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the machine says what it is like; another one in tests."""

    sys: Path = Path("/sys")
    vcgencmd: str = "vcgencmd"
    wall: Callable[[], float] = time.time
    kept: Callable[[], bool | None] = kept_by_time_server


def packages(config: Config | None) -> Iterator[Finding]:
    """What a configuration needs and is not there; without one, whatever could be needed."""
    kinds = {source.kind for source in config.sources.values()} if config is not None else set()
    for module, what in _USED_FOR.items():
        needed = _NEEDED_BY.get(module) in kinds
        if not installed(module) and (needed or config is None):
            remedy = f"pip install 'edge-vitals[{EXTRA_OF[module]}]'"
            state = "fail" if needed else "warn"
            yield fault("packages", "package_missing", f"no {module}: no {what}", remedy=remedy, state=state)
    if not any(map(installed, _RUNTIMES)):
        yield fault("packages", "runtime_missing")


def models(config: Config | None) -> Iterator[Finding]:
    """Whether files are whole and the variants that a run would take work; none is timed, so nothing is written."""
    from edge import inference
    from edge.assembly import ModelShelf, shelf_to_look_at
    from edge.types import ModelError

    try:
        catalogue = inference.catalogue()
    except ModelError as error:
        yield fault("models", "model_missing", str(error))
        return
    if not catalogue:
        yield fault("models", "model_missing", str(inference.models_root(None)))
    broken = [check for check in inference.verify(None) if not check.ok]
    for check in broken:
        there = (inference.models_root(None) / check.model / check.file).exists()
        word = "model_altered" if there else "model_missing"
        yield fault("models", word, f"{check.model}/{check.file}: {check.text}")
    if not any(map(installed, _RUNTIMES)):  # which is what to say once, not of every model
        return
    shelf = shelf_to_look_at(config) if config is not None else ModelShelf()
    for name in sorted(set(catalogue) - {check.model for check in broken}):
        try:
            model = shelf(name)
        except ModelError as error:
            yield fault("models", "model_variant", str(error), state="fail")
            continue
        wrong = "; ".join(model.faults)
        yield fault("models", "model_variant", wrong) if wrong else fine("models", str(model.identity))


def configuration(config: Config | None) -> Iterator[Finding]:
    """What ``run`` would refuse, beside what other steps find: the state folder and the way to the broker."""
    from edge.assembly import ModelShelf, all_lanes, check_alarms, refusals, state_dir_of
    from edge.ports import taken
    from edge.storage.state_lock import runs_there

    if config is None:
        return
    shelf = ModelShelf(variant=config.variant, path=config.path)
    try:
        check_alarms(config, all_lanes(config, shelf))
    except EdgeVitalsError as error:
        yield fault("config", "config_refused", str(error))
    for refusal in refusals(config):
        if not str(refusal).startswith((f"{config.path}: mqtt", str(state_dir_of(config)))):
            yield fault("config", "config_refused", str(refusal))
    for refusal in () if runs_there(state_dir_of(config)) else taken(config):
        yield fault("config", "port_taken", str(refusal).removeprefix(f"{config.path}: "))


def clock(machine: Machine) -> Finding:
    if machine.wall() < SET_AFTER:
        return fault("clock", "clock_unset", time.strftime("%Y-%m-%d", time.gmtime(machine.wall())))
    kept = machine.kept()
    if kept is None:
        return fault("clock", "clock_unknown")
    return fine("clock", "synchronised") if kept else fault("clock", "clock_unsynchronised")


def power(machine: Machine) -> Iterator[Finding]:
    health = read_health(machine.sys, machine.vcgencmd)
    found: list[str] = [word for word in ("under_voltage", "throttled", "hot") if word in health.now]
    found += [f"was_{w}" for w in ("under_voltage", "throttled") if w in health.since and w not in health.now]
    warmth = "" if health.temperature_c is None else f"{health.temperature_c:.0f} °C"
    for word in found:
        yield fault("power", word, warmth)
    if not found:
        yield fine("power", warmth or "the board does not say how warm it is")


def disk(folder: Path) -> Iterator[Finding]:
    """Whether the state folder, or the one it will be made in, takes a file, and what lies there is whole."""
    try:
        must_have_room(folder)
    except OSError as error:
        word = "state_full" if is_full(error) and error.errno != errno.EROFS else "state_read_only"
        yield fault("disk", word, f"{folder}: {error.strerror}")
        return
    free_mb = shutil.disk_usage(existing(folder)).free / 1e6
    if free_mb < DISK_MIN_MB:
        yield fault("disk", "state_low", f"{folder}: {free_mb:.0f} MB left")
    else:
        yield fine("disk", f"{folder}: {free_mb / 1000:.1f} GB left")
    yield from _outbox(folder / OUTBOX)


def _outbox(path: Path) -> Iterator[Finding]:
    if not path.exists():
        return
    try:
        with read_only(path) as db:
            said = db.execute("pragma quick_check").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return
        said = str(error)
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        yield fault("disk", "state_damaged", f"{path}: {said}")
