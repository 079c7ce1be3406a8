"""``edge-vitals run``: the service."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
from collections.abc import Iterator
from typing import Any


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "run",
        help="watch the beds of a configuration and publish what is seen",
        description="Read the sources, run the models, publish readings and alarms to MQTT until stopped. "
        "SIGTERM and Ctrl-C end it cleanly.",
        epilog="example: edge-vitals run bedside.toml --record night.evrec",
    )
    command.add_argument("config")
    command.add_argument("--seconds", type=float, metavar="N", help="stop after so long")
    command.add_argument(
        "--record", metavar="FILE.evrec", help="record what the analyzers see, for replay; never frames"
    )
    command.add_argument("--quiet", action="store_true", help="do not print readings and alarms")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run until stopped."""
    from edge.config import load
    from edge.service import build_service
    from edge.types import ConfigError

    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s %(message)s", stream=sys.stderr)
    config = load(args.config)
    if not config.sources:
        raise ConfigError(f"{args.config}: no [sources.NAME]: there is nothing to watch")
    service = build_service(config, console=not args.quiet, record=args.record)
    with stopped_by_signals(service.runtime):
        return service.run(args.seconds)


@contextlib.contextmanager
def stopped_by_signals(runtime: Any) -> Iterator[None]:
    """SIGTERM and SIGINT ask the runtime to end; the handlers of before come back afterwards."""
    before = {s: signal.signal(s, lambda *_: runtime.stop()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
