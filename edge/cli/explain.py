"""``edge-vitals explain``: what will run, and how long each alarm may take."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.alarms.conditions import Condition
    from edge.lane import Lane

PROCESSING_S = 0.5
"""Allowance from a window's end to its transition at a broker nearby: analysis, durable write, delivery."""

STATED_S = {
    "asystole": 18.0,
    "brady": 32.0,
    "tachy": 32.0,
    "af": 63.0,
    "murmur": 22.0,
    "hr_disagree": 38.0,
    "sensor_off": 23.0,
    "low_quality": 78.0,
    "source_lost": 7.0,
}
"""What the documents promise with the shipped delays: worst-case seconds from the event to MQTT."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "explain",
        help="print what will run and each alarm's worst-case delay",
        description="Print the sources, lanes, models and limits of a configuration, and for each alarm the worst-case "
        "seconds from the event to MQTT: window, hop, confirmation, on-delay and processing.",
        epilog="example: edge-vitals explain bedside.toml",
    )
    command.add_argument("config")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    from edge.alarms.conditions import CONDITIONS
    from edge.assembly import ModelShelf, build_lanes
    from edge.config import load

    config = load(args.config)
    models = ModelShelf(variant=config.variant)
    lanes = [lane for source in config.sources.values() for lane in build_lanes(config, source, models)]
    print(f"device {config.device}")
    for name, identity in models.identities().items():
        print(f"model  {name}: {identity}")
    for bed in config.beds.values():
        print(f"\nbed {bed.name}" + (f", person {bed.person}" if bed.person else ""))
        mine = [lane for lane in lanes if lane.bed == bed.name]
        for lane in mine:
            source = config.sources[lane.source]
            print(f"  {lane.source} ({source.kind}) -> {lane.primary}")
            for name, analyzer in lane.analyzers.items():
                print(f"    {name}: {analyzer.window_s:g} s windows every {analyzer.hop_s:g} s")
        print(f"  {'alarm':<12} {'priority':<9} {'limit':>7} {'confirm':>8} {'on-delay':>9} {'worst case':>11}")
        for condition in (bed.alarms[name] for name in CONDITIONS):
            worst = worst_case_s(condition, mine)
            if worst is None or not condition.enabled:
                continue
            limit = "" if condition.limit is None else f"{condition.limit:g}"
            confirm = f"{condition.k} of {condition.n}" if condition.k > 1 else ""
            print(
                f"  {condition.name:<12} {condition.priority:<9} {limit:>7} {confirm:>8} "
                f"{condition.on_delay_s:>7g} s {worst:>9.1f} s"
            )
    if config.delivery:
        steps = ", then ".join(f"{role.name} within {role.confirm_within_s:g} s" for role in config.delivery.roles)
        joins = "at the end" if config.delivery.last_resort else "from the first silence on"
        print(f"\n{config.delivery.minimum} priority and above is confirmed by {steps}; the annunciator rings {joins}")
    return 0


def worst_case_s(condition: Condition, lanes: list[Lane]) -> float | None:
    """Seconds from the event to MQTT at most, while the signal is good; None where no lane feeds the condition.

    The slowest analyzer that feeds the condition must have seen the event in a full window.
    """
    from edge.fusion import METRICS as FUSED

    metrics = {m for c in condition.metrics for m in (FUSED if c.startswith("fused.") else (c,))}
    feeding = [
        analyzer
        for lane in lanes
        for analyzer in lane.analyzers.values()
        if not metrics or metrics & set(analyzer.metrics)
    ]
    if condition.name == "source_lost":
        from edge.runtime import LOST_AFTER_S

        return LOST_AFTER_S + condition.longest_confirm_s + PROCESSING_S if lanes else None
    if not feeding:
        return None
    slowest = max(a.window_s + a.hop_s for a in feeding)
    return slowest + condition.longest_confirm_s + PROCESSING_S
