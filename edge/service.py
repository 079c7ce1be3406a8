"""The whole program for one configuration: what ``run`` and ``demo`` start, stop and look into."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, runtime_checkable

import msgspec

from edge import __version__, fusion
from edge.alarms.board import Board
from edge.assembly import (
    ModelShelf,
    boot_id,
    build_board,
    build_lanes,
    build_source,
    keeps_evidence,
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
from edge.runtime import Runtime, new_mailbox
from edge.sinks._payloads import SYNCED_AFTER, encode
from edge.sinks.outbox import Outbox
from edge.types import ConfigError, Fault, Sink

SEQ_SKIPPED: Final = 1_000_000
"""No bed has so many events in the half minute after which a power cut loses none."""


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
    board, shift_s = _board(config, boot, outbox, clock, models)
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
        taps.append(RecordingWriter(_open_record(Path(record), opened), header()).add)
    watchdog = Watchdog()
    opened.callback(watchdog.stopping)
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
        on_tick=watchdog.tick,
        keep=keep,
        board_shift_s=shift_s,
    )
    for text in outbox.faults:
        mailbox.put(Fault("outbox_full", clock.now(), True, text))
    for name, model in models.loaded.items():
        for fault in model.faults:
            mailbox.put(Fault("model_fault", clock.now(), True, f"{name}: {fault}", source=name))
    return Service(runtime, models, boot, next((url for s in built if (url := getattr(s, "url", ""))), ""), opened)


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


def _board(config: Config, boot: str, outbox: Outbox, clock: Clock, models: ModelShelf) -> tuple[Board, float | None]:
    """The board as it was left, and by how much its times were moved; what cannot be read is left behind, and said to be."""
    new = partial(build_board, config, boot=boot, models=models, keeps_evidence=keeps_evidence(config))
    state, coverage = outbox.state(), outbox.state("coverage")
    if state is None:
        return new(), None
    for watched in dict.fromkeys((coverage, None)):
        try:
            saved = msgspec.json.decode(state, type=dict[str, Any])
            shift_s = _shift_s(saved, clock)
            _put_back(saved, watched)
            if outbox.doubtful:
                _count_anew(saved, boot)
            return new(state=saved, shift_s=shift_s), shift_s
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            lost = "the alarm state was" if watched is None else "the record of watching or the alarm state was"
            outbox.faults.append(f"{lost} not readable ({error}); it begins anew")
    return new(), None


def _put_back(saved: Mapping[str, Any], coverage: bytes | None) -> None:
    """The record of watching into the state it was written with, where there is one."""
    if coverage is not None:
        kept = msgspec.json.decode(coverage, type=dict[str, Any])
        for name, bed in saved["beds"].items():
            bed["coverage"] = kept.get(name, bed["coverage"])


def _count_anew(saved: Mapping[str, Any], boot: str) -> None:
    """Numbers of a state that may not be the last: a new epoch, and beyond any that could have been given away."""
    for bed in saved["beds"].values():
        bed["epoch"], bed["seq"] = boot, bed["seq"] + SEQ_SKIPPED


def _shift_s(saved: Mapping[str, Any], clock: Clock) -> float:
    """What makes monotonic times of the run that saved this times of this run, s.

    By the wall clock, so that a pause ends when it was said to; as if no time had passed where that clock cannot be
    right: not set, or the past would lie ahead.
    """
    now, last, offset = clock.now(), saved["t"], saved.get("wall_offset")
    if last is None:
        return 0.0
    if offset is not None and min(clock.wall(), last + offset) > SYNCED_AFTER:
        shift_s = float(offset - (clock.wall() - now))
        if last + shift_s <= now:
            return shift_s
    return float(now - last)


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


def _open_record(path: Path, opened: contextlib.ExitStack) -> BinaryIO:
    try:
        return opened.enter_context(path.open("wb"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
