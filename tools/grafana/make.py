#!/usr/bin/env python3
"""Write tools/grafana/edge-vitals.json: the dashboard, made of the metrics' own names. ``--check``: is it current?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("edge-vitals.json")
PANELS = [
    # title, kind, unit, width, expressions with legends
    ("Heart rate", "timeseries", "none", 12, [('edge_vitals_reading{metric=~".+hr"}', "{{bed}} {{metric}}")]),
    ("Quality", "timeseries", "percentunit", 12, [("edge_vitals_reading_quality", "{{bed}} {{source}} {{metric}}")]),
    ("Alarms that stand", "timeseries", "none", 12, [("edge_vitals_alarm", "{{bed}} {{condition}} {{priority}}")]),
    (
        "Alarm transitions an hour",
        "timeseries",
        "none",
        12,
        [("sum by (bed, condition) (increase(edge_vitals_alarm_transitions_total[1h]))", "{{bed}} {{condition}}")],
    ),
    ("Sources", "stat", "none", 6, [("edge_vitals_source_up", "{{bed}} {{source}}")]),
    ("Blind seconds an hour", "stat", "s", 6, [("increase(edge_vitals_source_blind_seconds_total[1h])", "{{source}}")]),
    (
        "Share of readings that are known",
        "timeseries",
        "percentunit",
        12,
        [
            (
                "1 - (sum by (bed, metric) (rate(edge_vitals_readings_unknown_total[5m]))"
                " or 0 * sum by (bed, metric) (rate(edge_vitals_readings_total[5m])))"  # never unknown: no such counter
                " / sum by (bed, metric) (rate(edge_vitals_readings_total[5m]))",
                "{{bed}} {{metric}}",
            )
        ],
    ),
    ("Latency", "timeseries", "s", 8, [("edge_vitals_latency_seconds", "{{percentile}}")]),
    (
        "Queues",
        "timeseries",
        "none",
        8,
        [
            ("edge_vitals_main_queue", "main"),
            ("edge_vitals_inbox_blocks", "{{source}}"),
            ("edge_vitals_outbox_events", "outbox"),
        ],
    ),
    (
        "Lost and reopened",
        "timeseries",
        "none",
        8,
        [
            ("rate(edge_vitals_dropped_blocks_total[5m])", "dropped {{source}}"),
            ("rate(edge_vitals_reopened_total[5m])", "reopened {{source}}"),
        ],
    ),
    ("Processor", "timeseries", "percentunit", 6, [("rate(edge_vitals_cpu_seconds_total[1m])", "cores")]),
    ("Memory", "timeseries", "bytes", 6, [("edge_vitals_resident_bytes", "resident")]),
    ("Temperature", "timeseries", "celsius", 6, [("edge_vitals_temperature_celsius", "board")]),
    ("Steps down the ladder", "stat", "none", 6, [("edge_vitals_degraded_steps", "steps")]),
    ("Version", "stat", "none", 6, [("edge_vitals_build_info", "{{device}} {{version}}")]),
]


def dashboard() -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    panels, x, y = [], 0, 0
    for number, (title, kind, unit, width, queries) in enumerate(PANELS, 1):
        if x + width > 24:
            x, y = 0, y + 8
        targets = [
            {"refId": chr(65 + i), "expr": expr, "legendFormat": legend, "datasource": source}
            for i, (expr, legend) in enumerate(queries)
        ]
        panels.append(
            {
                "id": number,
                "title": title,
                "type": kind,
                "datasource": source,
                "gridPos": {"x": x, "y": y, "w": width, "h": 8},
                "fieldConfig": {"defaults": {"unit": unit, "custom": {"spanNulls": False}}, "overrides": []},
                "targets": targets,
            }
        )
        x += width
    variable = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "uid": "edge-vitals",
        "title": "edge-vitals",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [variable]},
        "panels": panels,
    }


def main() -> int:
    text = json.dumps(dashboard(), indent=1) + "\n"
    if "--check" in sys.argv:
        return 0 if OUT.is_file() and OUT.read_text(encoding="utf-8") == text else 3
    OUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
