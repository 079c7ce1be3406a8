"""Worst-case seconds from an event to its alarm at the broker, by condition: what ``explain`` prints and CI holds to.

An event must fill the window of the slowest analyzer that feeds the condition; then come the next hop, fusion where
several lanes are asked, confirmation, the on-delay and the way to the broker. While the signal is good: readings that
are not known pause confirmation and delays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from edge.alarms.conditions import DRILL, OF_DEVICE, STOPS_TOLD_BY
from edge.types import FUSED, HEARTBEAT_EVERY_S

if TYPE_CHECKING:
    from edge.alarms.conditions import Condition
    from edge.lane import Lane
    from edge.types import Analyzer

PROCESSING_S: Final = 0.5
"""Allowance from a window's end to its transition at a broker nearby: analysis, durable write, delivery."""

_UNWORN: Final = frozenset({"roi"})  # streams of what is not on the body, which no sensor_off comes of

STATED_S: Final[Mapping[str, float]] = MappingProxyType(
    {
        "af": 63.0,
        "brady": 35.0,
        "brady severe": 26.0,
        "tachy": 35.0,
        "tachy severe": 26.0,
        "asystole": 21.0,
        "murmur": 22.0,
        "hr_disagree": 41.0,
        "sensor_off": 23.0,
        "low_quality": 78.0,
        "source_lost": 7.0,
        "clock_step": 1.0,
        "overload": 6.0,
        "outbox_full": 6.0,
        "recording_lost": 11.0,
        "model_fault": 3.0,
        "name_clash": 6.0,
        "annunciator_lost": 1.0,
        "drill": 1.0,
    }
)
"""What the documents promise for a bed with PPG, heart sound and camera and the shipped limits and delays. No row for
``broker_lost``: nothing reaches a broker that is not there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the plan: a condition, or its severe form. worst_s: None where MQTT itself is what is lost."""

    name: str
    priority: str
    condition: Condition
    worst_s: float | None


def rows(conditions: Iterable[Condition], lanes: Sequence[Lane], *, site: bool = False) -> Iterator[Row]:
    """The alarms that can come with these lanes, each severe form after its own. site: see ``worst_case_s``."""
    for condition in conditions:
        worst_s = worst_case_s(condition, lanes, site=site)
        if not condition.enabled or (worst_s is None and condition.name not in OF_DEVICE):
            continue
        yield Row(condition.name, condition.priority, condition, worst_s)
        if condition.severe is not None:
            worst_s = worst_case_s(condition.severe, lanes)
            yield Row(f"{condition.name} severe", condition.severe_priority, condition.severe, worst_s)


def worst_case_s(condition: Condition, lanes: Sequence[Lane], *, site: bool = False) -> float | None:
    """Seconds from the event to MQTT at most; None where no lane feeds the condition, or MQTT is what is lost.

    site: it is known where the microphone sits, so that a murmur is judged over all that was heard there of late.
    """
    from edge.alarms.auscultation import METRIC, STRETCH_S
    from edge.program.disk_beat import BEAT_EVERY_S
    from edge.recording.batches import BATCH_S
    from edge.runtime.reader import LOST_AFTER_S
    from edge.runtime.threads import TICK_S

    if condition.name == "broker_lost":
        return None
    if condition.name == DRILL:
        return PROCESSING_S
    if condition.name in OF_DEVICE:
        every_s = {"name_clash": HEARTBEAT_EVERY_S, "outbox_full": BEAT_EVERY_S, "recording_lost": BATCH_S}
        return every_s.get(condition.name, 0.0) + TICK_S + _in_ticks(condition.on_delay_s, TICK_S) + PROCESSING_S
    if condition.name == "source_lost":
        return LOST_AFTER_S + TICK_S + _in_ticks(condition.on_delay_s, TICK_S) + PROCESSING_S if lanes else None
    feeding = _feeding(condition, lanes)
    if not _can_come(condition, feeding):
        return None
    if condition.name == "model_fault":
        return max(a.hop_s for a in feeding) + PROCESSING_S
    fusion_s, step_s = _fusion_s(condition, feeding)
    if fusion_s is None:
        return None
    slowest = max(a.window_s + a.hop_s + _confirm_s(condition, max(a.hop_s, step_s)) for a in feeding)
    stretch_s = STRETCH_S if site and METRIC in condition.metrics else 0.0
    return slowest + stretch_s + fusion_s + PROCESSING_S


def _feeding(condition: Condition, lanes: Sequence[Lane]) -> list[Analyzer]:
    """The analyzers whose readings the condition listens to; a technical one listens to all."""
    from edge.fusion import METRICS

    metrics = {m for c in condition.metrics for m in (METRICS if c.startswith(FUSED) else (c,))}
    analyzers = [analyzer for lane in lanes for analyzer in lane.analyzers.values()]
    return [a for a in analyzers if not metrics or metrics & set(a.metrics)]


def _can_come(condition: Condition, feeding: Sequence[Analyzer]) -> bool:
    """Whether one of the analyzers that feed the condition tells what it asks for."""
    if condition.name == "sensor_off":
        return any(a.streams[0] not in _UNWORN for a in feeding)
    if condition.name == "asystole" and any(metric.startswith(FUSED) for metric in condition.metrics):
        return any(STOPS_TOLD_BY & set(a.metrics) for a in feeding)
    return bool(feeding)


def _fusion_s(condition: Condition, feeding: Sequence[Analyzer]) -> tuple[float | None, float]:
    """What fusion adds, and its hop. It makes a value a second, and waits for lanes that are late; a spread needs two."""
    from edge.fusion import HOP_S, LAG_S, SPREAD

    if not any(metric.startswith(FUSED) for metric in condition.metrics):
        return 0.0, 0.0
    if len(feeding) > 1:
        return HOP_S + LAG_S, HOP_S
    return (None if SPREAD in condition.metrics else HOP_S), HOP_S


def _confirm_s(condition: Condition, hop_s: float) -> float:
    """From the first window that shows it to the alarm: votes and the on-delay both move in whole hops."""
    votes_s = condition.k * _in_ticks(condition.spacing_s, hop_s) if condition.n > 1 else 0.0
    return votes_s + _in_ticks(condition.on_delay_s, hop_s)


def _in_ticks(seconds: float, tick_s: float) -> float:
    return math.ceil(seconds / tick_s - 1e-9) * tick_s
