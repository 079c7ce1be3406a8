"""``edge-vitals check``: is this configuration right?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.cli._options import CONFIG_HELP
from edge.types import ConfigError, EdgeVitalsError, ModelError

if TYPE_CHECKING:
    from edge.assembly import ModelShelf
    from edge.config import Config
    from edge.lane import Lane


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "check",
        help="validate a configuration",
        description="Check every key, kind and limit of a configuration, that its models load, and the files, programs, "
        "folders and ports that it names, by the rights of whoever runs this. Opens no device and no connection.",
        epilog="example: edge-vitals check bedside.toml",
    )
    command.add_argument("config", help=CONFIG_HELP)
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Parse, construct every source and lane, load every model, let every sink judge; one line when all is well, and one
    for each broken variant and where nobody would hear of an alarm; else one a mistake."""
    from edge.assembly import shelf_to_look_at
    from edge.config import load

    config = load(args.config, to_watch=True)
    models = shelf_to_look_at(config)
    wrong = dict.fromkeys(str(mistake) for mistake in _mistakes(config, models))  # two sources may share one
    for line in wrong:
        print(f"edge-vitals: {line}", file=sys.stderr)
    if wrong:
        return 2
    beds, sources = len(config.beds), len(config.sources)
    known = ", ".join(models.identities().values()) or "none"
    print(f"{args.config}: right. {beds} bed(s), {sources} source(s), models: {known}")
    for name, fault in models.faults():
        print(f"{args.config}: {name}: {fault}; another variant runs, and `model_fault` stands")
    if config.unheard:
        print(f"{args.config}: {config.unheard}")
    return 0


def _mistakes(config: Config, models: ModelShelf) -> Iterator[EdgeVitalsError]:
    from edge.assembly import build_lanes, build_source, check_alarms, refusals, state_dir_of
    from edge.clock import SystemClock
    from edge.ports import taken
    from edge.storage.state_lock import runs_there

    lanes: list[Lane] | None = []
    for source in config.sources.values():
        try:
            build_source(source, SystemClock(), path=config.path, checking=True)
        except ConfigError as error:
            yield error
        try:
            built = build_lanes(config, source, models)
        except (ConfigError, ModelError) as error:
            yield error
            lanes = None
        else:
            lanes = None if lanes is None else [*lanes, *built]
    if lanes is not None:  # else nobody knows what is read
        try:
            check_alarms(config, lanes)
        except ConfigError as error:
            yield error
    yield from refusals(config)
    if not runs_there(state_dir_of(config)):  # else they are its own
        yield from taken(config)
