"""``edge-vitals replay``: recordings through the same lanes and alarms as live."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli._events import JSONL_HELP, Summary, alarm_text, jsonl
from edge.cli._file_notes import of_rates
from edge.cli._options import rate
from edge.names import RECORDING_SUFFIX
from edge.types import Alarm, ConfigError, Event, Reading, SourceStatus

if TYPE_CHECKING:
    from edge.cli._day_times import DayTimes
    from edge.config import Config
    from edge.recording import Entry, Recording


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "replay",
        help="run recordings through the same lanes and alarms",
        description="Run a recorded session, WAV, FLAC, CSV, NPZ, EDF, WFDB or video through the lanes and alarms that run live.",
        epilog=f"example: edge-vitals replay night.evrec --jsonl | grep alarm\n\n{JSONL_HELP}\n"
        "of a recording also time: ISO 8601 UTC, null where its clock was not set",
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
        "--exact",
        action="store_true",
        help="exit with 3 where readings or alarms differ from those made live, or were not compared",
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
        from edge.cli._shown import ShownRecording

        return _replay_recording(args, ShownRecording(recordings[0]), config)
    if args.exact:
        raise ConfigError("--exact compares a recording with what was made live; a plain file has none of that")
    return _replay_files(args, config)


def _replay_files(args: argparse.Namespace, config: Config | None) -> int:
    from edge.assembly import ModelShelf, build_board
    from edge.cli._day_times import DayTimes
    from edge.cli._shown import shown
    from edge.cli.replay.plain_files import file_lanes
    from edge.clock import ManualClock
    from edge.config import parse
    from edge.fusion import Fusion
    from edge.replay import blocks_of, replay
    from edge.sources.files import Files

    config, models = config or parse(""), ModelShelf()
    sources, lanes = file_lanes(args.input, config, models, rate_hz=args.rate)
    board = build_board(config, boot="replay", models=models)
    entries = _paced(shown(blocks_of(sources)), args.speed)
    events = replay(entries, lanes=lanes, board=board, clock=ManualClock(), fusion=Fusion())
    _print(args, events, DayTimes())
    for path, source in zip(args.input, sources, strict=True):
        if isinstance(source, Files):
            for note in of_rates(source.rates_hz) + source.notes:
                print(f"edge-vitals: {path}: {note}", file=sys.stderr)
    return 0


def _replay_recording(args: argparse.Namespace, recording: Recording, config: Config | None) -> int:
    from edge.assembly import build_board
    from edge.cli._day_times import DayTimes
    from edge.cli.replay.again import Again
    from edge.clock import ManualClock
    from edge.exact_replay import Comparison
    from edge.fusion import Fusion
    from edge.replay import replay

    again = Again(recording, config)
    times, found = DayTimes(recording), Comparison()
    entries = _paced(times.watched(recording), args.speed)
    states = bool(recording.header.get("states"))
    if states and again.goes_on():
        found.notes += again.why_not()
        events = again.events(entries, found)
    else:
        if states:
            why = (
                "the analyzers are not those of then" if again.then else "the configuration of then cannot be read here"
            )
            found.notes.append(f"{why}: everything is computed anew from the first sample on")
        board = build_board(again.config, boot=recording.header.get("boot", "replay"), models=again.models)
        events = replay(entries, lanes=again.lanes, board=board, clock=ManualClock(), fusion=Fusion())
    _print(args, events, times)
    for text in recording.said:
        if text not in found.notes:
            print(f"edge-vitals: {text}", file=sys.stderr)
    if states or args.exact:
        print(f"edge-vitals: {found.line()}", file=sys.stderr)
    short = recording.damaged or found.nothing or found.other_alarms or not found.same
    return 3 if args.exact and short else 0


def _print(args: argparse.Namespace, events: Iterator[Event], times: DayTimes) -> None:
    summary, alarms = Summary(), 0
    for event in events:
        if args.jsonl:
            print(jsonl(event, times.told(event.t)))
        elif isinstance(event, Alarm):
            alarms += 1
            print(times.line(event.t, alarm_text(event)))
        elif isinstance(event, SourceStatus):
            print(times.line(event.t, f"source {event.source}: {event.state} {event.reason}"))
        elif isinstance(event, Reading):
            summary.add(event)
    if not args.jsonl:
        print("\n".join(summary.lines()) or "no readings: the input holds nothing that an analyzer reads")
        print(f"{alarms} alarm transitions")


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
