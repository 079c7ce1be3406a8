"""Predictions of a shipped model on a folder of recordings, through the shipped analyzer.

    python tools/evaluate.py murmur --data ../shared/data/pcg --out predictions.csv [--runtime onnx] [--variant int8]

For data the model never saw: given the people it was trained on, it says so. Cross-validated figures come from
``tools/train/NAME.py --cross-validate``. Columns are those of the contract; a refusal is an empty value, never a
missing row. One file a task in ``tools/evaluation``, each with ``run(data, out, variant)``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

TASKS = ("murmur", "rhythm", "pulse", "alarms", "camera", "traces")


def main(arguments: list[str] | None = None) -> int:
    """Parse and hand over to the task; 0 fine, 1 failed while running, 2 bad usage."""
    from edge.types import ConfigError, EdgeVitalsError, ModelError

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--data", type=Path, required=True, help="folder or file of the task's layout")
    parser.add_argument("--out", type=Path, help="CSV of predictions to write (needed by every task but traces)")
    parser.add_argument("--runtime", choices=["onnx", "litert"], help="default: what the model loader picks")
    parser.add_argument("--variant", choices=["int8", "fp32"], help="default: int8")
    options = parser.parse_args(arguments)
    if options.out is None and options.task != "traces":
        parser.error("--out is needed")
    variant = None
    if options.runtime or options.variant:
        variant = f"{options.runtime or 'onnx'}-{options.variant or 'int8'}"
    try:
        if not options.data.exists():
            raise ConfigError(f"--data {options.data}: no such file or folder")
        if options.out is not None:
            _can_be_written(options.out, options.data)
        task = importlib.import_module(f"evaluation.{options.task}")
        return int(task.run(options.data, options.out, variant))
    except (ConfigError, ModelError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    except EdgeVitalsError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"evaluate: {error.filename or options.out}: {error.strerror or error}", file=sys.stderr)
        return 1


def _can_be_written(out: Path, data: Path) -> None:
    """Said before the work, not after it; raises ConfigError."""
    from edge.types import ConfigError

    if out.is_dir() or not out.parent.is_dir():
        raise ConfigError(f"--out {out}: {'a folder' if out.is_dir() else 'no such folder'}")
    if out.exists() and out.samefile(data):
        raise ConfigError(f"--out {out}: the data itself")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise ConfigError(f"--out {out}: no permission to write there")


def progress(done: int, total: int, what: str) -> None:
    """A counter on a terminal, nothing when piped."""
    if sys.stderr.isatty():
        print(f"\r{what} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
