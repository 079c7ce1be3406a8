"""Figures for Prometheus: ``http://host:port/metrics``. A value that is not known is absent, never zero or the last one.

Needs prometheus-client. The names stand in ``METRICS``; the Grafana dashboard in tools/grafana uses them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from edge.alarms.conditions import conditions_of
from edge.alarms.rules import AlarmRules
from edge.clock import Clock
from edge.ranges import Port, Text
from edge.sinks._newest import Newest
from edge.sinks.outbox import Outbox
from edge.types import DEVICE_BED, PRESENCES, PRIORITIES, Alarm, Event, Reading, SinkError, SourceStatus, Stats

METRICS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "edge_vitals_build_info": ("gauge", "1; version of the program", ("device", "version")),
    "edge_vitals_reading": (
        "gauge",
        "Newest value of a metric; absent while not known, three hops after its time, and while its source is away",
        ("bed", "source", "metric"),
    ),
    "edge_vitals_reading_quality": ("gauge", "Its quality, 0..1", ("bed", "source", "metric")),
    "edge_vitals_readings_total": ("counter", "Readings made", ("bed", "source", "metric")),
    "edge_vitals_readings_unknown_total": (
        "counter",
        "Readings without a value",
        ("bed", "source", "metric", "reason"),
    ),
    "edge_vitals_alarm": ("gauge", "1 while an alarm stands", ("bed", "condition", "source", "priority")),
    "edge_vitals_alarm_transitions_total": ("counter", "Alarm transitions", ("bed", "condition", "presence")),
    "edge_vitals_source_up": ("gauge", "1 while a source delivers", ("bed", "source")),
    "edge_vitals_source_blind_seconds_total": ("counter", "Seconds a source has been away", ("bed", "source")),
    "edge_vitals_latency_seconds": ("gauge", "From a window's end to its reading", ("percentile",)),
    "edge_vitals_main_queue": ("gauge", "Items that wait for the main thread", ()),
    "edge_vitals_inbox_blocks": ("gauge", "Blocks that wait for analysis", ("source",)),
    "edge_vitals_dropped_blocks_total": ("counter", "Blocks dropped because analysis was late", ("source",)),
    "edge_vitals_reopened_total": ("counter", "Times a source had to be opened again", ("source",)),
    "edge_vitals_outbox_events": ("gauge", "Alarm events not yet delivered", ()),
    "edge_vitals_resident_bytes": ("gauge", "Memory of the process in RAM", ()),
    "edge_vitals_cpu_seconds_total": ("counter", "Processor time used", ()),
    "edge_vitals_temperature_celsius": ("gauge", "Of the board; absent where it does not say", ()),
    "edge_vitals_degraded_steps": ("gauge", "Steps down the degradation ladder; 0 is full service", ()),
}
"""Name to type, meaning, labels."""
_NEWEST: Final = ("edge_vitals_reading", "edge_vitals_reading_quality")
_TEMPERATURE: Final = "edge_vitals_temperature_celsius"


def build(
    *,
    device_name: str,
    clock: Clock,
    hops: Mapping[str, float],
    outbox: Outbox | None = None,
    version: str = "",
    standing: Sequence[Alarm] = (),
    bed_rules: Mapping[str, AlarmRules] | None = None,
    host: Text = "127.0.0.1",
    port: Port = 9464,
    checking: bool = False,
) -> MetricsSink | None:
    """An endpoint for Prometheus.

    host: the address to listen on; there is no login, so anything but loopback belongs behind a firewall. port: where
    ``/metrics`` is; 0 = any free one. Sixteen may be connected at once, each for ten seconds.
    """
    import prometheus_client  # noqa: F401 - that it is missing is to be known before a port is opened

    if checking:
        return None
    return MetricsSink(device_name, clock, hops, outbox, version, standing, bed_rules or {}, host, port)


class MetricsSink:
    """See ``build``. ``port``: the one it listens on."""

    def __init__(
        self,
        device_name: str,
        clock: Clock,
        hops: Mapping[str, float],
        outbox: Outbox | None,
        version: str,
        standing: Sequence[Alarm],
        bed_rules: Mapping[str, AlarmRules],
        host: str,
        port: int,
    ) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, make_wsgi_app
        from prometheus_client.core import GaugeMetricFamily

        from edge.sinks._metrics_server import MetricsServer

        self._outbox = outbox
        self._registry = CollectorRegistry()
        families = [partial(GaugeMetricFamily, name, METRICS[name][1], labels=METRICS[name][2]) for name in _NEWEST]
        self._newest = Newest(clock, hops, *families)
        self._registry.register(self._newest)
        make = {"gauge": Gauge, "counter": Counter}
        self._of: dict[str, Any] = {
            name: make[kind](name, text, labels, registry=self._registry)
            for name, (kind, text, labels) in METRICS.items()
            if name not in (*_NEWEST, _TEMPERATURE)
        }
        self._gauge = Gauge
        self._of["edge_vitals_build_info"].labels(device_name, version).set(1)
        self._totals: dict[tuple[str, str], float] = {}
        self._away: dict[tuple[str, str], tuple[float, float]] = {}  # since when, and what of it is counted, s
        for alarm in standing:  # from before a restart, of which no transition will tell
            self._stands(alarm)
        # Prometheus sees only what a counter it knows rises by: the first alarm of a new one would count for nothing.
        for bed, condition in _possible(bed_rules):
            for presence in PRESENCES:
                self._metric("alarm_transitions_total", bed, condition, presence)
        self._server: MetricsServer | None = MetricsServer(host, port, make_wsgi_app(self._registry))
        self.port = self._server.port

    def send(self, event: Event) -> None:
        if isinstance(event, Reading):
            self._reading(event)
        elif isinstance(event, Alarm) and not event.drill:
            self._metric("alarm_transitions_total", event.bed, event.condition, event.presence).inc()
            self._stands(event)
        elif isinstance(event, SourceStatus):
            if event.state in ("offline", "disabled"):
                self._newest.forget(event.bed, event.source)
            self._metric("source_up", event.bed, event.source).set(float(event.state in ("online", "degraded")))
            self._blind(event)
        elif isinstance(event, Stats):
            for key in self._away:
                self._count_away(key, event.t)
            self._stats(event.figures)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - Prometheus comes and fetches
        return True

    def close(self) -> None:
        """Stop to listen; calling twice is harmless."""
        server, self._server = self._server, None
        if server is not None and not server.stop():
            raise SinkError("the metrics endpoint did not stop")

    def _metric(self, name: str, *labels: str) -> Any:
        metric = self._of[f"edge_vitals_{name}"]
        return metric.labels(*labels) if labels else metric

    def _reading(self, reading: Reading) -> None:
        key = (reading.bed, reading.source, reading.metric)
        self._metric("readings_total", *key).inc()
        self._newest.take(reading)
        if reading.value is None:
            self._metric("readings_unknown_total", *key, reading.reason).inc()

    def _blind(self, status: SourceStatus) -> None:
        """Count while a source is away; what it says when it is back holds for the whole."""
        key = (status.bed, status.source)
        if status.state == "offline":
            self._away.setdefault(key, (status.since, 0.0))
            self._count_away(key, status.t)
        else:
            _, counted_s = self._away.pop(key, (0.0, 0.0))
            self._metric("source_blind_seconds_total", *key).inc(max(0.0, status.blind_s - counted_s))

    def _count_away(self, key: tuple[str, str], now: float) -> None:
        since, counted_s = self._away[key]
        self._away[key] = (since, max(counted_s, now - since))
        self._metric("source_blind_seconds_total", *key).inc(self._away[key][1] - counted_s)

    def _stands(self, alarm: Alarm) -> None:
        if alarm.drill:
            return
        for priority in PRIORITIES:
            self._drop("alarm", alarm.bed, alarm.condition, alarm.source, priority)
        if alarm.presence != "off":
            self._metric("alarm", alarm.bed, alarm.condition, alarm.source, alarm.priority).set(1)

    def _stats(self, figures: Mapping[str, Any]) -> None:
        latency = figures.get("latency_ms") or {}
        for percentile, name in (("50", "p50"), ("95", "p95")):
            if name in latency:
                self._metric("latency_seconds", percentile).set(latency[name] / 1000.0)
            else:
                self._drop("latency_seconds", percentile)
        self._metric("main_queue").set(figures.get("main_queue", 0))
        for source, blocks in figures.get("inbox_blocks", {}).items():
            self._metric("inbox_blocks", source).set(blocks)
        for name in ("dropped_blocks", "reopened"):
            for source, count in figures.get(name, {}).items():
                self._rise(f"{name}_total", count, source)
        self._metric("resident_bytes").set(figures.get("resident_mb", 0.0) * 1e6)
        self._rise("cpu_seconds_total", figures.get("cpu_s", 0.0))
        self._metric("degraded_steps").set(len(figures.get("degraded", ())))
        if self._outbox is not None:
            self._metric("outbox_events").set(len(self._outbox))
        temperature_c = figures.get("temperature_c")
        if temperature_c is None:
            if _TEMPERATURE in self._of:
                self._registry.unregister(self._of.pop(_TEMPERATURE))
        else:
            if _TEMPERATURE not in self._of:
                self._of[_TEMPERATURE] = self._gauge(_TEMPERATURE, METRICS[_TEMPERATURE][1], registry=self._registry)
            self._of[_TEMPERATURE].set(temperature_c)

    def _rise(self, name: str, total: float, label: str = "") -> None:
        """A counter follows a total that is counted elsewhere."""
        before = self._totals.get((name, label), 0.0)
        self._totals[name, label] = total
        self._metric(name, *([label] if label else [])).inc(max(0.0, total - before))

    def _drop(self, name: str, *labels: str) -> None:
        metric = self._of[f"edge_vitals_{name}"]
        if labels in metric._metrics:
            metric.remove(*labels)


def _possible(bed_rules: Mapping[str, AlarmRules]) -> list[tuple[str, str]]:
    """Bed and condition of each alarm that may be raised."""
    if not bed_rules:
        return []
    of_beds = [(bed, one) for bed, rules in bed_rules.items() for one in conditions_of(bed) if rules[one].enabled]
    return [*((DEVICE_BED, one) for one in conditions_of(DEVICE_BED)), *of_beds]
