"""The whole program for one configuration: what ``run`` and ``demo`` start, stop and look into."""

from __future__ import annotations

import contextlib
import logging
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from edge import __version__, fusion
from edge.alarms.board import Board
from edge.assembly import (
    ModelShelf,
    boot_id,
    build_lanes,
    build_source,
    state_dir_of,
)
from edge.board_health import read_health
from edge.clock import Clock, SystemClock
from edge.config import Config, construct
from edge.ladder import Ladder
from edge.lane import Lane
from edge.notify import Watchdog
from edge.reader import Reader
from edge.recording import Entry, RecordingWriter
from edge.relief import rungs
from edge.resume import resumed
from edge.runtime import Runtime, new_mailbox
from edge.sinks._payloads import encode
from edge.sinks.outbox import Outbox
from edge.types import ConfigError, Fault, Sink

log = logging.getLogger(__name__)
DAMAGE_TOLD_S: Final = 3600.0
_DAMAGE: Final = "damage"


@runtime_checkable
class Records(Protocol):
    """A sink that keeps every entry of the run, blocks too."""

    def record(self, entry: Entry) -> None: ...


@dataclass(slots=True)
class Service:
    """A runtime with everything around it. ``run`` closes what was opened."""

    runtime: Runtime
    models: ModelShelf
    boot: str
    page_url: str = ""
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def run(self, seconds: float | None = None) -> int:
        """Run until stopped; returns the exit code."""
        with self.opened:
            return self.runtime.run(seconds)


def build_service(
    config: Config,
    *,
    clock: Clock | None = None,
    console: bool = True,
    record: str | Path | None = None,
    sinks: Sequence[Sink] = (),
    boot: str = "",
) -> Service:
    """Build everything in the order in which errors are cheapest: models, disk, sinks; no device is opened.

    console: print readings and alarms. record: file that keeps what the analyzers see. sinks: further ones.
    boot: the id of this run; by default a fresh one.
    Raises ConfigError or ModelError in one line.
    """
    opened = contextlib.ExitStack()
    try:
        return _build(config, clock or SystemClock(), console, record, sinks, opened, boot or boot_id())
    except BaseException:
        opened.close()
        raise


