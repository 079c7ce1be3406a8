"""The whole program for one configuration: what ``run`` and ``demo`` start, stop and look into."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge import __version__, fusion
from edge.alarms.board import Board
from edge.assembly import (
    ModelShelf,
    boot_id,
    build_lanes,
    build_source,
    check_alarms,
    state_dir_of,
)
from edge.clock import Clock, SystemClock
from edge.config import Config
from edge.kinds import construct, table_of
from edge.lane import Lane
from edge.program.disk_beat import DiskBeat
from edge.program.notify import Watchdog
from edge.program.record_file import RecordFile
from edge.program.resume import DurableBoard, resumed
from edge.program.self_watch import Asked, SelfWatch
from edge.program.state_disk import OutboxFaults, Silent, open_outbox, outbox_in_memory
from edge.recording import Entry
from edge.runtime.main_thread import MainThread, new_mailbox
from edge.runtime.overload.board_health import read_health
from edge.runtime.overload.ladder import Ladder
from edge.runtime.overload.rungs import rungs
from edge.runtime.reader import Reader
from edge.runtime.threads import Runtime
from edge.sinks.outbox import Outbox
from edge.types import Fault, Sink, self_report
from edge.types.parts import Keeps, Records, Shows

_TELLING: Final = ("mqtt",)
_UNKEPT: Final = "neither recordings nor a journal are kept before the next start: the disk gave no answer at this one"


@dataclass(slots=True)
class Service:
    """A runtime with everything around it. ``run`` closes what was opened."""

    runtime: Runtime
    models: ModelShelf
    beat: DiskBeat
    page_url: str = ""
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def run(self, seconds: float | None = None) -> int:
        """Run until stopped; returns the exit code."""
        with self.opened, self.beat.beating():
            return self.runtime.run(seconds)


def build_service(
    config: Config,
    *,
    clock: Clock | None = None,
    console: bool = True,
    record: str | Path | None = None,
    sinks: Sequence[Sink] = (),
    boot: str = "",
    silent: Silent | None = None,
) -> Service:
    """Build everything in the order in which errors are cheapest: models, disk, sinks; no device is opened.

    console: print readings and alarms. record: file that keeps what the analyzers see. sinks: further ones.
    boot: the id of this run; by default a fresh one. silent: a disk that gave no answer, on which its alarms belong.
    Raises ConfigError or ModelError in one line.
    """
    clock = clock or SystemClock()
    with contextlib.ExitStack() as opened:
        core = _core(config, clock, boot or boot_id(), opened, silent)
        ladder = Ladder(rungs(core.readers, core.models.loaded, core.models.faster()))
        built, taps, kept = _sinks(core, console, record, opened)
        main = MainThread(
            readers=core.readers,
            board=core.board,
            sinks=[*built, *sinks],
            clock=clock,
            mailbox=core.mailbox,
            fusion=fusion.Fusion(),
            durable=DurableBoard(core.outbox, core.board, clock, sends=any(name in config.sinks for name in _TELLING)),
            tap=_together(taps),
            board_shift_s=core.shift_s,
            extra_stats=lambda: {"models": core.models.identities()},
            ladder=ladder,
            health=read_health,
        )
        beat = DiskBeat(silent.state_dir if silent else state_dir_of(config), clock)
        watchdog, outbox_faults = Watchdog(), OutboxFaults(core.outbox, clock, core.mailbox)
        parts = SelfWatch(_asked(beat, kept, silent), clock, core.mailbox)
        opened.callback(watchdog.stopping)

        def ticked(seen: Sequence[Reader]) -> None:
            watchdog.tick(seen)
            outbox_faults.look()
            parts.look()

        outbox_faults.begin()
        for fault in core.found_at_start():
            core.mailbox.put(fault)
        page_url = next((sink.url for sink in built if isinstance(sink, Shows)), "")
        return Service(Runtime(main, on_tick=ticked), core.models, beat, page_url, opened.pop_all())


def _asked(beat: DiskBeat, kept: Sequence[Keeps], silent: Silent | None) -> list[Asked]:
    """The parts that are asked whether the disk takes what they write."""
    asked = [Asked("outbox_full", "disk", beat.why_not)]
    asked += [Asked("recording_lost", type(one).__name__.lower(), one.why_not) for one in kept]
    if silent:
        asked.append(Asked("recording_lost", "start", lambda: _UNKEPT))
    return asked


@dataclass(frozen=True, slots=True)
class _Core:
    """What is built first: devices with their lanes, what is kept on disk, the board, and the way to the main thread."""

    config: Config
    clock: Clock
    boot: str
    models: ModelShelf
    readers: Sequence[Reader]
    outbox: Outbox
    board: Board
    shift_s: float | None
    mailbox: queue.Queue[Any]

    def header(self) -> dict[str, Any]:
        """What a recording of this run begins with."""
        return {
            "device": self.config.device,
            "boot": self.boot,
            "config": self.config.text,
            "variants": self.models.chosen(),
            "identities": self.models.identities(),
            "mono": self.clock.now(),
            "wall": self.clock.wall(),
            "version": __version__,
            "cards": self.models.cards(),
            "states": True,
        }

    def for_sinks(self) -> dict[str, Any]:
        """What a sink may ask for, by the name of the argument of its ``build``."""
        beds, sources = self.config.beds, self.config.sources.values()
        return {
            "header": self.header,
            "device_name": self.config.device,
            "clock": self.clock,
            "outbox": self.outbox,
            "boot": self.boot,
            "version": __version__,
            "identities": self.models.identities(),
            "standing": self.board.active(),
            "metrics": {bed: sorted(hops_of(self._lanes(bed))) for bed in beds},
            "bed_rules": {name: bed.alarms for name, bed in beds.items()},
            "state_dir": state_dir_of(self.config),
            "on_command": self.mailbox.put,
            "on_link": lambda up, reason: self.on_fault("broker_lost", not up, f"Broker: {reason}"),
            "on_fault": self.on_fault,
            "roles": self.config.delivery.names,
            "layout": {
                bed.name: {
                    "person": bed.person,
                    "site": bed.site,
                    "sources": {s.name: s.kind for s in sources if s.bed == bed.name},
                }
                for bed in beds.values()
            },
            "watching": lambda now: {bed: _watching(self.board, bed, now) for bed in beds},
            "hops": hops_of(self._lanes()),
        }

    def on_fault(self, condition: str, present: bool, text: str) -> None:
        """Any thread: something is wrong with the program's surroundings, or no longer."""
        self.mailbox.put(Fault(condition, self.clock.now(), present, text))

    def found_at_start(self) -> list[Fault]:
        """What is known to be wrong before the first block comes."""
        now = self.clock.now()
        return [
            Fault("model_fault", now, True, f"{name}: {fault}", source=name) for name, fault in self.models.faults()
        ]

    def _lanes(self, bed: str | None = None) -> list[Lane]:
        lanes = [lane for reader in self.readers for lane in reader.lanes]
        return [lane for lane in lanes if bed in (None, lane.bed)]


