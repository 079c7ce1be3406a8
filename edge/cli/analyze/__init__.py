"""``edge-vitals analyze``: one file, one report, in words and numbers."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from edge.cli._events import READINGS_HELP
from edge.cli._options import rate

TASKS = {
    "murmur": "heart sound (WAV, FLAC, CSV, NPZ): is there a murmur, how sure, and is the recording good enough",
    "ppg": "contact PPG (NPZ, CSV, WAV, EDF, WFDB) and the accelerometer beside it: heart rate, rhythm, signal quality",
    "camera": "face video: heart rate where the picture earns it",
}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "analyze",
        help="report on one file: murmur, ppg or camera",
        description="What the models say of a file, with quality and reasons; a picture where asked.",
        epilog="\n".join(
            [*(f"  {name:<8} {text}" for name, text in TASKS.items()), "", _EXAMPLE, "", READINGS_HELP, _MORE_HELP]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("task", choices=TASKS)
    command.add_argument("file", nargs="+")
    command.add_argument("--rate", type=rate, metavar="HZ", help="sampling rate, where the file does not say")
    command.add_argument(
        "--channel", type=int, metavar="N", help="one channel, from 0; by default heart sound is the first, PPG all"
    )
    command.add_argument(
        "--one-person",
        action="store_true",
        help="murmur: the files are one person's, of several sites; say what they show together",
    )
    command.add_argument("--jsonl", action="store_true", help="print every reading as a line of JSON")
    command.add_argument("--plot", metavar="OUT.png", help="draw the signal and the verdict (needs the extra 'plot')")
    command.set_defaults(func=run)


_MORE_HELP = """\
           and file, as it was given
  person   with --one-person, last: decision, p_present, p_unknown, p_absent, recordings (file, windows, reason,
           p_alone, decision_alone, and in the light of the others p_together, decision_together)"""
_EXAMPLE = """examples: edge-vitals analyze murmur heart.wav --plot heart.png
          edge-vitals analyze murmur --one-person aortic.wav mitral.wav pulmonary.wav tricuspid.wav"""
_PICTURES = (".png", ".svg", ".pdf", ".jpg")


def run(args: argparse.Namespace) -> int:
    """Report on every file, the readable ones among them when one is not, which makes the exit code 1."""
    from edge.types import ConfigError, SourceError

    if args.plot is not None:
        if len(args.file) > 1:
            raise ConfigError("--plot draws one file at a time")
        _can_be_drawn(args.plot)
    if args.one_person and args.task != "murmur":
        raise ConfigError("--one-person is for murmur: heart sound of several sites")
    task = importlib.import_module(f"edge.cli.analyze.{args.task}")
    options = {"plot": args.plot, "jsonl": args.jsonl}
    if args.task != "camera":
        options |= {"rate_hz": args.rate, "channel": args.channel}
    elif args.rate or args.channel is not None:
        raise ConfigError("--rate and --channel are not for video: frame times and colours come from the file")
    found: dict[str, Any] = {}
    several = len(args.file) > 1
    for index, path in enumerate(args.file):
        if several:
            aside = sys.stderr if args.jsonl else sys.stdout
            print(("\n" if index else "") + f"{path}", file=aside, flush=True)
        try:
            found[path] = task.report(path, **options)
        except SourceError as error:
            if len(args.file) == 1:
                raise
            print(f"edge-vitals: {getattr(error, 'at_terminal', error)}", file=sys.stderr)
    if args.one_person and found:
        from edge.cli.analyze.person import tell_person

        tell_person(found, jsonl=args.jsonl)
    return 0 if len(found) == len(set(args.file)) else 1


def _can_be_drawn(picture: str) -> None:
    """Said before the work, not after it; raises ConfigError, or ImportError without the extra 'plot'."""
    from edge.types import ConfigError

    path = Path(picture)
    if path.suffix.lower() not in _PICTURES:
        raise ConfigError(f"--plot {picture}: a name that ends in {', '.join(_PICTURES)}")
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"--plot {picture}: {'a folder' if path.is_dir() else 'no such folder'}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"--plot {picture}: no permission to write there")
    if not os.path.lexists(path):  # some folders seem to take a file and do not, such as those of /proc
        try:
            path.touch(exist_ok=False)
            path.unlink()
        except OSError:
            raise ConfigError(f"--plot {picture}: no file can be written to that folder") from None
    import matplotlib  # noqa: F401
