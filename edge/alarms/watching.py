"""Is each source there, and was enough of it seen? The technical alarms that no single reading can raise."""

from __future__ import annotations

from typing import Final

from edge.alarms.bed import Bed
from edge.alarms.conditions import DISPENSABLE
from edge.alarms.judge import Finding
from edge.types import Alarm, Fault, Reading, SourceStatus

COVERAGE_FROM_S: Final = 600.0
"""A metric must have been there for so long before its coverage is judged."""
COVERAGE_HYSTERESIS: Final = 0.05


def source_state(bed: Bed, status: SourceStatus) -> list[Alarm]:
    """What a source says of itself."""
    bed.coverage.status(status)
    if status.state == "disabled":
        bed.heard.pop(status.source, None)
    text = f"No data from {status.source}: {status.reason}" if status.reason else ""
    lost = Fault("source_lost", status.t, status.state == "offline", text, bed.name, status.source)
    return _state(bed, lost, "status")


def faulty(bed: Bed, fault: Fault) -> list[Alarm]:
    """What the runtime says of the program or the device; raises ValueError for what is no technical condition."""
    rule = bed.rules.conditions.get(fault.condition)
    if rule is None or rule.kind != "technical":
        raise ValueError(f"{fault.condition!r} is not a technical condition")
    return _state(bed, fault, f"fault:{fault.source}")


def heard(bed: Bed, reading: Reading) -> list[Alarm]:
    """The reading's source speaks: it is not silent any more."""
    source, rule = reading.source, bed.rules["source_lost"]
    bed.heard[source] = None
    if not rule.enabled or not bed.line(rule, source).says("silence"):
        return []
    return _state(bed, Fault(rule.name, reading.t, False, "", bed.name, source), "silence")


def silent(bed: Bed, now: float) -> list[Alarm]:
    """Sources that spoke once and have not for too long."""
    rule, silent_s = bed.rules["source_lost"], bed.rules.silent_s
    found: list[Alarm] = []
    for source, last in bed.heard.items():
        if last is None:
            bed.heard[source] = now
        elif rule.enabled and silent_s and now - last > silent_s and not bed.line(rule, source).says("silence"):
            text = f"No readings from {source} for {silent_s:.0f} s"
            found += _state(bed, Fault(rule.name, now, True, text, bed.name, source), "silence")
    return found


def ill_watched(bed: Bed, now: float) -> list[Alarm]:
    """Metrics of which too little of the last hour is known, or enough again."""
    limit, found = bed.rules.coverage_limit, list[Alarm]()
    for source, metric in bed.coverage.streams() if limit else ():
        share = bed.coverage.share_running(source, metric, now)
        if share is None or bed.coverage.watched_s(source, metric, now) < COVERAGE_FROM_S:
            continue
        feed = f"coverage:{metric}"
        said = bed.line(bed.rules["low_quality"], source).says(feed)
        low = metric not in DISPENSABLE and share < limit + (COVERAGE_HYSTERESIS if said else 0.0)
        if low != said:
            cause = bed.coverage.main_cause(source, metric, now)
            text = f"{metric} of {source} known for {share:.0%} of the last hour: {cause}" if low else ""
            found += _state(bed, Fault("low_quality", now, low, text, bed.name, source), feed)
    return found


def _state(bed: Bed, said: Fault, feed: str) -> list[Alarm]:
    rule = bed.rules[said.condition]
    if not rule.enabled:
        return []
    line = bed.line(rule, said.source)
    finding = Finding("yes" if said.present else "no")
    evidence = {"source": said.source, "feed": feed, "t": said.t, "text": said.text}
    return bed.tell(line, line.observe(feed, said.t, finding, evidence=evidence, text=said.text, clocked=True))
