"""``edge-vitals simulate``: what would have alarmed under other limits and delays, from recorded readings."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.types import DEVICE_BED, Command, ConfigError, Fault, Reading, SourceError, SourceStatus

if TYPE_CHECKING:
    from edge.alarms.auscultation import Place
    from edge.alarms.rules import AlarmRules
    from edge.alarms.simulate import Comparison, Happening, Load
    from edge.config import Config
    from edge.recording import ClockMark, Recording


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "simulate",
        help="what would have alarmed under another configuration",
        description="Run the alarm rules of two configurations over the readings of recordings: alarms a day, floods, "
        "standing and chattering alarms, and what B would have missed or added against A.",
        epilog="example: edge-vitals simulate night.evrec --config now.toml --config proposed.toml",
    )
    command.add_argument("recording", nargs="+", help="recordings (.evrec) of readings")
    command.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="once: against the recording's own configuration; twice: the second (B) against the first (A)",
    )
    command.add_argument("--json", action="store_true", help="print the comparison as JSON")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the comparison; several recordings count as one."""
    from edge.alarms.simulate import pooled
    from edge.config import load

    if not 1 <= len(args.config) <= 2:
        raise ConfigError("simulate needs --config once (B against the recording's own) or twice (A, then B)")
    given = [load(path) for path in args.config]
    whole = pooled([_compared(path, given) for path in args.recording])
    if args.json:
        figures = {
            "a": _figures(whole.a),
            "b": _figures(whole.b),
            "missed": [asdict(one) for one in whole.missed],
            "added": [asdict(one) for one in whole.added],
        }
        print(json.dumps({"watched_s": whole.a.watched_s, **figures}))
    else:
        print("\n".join(whole.lines()))
    return 0


def _compared(path: str, given: Sequence[Config]) -> Comparison:
    """Both configurations on one recording. given: B, or A and B; A is else the recording's own."""
    from edge.alarms.simulate import simulate
    from edge.cli._shown import ShownRecording
    from edge.config import parse
    from edge.recording import set_marks, wall_at

    recording = ShownRecording(Path(path))
    if recording.headless and len(given) < 2:
        raise ConfigError(f"{recording.headless}; give --config twice: the configuration of then, and the other one")
    try:
        live = parse(recording.header.get("config", ""), path=f"{path} (header)")
    except ConfigError as error:
        if len(given) < 2:
            raise ConfigError(f"{error}; the version that recorded it took it: give --config twice") from None
        live = parse("")
    own = given[0] if len(given) == 2 else live
    beds = set(live.beds)  # readings are of these; without a configuration only they themselves tell
    if not live.text:
        beds |= {event.bed for event in _happenings(recording, []) if isinstance(event, Reading)}
    places = _places(live, beds, _first_state(recording))
    marks: list[ClockMark] = []
    told = simulate(_happenings(recording, marks), _rules(own, beds), _rules(given[-1], beds), places=places)
    if not told.readings:
        raise SourceError(f"{path}: holds no readings to judge")
    for text in recording.said:
        print(f"edge-vitals: {text}", file=sys.stderr)
    known = set_marks(marks)
    missed, added = (
        tuple(replace(one, wall=wall_at(one.raised, known)) for one in found) for found in (told.missed, told.added)
    )
    return replace(told, missed=missed, added=added)


def _happenings(recording: Recording, marks: list[ClockMark]) -> Iterator[Happening]:
    """What the rules judge, in order; what is said of the clock on the way is added to ``marks``."""
    from edge.recording import ClockMark, Tick

    for entry in recording.entries(samples=False):
        if isinstance(entry, (Reading, SourceStatus, Fault, Command)):
            yield entry
        elif isinstance(entry, Tick):
            yield float(entry.t)
        elif isinstance(entry, ClockMark):
            marks.append(entry)


def _first_state(recording: Recording) -> Mapping[str, Any]:
    """The beds as the board remembered them when the recording began; empty where somebody moved in before it said so."""
    from edge.recording import MainState

    for entry in recording.entries(samples=False):
        if isinstance(entry, MainState):
            beds: Mapping[str, Any] = entry.board.get("beds", {})
            return beds
        if isinstance(entry, Command) and entry.name == "site":
            break
    return {}


def _places(config: Config, beds: set[str], state: Mapping[str, Any]) -> dict[str, Place]:
    """Who lies in each recorded bed when it begins: by the configuration, or by a command before that."""
    from edge.alarms.auscultation import Auscultation, Place
    from edge.assembly import places_of
    from edge.dsp.pcg.decision import Calibration
    from edge.exact_replay import states_of_then
    from edge.inference.card import find_card

    calibration = Calibration.from_card(find_card("murmur").table)
    named, found = places_of(config, calibration), {}
    for bed in beds:
        place = named.get(bed, Place(calibration=calibration))
        one = Auscultation(place)
        if "auscultation" in state.get(bed, {}):
            with states_of_then():
                one.restore(state[bed]["auscultation"])
        found[bed] = replace(place, person=one.person, site=one.site)
    return found


def _rules(config: Config, beds: set[str]) -> dict[str, AlarmRules]:
    """The rules of each recorded bed; a bed the configuration does not name has those of every bed."""
    named = {name: bed.alarms for name, bed in config.beds.items()}
    return {name: named.get(name, config.bed_alarms) for name in beds | set(named)} | {DEVICE_BED: config.device_alarms}


def _figures(load: Load) -> dict[str, Any]:
    return {
        "alarms": len(load.occurrences),
        "a_day": load.a_day,
        "by_condition": dict(load.by_condition),
        "flood_minutes": load.flood_minutes,
        "standing": list(load.standing),
        "chattering": list(load.chattering),
    }
