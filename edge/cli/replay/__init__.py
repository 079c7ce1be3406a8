"""``edge-vitals replay``: recordings through the same lanes and alarms as live."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli._events import JSONL_HELP, Summary, alarm_text, clock_text, jsonl
from edge.cli._file_notes import of_rates
from edge.cli._options import rate
from edge.types import Alarm, ConfigError, Event, Reading, SourceError, SourceStatus

if TYPE_CHECKING:
    from edge.alarms.board import Board
    from edge.assembly import ModelShelf
    from edge.config import Config
    from edge.lane import Lane
    from edge.recording import Entry, MainState, Recording
    from edge.replay import Comparison
    from edge.types import Source

VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".mjpg", ".mpg"})
RECORDING_SUFFIX = ".evrec"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "replay",
        help="run recordings through the same lanes and alarms",
        description="Run a recorded session, WAV, FLAC, CSV, NPZ, EDF, WFDB or video through the lanes and alarms that run live.",
        epilog=f"example: edge-vitals replay night.evrec --jsonl | grep alarm\n\n{JSONL_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "input", nargs="*", help="a recording (.evrec, file or folder), or audio, CSV, NPZ or video files of one bed"
    )
    command.add_argument(
        "--alarm",
        metavar="ID",
        help="make one alarm again, by its occurrence or id, from its own recording, a folder of such, or any that holds "
        "it; by default from the state directory; exit with 3 where it does not come out the same",
    )
    command.add_argument(
        "--config", help="limits, delays and analyzers; by default those of the recording, or plain ones"
    )
    command.add_argument("--rate", type=rate, metavar="HZ", help="sampling rate, where the file does not say")
    command.add_argument("--speed", choices=("max", "1"), default="max", help="as fast as possible, or as it happened")
    command.add_argument(
        "--exact", action="store_true", help="exit with 3 where readings or alarms differ from those made live"
    )
    command.add_argument("--jsonl", action="store_true", help="print every event as a line of JSON")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Replay the inputs; prints events and a summary."""
    from edge.config import load

    config = load(args.config) if args.config else None
    if args.alarm:
        from edge.cli.replay.alarm import replay_alarm

        return replay_alarm(args.alarm, args.input, config, as_json=args.jsonl)
    if not args.input:
        raise ConfigError("replay needs a recording or files, or --alarm")
    recordings = [Path(p) for p in args.input if Path(p).suffix == RECORDING_SUFFIX]
    if recordings and len(args.input) > 1:
        raise ConfigError("replay one recording at a time, or several plain files, but not both")
    if recordings:
        from edge.recording import Recording

        return _replay_recording(args, Recording(recordings[0]), config)
    if args.exact:
        raise ConfigError("--exact compares a recording with what was made live; a plain file has none of that")
    return _replay_files(args, config)


def _replay_files(args: argparse.Namespace, config: Config | None) -> int:
    from edge.assembly import ModelShelf, build_board
    from edge.clock import ManualClock
    from edge.config import parse
    from edge.fusion import Fusion
    from edge.replay import blocks_of, replay
    from edge.sources.files import Files

    config, models = config or parse(""), ModelShelf()
    sources, lanes = file_lanes(args.input, config, models, rate_hz=args.rate)
    board = build_board(config, boot="replay", models=models)
    entries = _paced(blocks_of(sources), args.speed)
    _print(args, replay(entries, lanes=lanes, board=board, clock=ManualClock(), fusion=Fusion()))
    for path, source in zip(args.input, sources, strict=True):
        if isinstance(source, Files):
            for note in of_rates(source.rates_hz) + source.notes:
                print(f"edge-vitals: {path}: {note}", file=sys.stderr)
    return 0


def _replay_recording(args: argparse.Namespace, recording: Recording, config: Config | None) -> int:
    from edge.assembly import build_board
    from edge.clock import ManualClock
    from edge.fusion import Fusion
    from edge.replay import Comparison, replay

    again = Again(recording, config)
    entries, found = _paced(iter(recording), args.speed), Comparison()
    states = bool(recording.header.get("states"))
    if states and again.goes_on():
        found.notes += again.why_not()
        events = again.events(entries, found)
    else:
        if states:
            found.notes.append(
                "the analyzers are not those of then: everything is computed anew from the first sample on"
            )
        board = build_board(again.config, boot=recording.header.get("boot", "replay"), models=again.models)
        events = replay(entries, lanes=again.lanes, board=board, clock=ManualClock(), fusion=Fusion())
    _print(args, events)
    for text in filter(None, (recording.headless, recording.damaged, recording.torn)):
        print(f"edge-vitals: {text}", file=sys.stderr)
    if states or args.exact:
        print(f"edge-vitals: {found.line()}", file=sys.stderr)
    short = recording.headless or recording.damaged or found.nothing or not found.same
    return 3 if args.exact and short else 0


def _print(args: argparse.Namespace, events: Iterator[Event]) -> None:
    summary, alarms, t = Summary(), 0, 0.0
    progress = sys.stderr.isatty() and not args.jsonl
    for event in events:
        if args.jsonl:
            print(jsonl(event))
        elif isinstance(event, Alarm):
            alarms += 1
            print(f"{clock_text(event.t):>8}  {alarm_text(event)}")
        elif isinstance(event, SourceStatus):
            print(f"{clock_text(event.t):>8}  source {event.source}: {event.state} {event.reason}")
        elif isinstance(event, Reading):
            summary.add(event)
            if progress and event.t - t >= 60.0:
                t = event.t
                print(f"  {clock_text(t)} ...", end="\r", file=sys.stderr)
    if not args.jsonl:
        print("\n".join(summary.lines()) or "no readings: the input holds nothing that an analyzer reads")
        print(f"{alarms} alarm transitions")


