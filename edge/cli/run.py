"""``edge-vitals run``: the service."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from edge.cli._options import CONFIG_HELP, seconds
from edge.program.logs import JsonFormatter, LogSink
from edge.types import Sink

if TYPE_CHECKING:
    from edge.config import Config
    from edge.program.state_disk import Silent


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "run",
        help="watch the beds of a configuration and publish what is seen",
        description="Read the sources, run the models, publish readings and alarms to MQTT until stopped. "
        "SIGTERM, Ctrl-C and a terminal that is closed (SIGHUP, unless nohup) end it cleanly; what more of them come until "
        "it is gone changes nothing. SIGKILL ends one that hangs.",
        epilog="example: edge-vitals run bedside.toml --record night.evrec",
    )
    command.add_argument("config", help=CONFIG_HELP)
    command.add_argument("--seconds", type=seconds, metavar="N", help="stop after so long")
    command.add_argument(
        "--record", metavar="FILE.evrec", help="record what the analyzers see, for replay; never frames"
    )
    command.add_argument("--quiet", action="store_true", help="do not print readings and alarms")
    command.add_argument(
        "--log", choices=("text", "json"), default="text", help="json: a line an object, with ids, alarms among them"
    )
    command.set_defaults(func=run)


def begin_logging(form: str, device: str) -> str:
    """Log to stderr as ``text`` or ``json``; returns the id of this run, which every JSON line carries."""
    from edge.assembly import boot_id

    boot = boot_id()
    to_stderr = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(levelname).1s %(name)s %(message)s")
    to_stderr.setFormatter(JsonFormatter({"device": device, "boot": boot}) if form == "json" else plain)
    logging.basicConfig(level=logging.INFO, handlers=[to_stderr], force=True)
    return boot


def run(args: argparse.Namespace) -> int:
    """Run until stopped."""
    from edge.assembly import state_dir_of
    from edge.config import load
    from edge.ports import taken
    from edge.program.state_in_memory import answering
    from edge.storage.state_lock import only_one

    with answering(load(args.config, to_watch=True)) as (config, silent), only_one(state_dir_of(config)):
        for refusal in taken(config):
            raise refusal
        return _run(args, config, silent)


def _run(args: argparse.Namespace, config: Config, silent: Silent | None) -> int:
    from edge.program.service import build_service

    sinks: list[Sink] = [LogSink()] if args.log == "json" else []
    boot = begin_logging(args.log, config.device)
    with stop_signals() as told:
        console = not args.quiet and args.log == "text"
        if silent is not None:
            logging.getLogger(__name__).error(
                "the disk of %s gave no answer for %g s; the watching goes on", silent.state_dir, silent.waited_s
            )
        service = build_service(config, console=console, record=args.record, sinks=sinks, boot=boot, silent=silent)
        told(service.runtime.stop)
        if config.unheard:
            logging.getLogger(__name__).warning("%s: %s", config.path, config.unheard)
        return service.run(args.seconds)


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[Callable[[], None]], None]]:
    """SIGTERM, SIGINT and SIGHUP from here on; gives a function to say what they call: at once when one has come already.

    They stay caught afterwards, and do nothing more: one that comes while the program leaves (``edge.__main__``) must
    not make a failure of an orderly end. SIGHUP is left alone where it is ignored, as under nohup.
    """
    asked = False
    stop: Callable[[], None] | None = None

    def on_signal(*_: object) -> None:
        nonlocal asked
        asked = True
        if stop is not None:
            stop()

    def told(what: Callable[[], None]) -> None:
        nonlocal stop
        stop = what
        if asked:
            stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)
    try:
        yield told
    finally:
        stop = None
