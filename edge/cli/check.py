"""``edge-vitals check``: is this configuration right?"""

from __future__ import annotations

import argparse


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "check",
        help="validate a configuration",
        description="Check every key, kind and limit of a configuration, that its models load, and the files, programs and "
        "places and ports that it names, as who runs this. Opens no device and no connection.",
        epilog="example: edge-vitals check bedside.toml",
    )
    command.add_argument("config")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Parse, construct every source and lane, load every model, let every sink judge; one line when all is well."""
    from edge.assembly import ModelShelf, build_lanes, build_source, check_alarms, refusals, state_dir_of
    from edge.cli.run import runs_there
    from edge.clock import SystemClock
    from edge.config import load
    from edge.ports import taken

    config = load(args.config, to_watch=True)
    models = ModelShelf(variant=config.variant, path=config.path)
    lanes = []
    for source in config.sources.values():
        build_source(source, SystemClock(), path=config.path)
        lanes += build_lanes(config, source, models)
    check_alarms(config, lanes)
    for refusal in refusals(config):
        raise refusal
    ports_are_its_own = runs_there(state_dir_of(config))
    for refusal in () if ports_are_its_own else taken(config):
        raise refusal
    beds, sources = len(config.beds), len(config.sources)
    print(
        f"{args.config}: right. {beds} bed(s), {sources} source(s), models: {', '.join(models.identities().values())}"
    )
    return 0
