"""Is each source there, and was enough of it seen? The technical alarms that no single reading can raise."""

from __future__ import annotations

from typing import Final

from edge.alarms.bed import Bed
from edge.alarms.conditions import BESIDE, DISPENSABLE
from edge.alarms.judge import Finding
from edge.alarms.lifecycle import Lifecycle
from edge.types import Alarm, Fault, Reading, SourceStatus

COVERAGE_FROM_S: Final = 600.0
"""A metric must have been there for so long before its coverage is judged."""
COVERAGE_HYSTERESIS: Final = 0.05
_STATUS: Final = "status"
_SILENCE: Final = "silence:"
_ANY: Final = ""
"""Stands for the streams of a source that has given none so far."""


def source_state(bed: Bed, status: SourceStatus) -> list[Alarm]:
    """What a source says of itself."""
    bed.coverage.status(status)
    told = _expected(bed, status)
    text = f"No data from {status.source}: {status.reason}" if status.reason else ""
    lost = Fault("source_lost", status.t, status.state == "offline", text, bed.name, status.source)
    line = bed.line(bed.rules["source_lost"], status.source)
    told_of = line.says(_STATUS) or line.holds(_STATUS)  # also where it was back for less than the off-delay
    hidden = lost.present and line.standing and not told_of
    told += _state(bed, lost, _STATUS)
    return told + bed.tell(line, line.reword(text, status.t, more=True)) if hidden else told


def _expected(bed: Bed, status: SourceStatus) -> list[Alarm]:
    """From a source that is there something must come; of one that is off nothing is missed."""
    streams = bed.silent_since.setdefault(status.source, {})
    bed.off.discard(status.source)
    if status.state in ("online", "degraded"):
        if status.announced:
            bed.announced[status.source] = frozenset(status.announced)
        if streams and _ANY not in streams:
            _promise(bed, status.source)
        if not streams and (bed.watches is None or status.source in bed.watches):
            streams[_ANY] = None
        return []
    over = [stream for stream in streams if stream == _ANY]
    if status.state == "disabled":
        bed.off.add(status.source)
        over = list(streams)
    found: list[Alarm] = []
    for stream in over:
        found += _speaks(bed, status.source, stream, status.t)
        del streams[stream]
    return found


def faulty(bed: Bed, fault: Fault) -> list[Alarm]:
    """What the runtime says of the program or the device; raises ValueError for what is no technical condition.

    A further cause of what was acknowledged would hide behind the first: it sounds again, and all are named.
    """
    rule = bed.rules.conditions.get(fault.condition)
    if rule is None or rule.kind != "technical":
        raise ValueError(f"{fault.condition!r} is not a technical condition")
    line, feed = bed.line(rule, fault.source), f"fault:{fault.source}"
    seen, held = line.presence == "ack", line.holds(feed)
    told, causes = _state(bed, fault, feed), line.causes()
    if told or not causes:
        return told
    if seen and line.holds(feed) and not held:
        return bed.tell(line, line.reword("; ".join(causes), fault.t, more=True))
    # What fails is noticed by several at once, and is one alarm; its next word names them all.
    line.text = "; ".join(causes)
    return []


def heard(bed: Bed, reading: Reading) -> list[Alarm]:
    """The reading's stream speaks: it is not silent any more."""
    if reading.source in bed.off:
        return []  # of what was still on its way
    streams, stream = bed.silent_since.setdefault(reading.source, {}), reading.metric.partition(".")[0]
    found = _speaks(bed, reading.source, stream, reading.t)
    if _ANY in streams:
        found += _speaks(bed, reading.source, _ANY, reading.t)
        del streams[_ANY]
    if stream not in streams:  # the source sends: so must those of its others that are promised
        _promise(bed, reading.source)
    streams[stream] = None
    return found


def alone(bed: Bed, reading: Reading) -> list[Alarm]:
    """Where only one rate is left, nothing differs any more: a ``hr_disagree`` that stands begins to end. Before it stands
    a rate that is missing for a moment must not begin its on-delay anew."""
    if reading.metric != "fused.hr" or len(reading.detail.get("lanes", ())) > 1:
        return []
    line = bed.lines.get(f"{bed.name}/hr_disagree")
    if line is None or not line.standing:
        return []
    return bed.tell(line, line.observe("/fused.spread", reading.t, Finding("no")))


