"""One alarm made again: found in its own recording, in a folder of such, or in any recording that holds it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli._day_times import DayTimes
from edge.cli._events import alarm_text, jsonl, value_text
from edge.types import Alarm, ConfigError, Reading, SourceError

if TYPE_CHECKING:
    from edge.config import Config
    from edge.recording import Entry, Recording

_NAMED = 5


def replay_alarm(wanted: str, inputs: Sequence[str], config: Config | None, *, as_json: bool) -> int:
    """Make the alarm again and say whether it is the same; 3 where it is not."""
    from edge.assembly import state_dir_of
    from edge.cli.replay.again import Again
    from edge.config import parse
    from edge.exact_replay import Comparison
    from edge.recording import pack

    if len(inputs) > 1:
        raise ConfigError("replay --alarm takes one recording or folder")
    place = Path(inputs[0]) if inputs else state_dir_of(config or parse("")) / "evidence"
    recording, entries, occurrence = _find(place, wanted)
    again, found, times = Again(recording), Comparison(), DayTimes(recording)
    found.notes += again.why_not()
    live = [e for e in entries if isinstance(e, Alarm) and e.occurrence == occurrence]
    made = list[Alarm]()
    readings = list[Reading]()
    for event in again.events(times.watched(entries), found):
        if isinstance(event, Alarm) and event.occurrence == occurrence:
            made.append(event)
            print(jsonl(event, times.told(event.t)) if as_json else times.line(event.t, alarm_text(event)))
        elif isinstance(event, Reading) and not made:
            readings.append(event)
    if made and not as_json:
        _tell(made[0], readings, times)
    same = found.same and bool(made) and list(map(pack, made[: len(live)])) == list(map(pack, live))
    verdict = "the same alarm" if same else "NOT the same" if made else "NOT raised again"
    print(f"edge-vitals: {occurrence}: {verdict}; {found.line()}", file=sys.stderr)
    for text in filter(None, (recording.damaged, recording.torn)):
        print(f"edge-vitals: {text}", file=sys.stderr)
    return 0 if same else 3


def _tell(alarm: Alarm, readings: Sequence[Reading], times: DayTimes) -> None:
    """The alarm's evidence in words, and the readings that led to it."""
    evidence, rule = alarm.evidence, alarm.evidence["rule"]
    told = evidence["reading"]
    figures = {
        "reading": decided(told),
        "limit": rule["limit"],
        "delays": f"on {rule['on_delay_s']:g} s, off {rule['off_delay_s']:g} s, {rule['confirm'][0]} of {rule['confirm'][1]}",
        "model": told.get("model") or ", ".join(told.get("detail", {}).get("models", {}).values()),
        "card": evidence.get("card") or ", ".join(evidence.get("cards", {}).values()),
    }
    for name, figure in figures.items():
        if figure not in (None, ""):
            print(f"          {name:<8} {figure}")
    for reading in [r for r in readings if r.metric == told.get("metric")][-_NAMED:]:
        print(times.line(reading.t, f"{reading.metric:<14} {value_text(reading)}  quality {reading.quality:.2f}"))


def decided(told: Mapping[str, Any]) -> str:
    """What decided, in words: a reading, and with a murmur the verdict on the person that it led to; or a state's text."""
    from edge.sinks.console import in_short

    if "metric" not in told:
        return str(told.get("text", ""))
    words = f"{told['metric']} {in_short(told['value'], '', told['reason'])}, quality {told['quality']:.2f}"
    patient = told.get("detail", {}).get("patient")
    if patient is None:
        return words
    p = "" if patient["p_present"] is None else f" ({patient['p_present']:.2f})"
    return f"{words}; the person, by {', '.join(patient['sites'])}: {patient['decision']}{p}"


def _find(place: Path, wanted: str) -> tuple[Recording, list[Entry], str]:
    """The recording, those of its entries that the alarm needs, and the alarm's occurrence."""
    from edge.recording import PARTS, Recording

    if place.is_dir() and not any(place.glob(PARTS)):
        path = _in_folder(place, wanted)
        recording = Recording(path)
        occurrence = path.stem
    elif not place.exists():
        raise SourceError(f"{place}: no such recording or folder; name the one that holds the alarm")
    else:
        recording = Recording(place)
        occurrence = _choose(wanted, _occurrences(recording), place)
    if recording.headless:
        raise SourceError(f"{recording.headless}; its alarms cannot be made again")
    if not recording.header.get("states"):
        raise SourceError(
            f"{recording.path}: was made by a program that did not record states; it cannot be made again"
        )
    if "occurrences" in recording.header:
        return recording, list(recording), occurrence
    return recording, _cut(recording, occurrence), occurrence


def _in_folder(folder: Path, wanted: str) -> Path:
    paths = {p.stem: p for p in sorted(folder.glob("*.evrec"), key=lambda p: p.stat().st_mtime)}
    return paths[_choose(wanted, paths, folder)]


def _occurrences(recording: Recording) -> list[str]:
    told = recording.header.get("occurrences")
    return told or list(dict.fromkeys(e.occurrence for e in recording if isinstance(e, Alarm)))


def _choose(wanted: str, there: Iterable[str], place: Path) -> str:
    """The occurrence that is meant, by itself or by the id of its alarm; raises SourceError naming those there are."""
    there = list(there)
    if wanted in there:
        return wanted
    of_id = [o for o in there if o.partition(".")[2].rpartition(".")[0] == wanted.replace("/", ".")]
    if len(of_id) == 1:
        return of_id[0]
    if of_id:
        raise SourceError(f"{place}: {wanted} was raised {len(of_id)} times; name one of {', '.join(of_id[-_NAMED:])}")
    raise SourceError(f"{place}: no alarm {wanted}; the newest there are: {', '.join(there[-_NAMED:]) or 'none'}")


def _cut(recording: Recording, occurrence: str) -> list[Entry]:
    """What the alarm's own recording would hold, out of a longer one."""
    from edge.config import parse
    from edge.evidence import Ring, exact_part
    from edge.kinds import settings_of
    from edge.sinks.evidence import build

    config = parse(recording.header.get("config", ""), path=f"{recording.path} (header)")
    told = config.sinks.get("evidence", {})
    around_s = {key: told.get(key, settings_of(build)[key][1]) for key in ("before_s", "after_s")}
    ring = Ring({s.name: s.bed for s in config.sources.values()}, **around_s)
    for entry in recording:
        for span, entries in ring.take(entry, dict):
            if occurrence in span.occurrences:
                return exact_part(entries, span)
    for span, entries in ring.cut(all_of_them=True):
        if occurrence in span.occurrences:
            return exact_part(entries, span)
    raise SourceError(f"{recording.path}: the beginning of {occurrence} is not in it")