class Again:
    """The program as a recording's header says it was: configuration, models of the same variants, lanes and board.

    config: another one instead; then alarms are not to be the same, and the board begins empty. Where its analyzers are
    others, too, nothing can go on from a state of then.
    """

    def __init__(self, recording: Recording, config: Config | None = None) -> None:
        from edge.assembly import ModelShelf, all_lanes
        from edge.config import parse

        if config is None and recording.headless:
            raise ConfigError(f"{recording.headless}; name the configuration with --config")
        self.recording, header = recording, recording.header
        self.own_rules = config is None
        try:
            self.config = config or parse(header.get("config", ""), path=f"{recording.path} (header)")
        except ConfigError as error:
            raise ConfigError(f"{error}; the version that recorded it took it: replay with --config FILE") from None
        self.models = ModelShelf(variants=header.get("variants", {}))
        self.lanes = all_lanes(self.config, self.models)

    def events(self, entries: Iterable[Entry], found: Comparison) -> Iterator[Event]:
        """All that is made of the entries again, compared with what they say was made live."""
        from edge.clock import ManualClock
        from edge.fusion import Fusion
        from edge.replay import reproduce

        return reproduce(
            entries,
            lanes=self.lanes,
            board_of=self._board,
            clock=ManualClock(),
            fusion=Fusion(),
            found=found,
            same_rules=self.own_rules,
        )

    def goes_on(self) -> bool:
        """Whether the lanes here can go on from the states of then: of every source the same analyzers, set the same."""
        from edge.config import parse

        if self.own_rules:
            return True
        try:
            then = parse(self.recording.header.get("config", ""))
        except ConfigError:
            return False

        def looks(config: Config, name: str) -> tuple[str, dict[str, Mapping[str, Any]]]:
            source = config.sources[name]
            return source.bed, {a: config.analyzers.get(a, {}) for a in source.analyzers}

        both = self.config.sources.keys() & then.sources.keys()
        return all(looks(self.config, name) == looks(then, name) for name in both)

    def why_not(self) -> list[str]:
        """What keeps this replay from being exact, where that is known beforehand."""
        recording = self.recording
        notes = [recording.missing] if recording.missing else []
        here = self.models.identities()
        for name, live in recording.header.get("identities", {}).items():
            if here.get(name, live) != live:
                notes.append(f"made live by {live}, here by {here[name]}")
        cards = self.models.cards()
        for name, live in recording.header.get("cards", {}).items():
            if cards.get(name, live) != live:
                notes.append(f"the card of {name} is not the one of then")
        return notes

    def _board(self, saved: MainState) -> Board:
        from edge.assembly import build_board, keeps_evidence

        state: dict[str, Any] = {"state": saved.board, "shift_s": saved.shift_s} if self.own_rules else {}
        return build_board(
            self.config,
            boot=self.recording.header.get("boot", "replay"),
            models=self.models,
            keeps_evidence=keeps_evidence(self.config),
            **state,
        )


def source_name(path: str | Path) -> str:
    """A source name made of a file's: ``50_light.avi`` -> ``50_light``."""
    name = re.sub(r"[^a-z0-9_-]+", "-", Path(path).stem.lower()).strip("-_")
    return name or "file"


def open_file(path: str | Path, *, rate_hz: float | None = None) -> Source:
    """The source that plays a file as fast as possible, by its suffix; raises SourceError."""
    from edge.clock import ManualClock
    from edge.kinds import construct

    injected = {"name": source_name(path), "clock": ManualClock()}
    if Path(path).suffix.lower() in VIDEO_SUFFIXES:
        source: Source = construct("sources", "camera", {"device": str(path), "pace": "max"}, injected)
        return source
    settings = {"path": str(path), **({"rate_hz": rate_hz} if rate_hz else {})}
    audio: Source = construct("sources", "files", settings, injected)
    return audio


def file_lanes(
    paths: Sequence[str], config: Config, models: ModelShelf, *, rate_hz: float | None = None
) -> tuple[list[Source], list[Lane]]:
    """Sources and lanes for plain files: of each file, the analyzers whose stream it holds."""
    from edge.assembly import build_lanes
    from edge.config import ANALYZERS_BY_STREAM, SourceConfig
    from edge.sources.files import Files

    bed = next(iter(config.beds))
    sources, lanes = [], []
    for path in paths:
        source = open_file(path, rate_hz=rate_hz)
        source.open()
        try:
            kinds = set(source.rates_hz) if isinstance(source, Files) else {block.kind for block in source.read()}
        except EOFError:
            raise SourceError(f"{path}: empty") from None
        finally:
            source.close()
        analyzers = tuple(a for kind in sorted(kinds) for a in ANALYZERS_BY_STREAM.get(kind, ()))
        plan = SourceConfig(source_name(path), bed, "files", analyzers, {})
        lanes += build_lanes(config, plan, models)
        sources.append(source)
    return sources, lanes


def _paced(entries: Iterator[Entry], speed: str) -> Iterator[Entry]:
    """The same entries; at speed 1 each not before its time."""
    import time

    from edge.recording import time_of

    if speed != "1":
        yield from entries
        return

    started = time.monotonic()
    first: float | None = None
    for entry in entries:
        t = time_of(entry)
        first = t if first is None else first
        time.sleep(max(0.0, (t - first) - (time.monotonic() - started)))
        yield entry
