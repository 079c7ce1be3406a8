"""``edge-vitals export``: a recording as files that other programs open."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "export",
        help="turn a recording into EDF, WFDB, CSV or Parquet",
        description="Write the streams of a recording with gaps, alarms and what else happened as annotations, and with "
        "both clocks. EDF and WFDB have a fixed rate; a camera's traces, whose frames come when they come, are in CSV "
        "and Parquet only.",
        epilog="example: edge-vitals export night.evrec --edf --out night",
    )
    command.add_argument("recording", help="a recording (.evrec), file or folder")
    for name, text in (
        ("edf", "EDF+, a file a source"),
        ("wfdb", "WFDB, a record a stream"),
        ("csv", "CSV, a table a stream, with marks and readings"),
        ("parquet", "the same tables as Parquet; needs edge-vitals[parquet]"),
    ):
        command.add_argument(f"--{name}", action="store_true", help=text)
    command.add_argument("--out", metavar="FOLDER", help="where to write; by default beside the recording")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write the files asked for; prints their names."""
    from edge.cli._shown import ShownRecording
    from edge.cli.export.edf import write_edf
    from edge.cli.export.tables import write_csv, write_parquet
    from edge.cli.export.tracks import session
    from edge.cli.export.wfdb import write_wfdb
    from edge.types import ConfigError

    writers = {"edf": write_edf, "wfdb": write_wfdb, "csv": write_csv, "parquet": write_parquet}
    wanted = [name for name in writers if getattr(args, name)]
    if not wanted:
        raise ConfigError("export needs at least one of --edf, --wfdb, --csv, --parquet")
    recording = ShownRecording(args.recording)
    whole = session(recording)
    out = Path(args.out) if args.out else recording.path.with_suffix("")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            for path in writers[name](whole, out):
                print(path)
    except FileExistsError as error:
        raise ConfigError(f"{error.filename}: exists and is kept; set --out to another folder") from None
    except BrokenPipeError:  # who reads what is printed has gone; that is no fault of the folder
        raise
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}; set --out") from None
    left_out = [track.stream for track in whole.tracks if not track.on_grid]
    if left_out and {"edf", "wfdb"} & set(wanted):
        print(
            f"edge-vitals: {', '.join(left_out)} has no fixed rate and is not in EDF or WFDB; use --csv or --parquet",
            file=sys.stderr,
        )
    for text in recording.said:
        print(f"edge-vitals: {text}", file=sys.stderr)
    return 0
