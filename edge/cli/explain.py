"""``edge-vitals explain``: what will run, and how long each alarm may take."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edge.cli._options import CONFIG_HELP

if TYPE_CHECKING:
    from edge.alarms.rules import AlarmRules
    from edge.lane import Lane


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "explain",
        help="print what will run and each alarm's worst-case delay",
        description="Print the sources, lanes, models and limits of a configuration, and for each alarm the worst-case "
        "seconds from the event to whoever hears of it: window, hop, fusion, confirmation, on-delay and processing.",
        epilog="example: edge-vitals explain bedside.toml",
    )
    command.add_argument("config", help=CONFIG_HELP)
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    from edge.alarms.conditions import OF_DEVICE
    from edge.assembly import all_lanes, check_alarms, shelf_to_look_at
    from edge.config import load

    config = load(args.config, to_watch=True)
    models = shelf_to_look_at(config)
    lanes = all_lanes(config, models)
    check_alarms(config, lanes)
    print(f"device {config.device}")
    for name, identity in models.identities().items():
        known = config.variant is not None or name in models.variants
        print(f"model  {name}: {identity}" + ("" if known else ", or what the first start finds to be faster here"))
    for bed in config.beds.values():
        print(f"\nbed {bed.name}" + (f", person {bed.person}" if bed.person else ""))
        mine = [lane for lane in lanes if lane.bed == bed.name]
        for lane in mine:
            source = config.sources[lane.source]
            print(f"  {lane.source} ({source.kind}) -> {lane.primary}")
            for name, analyzer in lane.analyzers.items():
                print(f"    {name}: {analyzer.window_s:g} s windows every {analyzer.hop_s:g} s")
        _alarms(
            bed.alarms, [name for name in bed.alarms.conditions if name not in OF_DEVICE], mine, site=bool(bed.site)
        )
    print("\nthe device itself")
    rings = "annunciator" in config.sinks
    of_device = OF_DEVICE if rings else OF_DEVICE - {"annunciator_lost"}
    if "mqtt" not in config.sinks:  # of which both are
        of_device -= {"broker_lost", "name_clash"}
    _alarms(config.device_alarms, [name for name in config.device_alarms.conditions if name in of_device], lanes)
    if config.delivery:
        steps = ", then ".join(f"{role.name} within {role.confirm_within_s:g} s" for role in config.delivery.roles)
        joins = "at the end" if config.delivery.last_resort else "from the first silence on"
        bell = f"the annunciator rings {joins}" if rings else "no [sinks.annunciator]: nothing rings at the bed"
        print(f"\n{config.delivery.minimum} priority and above is confirmed by {steps}; {bell}")
    if config.unheard:
        print(f"\n{config.unheard}")
    return 0


def _alarms(rules: AlarmRules, names: list[str], lanes: list[Lane], *, site: bool = False) -> None:
    from edge.cli._latency import rows

    print(f"  {'alarm':<16} {'priority':<9} {'limit':>7} {'confirm':>8} {'on-delay':>9} {'worst case':>11}")
    for row in rows([rules.conditions[name] for name in names], lanes, site=site):
        rule = row.condition
        limit = "" if rule.limit is None else f"{rule.limit:g}"
        confirm = f"{rule.k} of {rule.n}" if rule.n > 1 else ""
        last = "when the broker is back" if row.worst_s is None else f"{row.worst_s:>9.1f} s"
        print(f"  {row.name:<16} {row.priority:<9} {limit:>7} {confirm:>8} {rule.on_delay_s:>7g} s {last}")
