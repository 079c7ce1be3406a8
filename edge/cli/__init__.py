"""The command line: a file a command, or a folder where it takes several; each has ``add(subparsers)`` and
``run(args) -> int``.

Exit codes: 0 fine, 1 failed while running, 2 bad usage, configuration or model, 3 a grade or check that did not pass.
Errors are one line on stderr. Command files import what is heavy inside ``run``, so that ``--help`` stays quick.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

from edge import __version__
from edge.extras import why_not

COMMANDS = (
    "demo",
    "run",
    "replay",
    "analyze",
    "bench",
    "check",
    "explain",
    "doctor",
    "watch",
    "drill",
    "models",
    "simulate",
    "export",
    "service",
)


def parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line with these commands, all unless told otherwise."""
    top = argparse.ArgumentParser(
        prog="edge-vitals",
        description="Real-time cardiac monitoring at the bedside. Research software, not a medical device.",
        epilog="New here? `edge-vitals demo` needs no hardware. Then: `edge-vitals COMMAND --help`.",
    )
    top.add_argument("--version", action="version", version=f"edge-vitals {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        importlib.import_module(f"edge.cli.{name}").add(commands)
    return top


def _needed(argv: Sequence[str]) -> Sequence[str]:
    """The command that is asked for, so that the others' files are not imported; all where it takes all to answer."""
    first = argv[0] if argv else ""
    return () if first == "--version" else (first,) if first in COMMANDS else COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may hold what the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    argv = sys.argv[1:] if argv is None else argv
    if not argv or (argv[0] not in COMMANDS and not argv[0].startswith("-")):
        parser(()).error(_no_command(argv))
    args = parser(_needed(argv)).parse_args(argv)
    from edge.types import ConfigError, EdgeVitalsError, ModelError  # not before: the version needs nothing of it

    code = 1
    try:
        code = int(args.func(args))
        sys.stdout.flush()
        return code
    except (ConfigError, ModelError) as error:
        print(f"edge-vitals: {error}", file=sys.stderr)
        return 2
    except EdgeVitalsError as error:
        print(f"edge-vitals: {getattr(error, 'at_terminal', error)}", file=sys.stderr)
        return 1
    except ImportError as error:
        if (said := why_not(error)) is None:
            raise
        print(f"edge-vitals: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone, as with `| head`: a grade that nobody waited for did not pass
        _no_more_output()
        return code
    except OSError as error:
        if error.filename is not None:  # a file or folder that cannot be reached is no bug of ours
            print(f"edge-vitals: {error.filename}: {error.strerror}", file=sys.stderr)
        elif error.errno == errno.ENOSPC:
            _no_more_output()
            print("edge-vitals: no space left for the output", file=sys.stderr)
        else:
            raise
        return 1


def _no_command(argv: Sequence[str]) -> str:
    """What to say where no command is given, or one that there is not."""
    if not argv:
        return "which command? `edge-vitals demo` needs no hardware; `edge-vitals --help` lists them all"
    from edge.nearest import nearest  # not before: the version needs nothing of it

    return f"no command {argv[0]!r}{nearest(argv[0], COMMANDS)}"


def _no_more_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