def _core(config: Config, clock: Clock, boot: str, opened: contextlib.ExitStack, silent: Silent | None) -> _Core:
    state_dir = state_dir_of(config)
    models = ModelShelf(variant=config.variant, state_dir=state_dir, path=config.path)
    readers = []
    for source in config.sources.values():
        lanes = build_lanes(config, source, models)
        device = build_source(source, clock, path=config.path)
        readers.append(Reader(source.name, source.bed, device, lanes, can_wait=self_report(device).can_wait))
    check_alarms(config, (lane for reader in readers for lane in reader.lanes))
    held = opened.enter_context(contextlib.ExitStack())
    outbox = outbox_in_memory(silent, clock, boot, held) if silent else open_outbox(state_dir, clock, boot)
    opened.callback(outbox.close)
    board, shift_s = resumed(config, boot, outbox, clock, models)
    return _Core(config, clock, boot, models, readers, outbox, board, shift_s, new_mailbox())


def _sinks(
    core: _Core, console: bool, record: str | Path | None, opened: contextlib.ExitStack
) -> tuple[list[Sink], list[Callable[[Entry], None]], list[Keeps]]:
    """The configured sinks, what takes every entry, and what writes to disk.

    The evidence of alarms is built first: others show it. What tells other machines is built last, since a start that is
    refused must not have been announced; it hears of everything first.
    """
    named, injected = dict(core.config.sinks), core.for_sinks()
    built: list[Sink] = []

    def build(name: str, settings: Mapping[str, Any]) -> Sink:
        built.append(construct("sinks", name, settings, injected, where=(core.config.path, table_of(name))))
        opened.callback(built[-1].close)
        return built[-1]

    injected["history"] = build("evidence", named.pop("evidence", {}))
    if console:
        named.setdefault("console", {})
    telling = {name: named.pop(name) for name in _TELLING if name in named}
    for name, settings in named.items():
        build(name, settings)
    taps: list[Callable[[Entry], None]] = [sink.record for sink in built if isinstance(sink, Records)]
    kept: list[Keeps] = [sink for sink in built if isinstance(sink, Keeps)]
    if record is not None:
        asked = RecordFile(Path(record), core.clock, core.header)
        opened.callback(asked.close)
        taps.append(asked.record)
        kept.append(asked)
    at_home = list(built)
    return [*(build(name, settings) for name, settings in telling.items()), *at_home], taps, kept


def _watching(board: Board, bed: str, now: float) -> Mapping[str, object]:
    """What a page says of a bed's watching; for the main thread only, which owns the board."""
    return {
        "paused_until": board.paused_until(bed),
        "standby_until": board.standby_until(bed, now),
        "coverage": board.coverage(bed, now),
    }


def _together(taps: Sequence[Callable[[Entry], None]]) -> Callable[[Entry], None] | None:
    def all_of_them(entry: Entry) -> None:
        for tap in taps:
            tap(entry)

    return taps[0] if len(taps) == 1 else all_of_them if taps else None


def hops_of(lanes: Sequence[Lane]) -> Mapping[str, float]:
    """Metric to hop, s: how soon its next reading is due; with what fusion makes of the heart rates."""
    hops = {m: a.hop_s for lane in lanes for a in lane.analyzers.values() for m in a.metrics}
    return {**hops, fusion.HR: fusion.HOP_S} if any(m in fusion.METRICS for m in hops) else hops