def _promise(bed: Bed, source: str) -> None:
    streams = bed.silent_since[source]
    streams.update(dict.fromkeys(bed.promised(source) - streams.keys()))


def silent(bed: Bed, now: float) -> list[Alarm]:
    """Streams that spoke once, or are promised, and have not for too long, and sources that are there and never spoke."""
    rule, silent_s = bed.rules["source_lost"], bed.rules.silent_s
    found: list[Alarm] = []
    for source, streams in bed.silent_since.items():
        missing: list[str] = []
        for stream, last in streams.items():
            if last is None:
                streams[stream] = now
            elif silent_s and now - last > silent_s:
                missing.append(stream)
        if missing and rule.enabled:
            found += _missing(bed, source, sorted(missing), now)
    return found


def _missing(bed: Bed, source: str, streams: list[str], now: float) -> list[Alarm]:
    """What says nothing, by name; more of it than was told before sounds again, for it would hide behind the first."""
    line = bed.line(bed.rules["source_lost"], source)
    what = f"No {', '.join(streams)} readings" if streams != [_ANY] else "No readings at all"
    text = f"{what} from {source} for {bed.rules.silent_s:.0f} s"
    fresh = [stream for stream in streams if not line.says(_SILENCE + stream)]
    # All of it is, and that was told; back for less than the off-delay it has had no time to say anything.
    away = line.says(_STATUS) or line.holds(_STATUS)
    doubted = any(line.doubts(_SILENCE + stream) for stream in streams)
    if not fresh and not doubted and line.standing and (away or line.text == text):
        return []
    found: list[Alarm] = []
    for stream in streams:
        found += _state(bed, Fault("source_lost", now, True, text, bed.name, source), _SILENCE + stream)
    told = away or found or (line.text == text and not fresh)
    return found if told else bed.tell(line, line.reword(text, now, more=bool(fresh)))


def _speaks(bed: Bed, source: str, stream: str, t: float) -> list[Alarm]:
    rule, feed = bed.rules["source_lost"], _SILENCE + stream
    if not bed.line(rule, source).says(feed):
        return []
    return _state(bed, Fault(rule.name, t, False, "", bed.name, source), feed)


def ill_watched(bed: Bed, now: float) -> list[Alarm]:
    """Metrics of which too little of the last hour is known, or enough again."""
    limit, found = bed.rules.coverage_limit, list[Alarm]()
    for source, metric in bed.coverage.streams() if limit else ():
        share = bed.coverage.share_running(source, metric, now)
        if share is None or bed.coverage.watched_s(source, metric, now) < COVERAGE_FROM_S:
            continue
        feed, line = f"coverage:{metric}", bed.line(bed.rules["low_quality"], source)
        said = line.says(feed)
        # half of the way where it is short: all of an hour is never known, its newest seconds are yet to come
        least = limit + min(COVERAGE_HYSTERESIS, (1.0 - limit) / 2) if said else limit
        low, text = not _spared(bed, metric) and share < least, ""
        if low:
            cause = bed.coverage.main_cause(source, metric, now)
            text = f"{metric} of {source} known for {share:.0%} of the last hour: {cause}"
        if low != said:
            found += _state(bed, Fault("low_quality", now, low, text, bed.name, source), feed)
        elif low and not line.text and not _poor(bed, line, source):
            found += bed.tell(line, line.reword(text, now, more=False))
    return found


def _poor(bed: Bed, line: Lifecycle, source: str) -> bool:
    """Whether readings of the source hold the alarm: else its signal is good again, and the alarm must not deny it."""
    return any(line.holds(f"{source}/{metric}") for of, metric in bed.coverage.streams() if of == source)


def _spared(bed: Bed, metric: str) -> bool:
    """Whether too little of it is no matter here."""
    rates = {other for _, other in bed.coverage.streams() if other.endswith(".hr")}
    return metric in DISPENSABLE or (metric in BESIDE and bool(rates - BESIDE))


def _state(bed: Bed, said: Fault, feed: str) -> list[Alarm]:
    rule = bed.rules[said.condition]
    if not rule.enabled:
        return []
    line = bed.line(rule, said.source)
    finding = Finding("yes" if said.present else "no")
    evidence = {"source": said.source, "feed": feed, "t": said.t, "text": said.text}
    return bed.tell(line, line.observe(feed, said.t, finding, evidence=evidence, text=said.text, clocked=True))