def _build(
    config: Config,
    clock: Clock,
    console: bool,
    record: str | Path | None,
    sinks: Sequence[Sink],
    opened: contextlib.ExitStack,
    boot: str,
) -> Service:
    state_dir = state_dir_of(config)
    models = ModelShelf(variant=config.variant, state_dir=state_dir)
    readers = []
    for source in config.sources.values():
        lanes = build_lanes(config, source, models)
        device = build_source(source, clock)
        readers.append(Reader(source.name, source.bed, device, lanes, can_wait=getattr(device, "can_wait", False)))
    outbox = opened.enter_context(contextlib.closing(_outbox(state_dir, clock, boot)))
    board, shift_s = resumed(config, boot, outbox, clock, models)
    mailbox = new_mailbox()  # before the sinks: theirs is the first word

    def state() -> bytes:
        return encode({"wall_offset": clock.wall() - clock.now(), **board.snapshot(coverage=False)})

    def keep() -> None:
        outbox.keep(state(), encode(board.coverage_snapshot()))

    def on_link(up: bool, reason: str) -> None:
        mailbox.put(Fault("broker_lost", clock.now(), not up, reason))

    def on_fault(condition: str, present: bool, text: str) -> None:
        mailbox.put(Fault(condition, clock.now(), present, text))

    def header() -> dict[str, Any]:
        return {
            "device": config.device,
            "boot": boot,
            "config": config.text,
            "variants": models.chosen(),
            "identities": models.identities(),
            "mono": clock.now(),
            "wall": clock.wall(),
            "version": __version__,
            "cards": models.cards(),
            "states": True,
        }

    injected = {
        "header": header,
        "device_name": config.device,
        "clock": clock,
        "outbox": outbox,
        "boot": boot,
        "version": __version__,
        "identities": models.identities(),
        "standing": board.active(),
        "metrics": {
            bed: sorted(hops_of([lane for reader in readers for lane in reader.lanes if lane.bed == bed]))
            for bed in config.beds
        },
        "state_dir": state_dir,
        "on_command": mailbox.put,
        "on_link": on_link,
        "on_fault": on_fault,
        "roles": config.delivery.names,
        "layout": {
            bed.name: {
                "person": bed.person,
                "site": bed.site,
                "sources": {s.name: s.kind for s in config.sources.values() if s.bed == bed.name},
            }
            for bed in config.beds.values()
        },
        "watching": lambda now: {bed: _watching(board, bed, now) for bed in config.beds},
        "hops": hops_of([lane for reader in readers for lane in reader.lanes]),
    }
    evidence = construct("sinks", "evidence", config.sinks.get("evidence", {}), injected)
    opened.callback(evidence.close)
    injected["history"] = evidence
    names = {name: keys for name, keys in config.sinks.items() if name != "evidence"}
    if console:
        names.setdefault("console", {})
    built: list[Sink] = [evidence]
    for name, keys in names.items():
        built.append(construct("sinks", name, keys, injected))
        opened.callback(built[-1].close)
    taps: list[Callable[[Entry], None]] = [sink.record for sink in built if isinstance(sink, Records)]
    if record is not None:
        asked = _Record(Path(record), header())
        opened.callback(asked.close)
        taps.append(asked.add)
    watchdog = Watchdog()
    opened.callback(watchdog.stopping)
    damage_over = _DamageOver(outbox, clock, mailbox)

    def ticked(seen: Sequence[Reader]) -> None:
        watchdog.tick(seen)
        damage_over.look()

    runtime = Runtime(
        readers=readers,
        board=board,
        sinks=[*built, *sinks],
        clock=clock,
        fusion=fusion.Fusion(),
        durable=outbox,
        state=state,
        tap=_together(taps),
        extra_stats=lambda: {"models": models.identities()},
        mailbox=mailbox,
        ladder=Ladder(rungs(readers, models.loaded, models.faster())),
        health=read_health,
        on_tick=ticked,
        keep=keep,
        board_shift_s=shift_s,
    )
    for text in outbox.faults:
        mailbox.put(Fault("outbox_full", clock.now(), True, text, source=_DAMAGE))
    for name, model in models.loaded.items():
        for fault in model.faults:
            mailbox.put(Fault("model_fault", clock.now(), True, f"{name}: {fault}", source=name))
    return Service(runtime, models, boot, next((url for s in built if (url := getattr(s, "url", ""))), ""), opened)


class _DamageOver:
    """Ends the alarm of an outbox that was damaged at the start after an hour: it works again, and nobody else would."""

    def __init__(self, outbox: Outbox, clock: Clock, mailbox: queue.Queue[Any]) -> None:
        self._outbox, self._clock, self._mailbox = outbox, clock, mailbox
        self._until = clock.now() + DAMAGE_TOLD_S

    def look(self) -> None:
        """Called by the main loop, whose own queue may be full: then another time."""
        if self._outbox.faults and self._clock.now() >= self._until:
            with contextlib.suppress(queue.Full):
                self._mailbox.put_nowait(Fault("outbox_full", self._clock.now(), False, source=_DAMAGE))
                self._outbox.faults.clear()


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
    return {**hops, "fused.hr": fusion.HOP_S} if any(m in fusion.METRICS for m in hops) else hops


def _outbox(state_dir: Path, clock: Clock, boot: str) -> Outbox:
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        return Outbox(state_dir / "outbox.sqlite", clock=clock, boot=boot)
    except OSError as error:
        raise ConfigError(f"{state_dir}: cannot keep state there: {error.strerror}; set device.state_dir") from None


class _Record:
    """The recording that was asked for; when its disk takes no more it ends, and the watching goes on."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self._path, self._ended = path, False
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
        self._writer = RecordingWriter(self._file, header)

    def add(self, entry: Entry) -> None:
        if not self._ended:
            try:
                self._writer.add(entry)
            except OSError as error:
                self._end(error)

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # what was still in memory does not fit, either
            self._end(error)

    def _end(self, error: OSError) -> None:
        if not self._ended:
            self._ended = True
            log.error("%s: the recording ends here: %s; the watching goes on", self._path, error.strerror)
