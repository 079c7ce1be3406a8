"""The test suite inside the root, a file at a time, so that it can be cut off and taken up again."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from root import Root

LEFT_OUT = {
    "tests/tools/test_evaluate_murmur.py": "scores real recordings, which are not in the root",
    "tests/e2e/test_real_replay.py": "needs real recordings, which are not in the root",
    "tests/e2e/test_page.py": "needs a browser",
    "tests/docs/test_documents.py": "reads a whole checkout",
}
"""Test files that are not run under emulation, and why."""
DESELECTED = {
    "tests/test_face_models.py::test_where_they_lie": "is about a checkout; here the wheel is installed",
    "tests/test_face_models.py::test_a_wheel_in_a_folder_is_enough_for_pip_itself": "the root has no pip",
    "tests/test_face_models.py::test_pip_itself_without_index_and_wheel_is_one_line": "the root has no pip",
    "tests/program/test_logs.py::test_the_service_logs_in_json": "ONNX Runtime complains of the emulated processor on stderr",
    "tests/cli/test_cli.py::test_a_broken_video_is_one_line_and_not_the_decoders": "as above",
    "tests/cli/test_plots.py::test_a_reader_that_goes_away_takes_no_picture_with_it": "as above",
    "tests/cli/test_grade_live.py::test_a_device_that_keeps_the_contract_passes_in_every_respect": "the root has no kill",
    "tests/cli/test_grade_live.py::test_a_wrong_will_fails": "the root has no kill",
    "tests/cli/test_grade_live.py::test_our_own_device_passes_in_every_respect": "the root has no kill",
}
"""Tests of the other files that cannot hold under emulation, and why."""
NO_TIME = "not run: the time was up"
FIRST = ("firmware_bridge", "dsp", "alarms", "analyzers", "inference", "")
"""Folders of tests that come first ("" is the top one): what computes; then what talks to devices and networks."""
COPIED = (
    "tests",
    "tools",
    "docs",
    "models",
    "README.md",
    "pyproject.toml",
    "firmware_bridge/device",
    "firmware_bridge/README.md",
)
_INSIDE = "opt/checkout"
_COUNTS = re.compile(r"(\d+) (passed|failed|skipped|errors?)")


@dataclass(frozen=True, slots=True)
class FileResult:
    """One test file: what pytest's last line counted, how long it took, and what failed."""

    file: str
    counts: dict[str, int]
    seconds: float
    failed: tuple[str, ...] = ()
    text: str = ""

    @property
    def ok(self) -> bool:
        return not self.text and not self.counts.get("failed") and not self.counts.get("error")


def copy(checkout: Path, root: Root) -> None:
    """What the tests read, without the program itself: what they import is the installed wheel."""
    folder = root.folder / _INSIDE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    skip = shutil.ignore_patterns("__pycache__", "third_party")
    for name in COPIED:
        source = checkout / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skip)
        elif source.exists():
            shutil.copy(source, folder / name)


def run(root: Root, done: Callable[[str], bool], file_limit_s: float, until: float) -> Iterator[FileResult]:
    """Run the files that are not done; a file that would start after ``until`` (monotonic) is not run, and said."""
    folder = root.folder / _INSIDE
    for file in sorted((str(p.relative_to(folder)) for p in (folder / "tests").rglob("test_*.py")), key=_place):
        if file in LEFT_OUT or done(file):
            continue
        if time.monotonic() > until:
            yield FileResult(file, {}, 0.0, text=NO_TIME)
            continue
        yield _one(root, file, file_limit_s)


def _place(file: str) -> tuple[int, str]:
    parts = Path(file).parts[1:-1]
    name = parts[0] if parts else ""
    return FIRST.index(name) if name in FIRST else len(FIRST), file


def _one(root: Root, file: str, limit_s: float) -> FileResult:
    started = time.monotonic()
    command = [
        "python",
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "--hypothesis-profile=ci",
        "-o",
        "faulthandler_timeout=900",
        *(f"--deselect={test}" for test in DESELECTED if test.startswith(f"{file}::")),
        file,
    ]
    env = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "EDGE_VITALS_FACE_MODELS": "/opt/face"}
    try:
        told = root.run(command, env=env, cwd=f"/{_INSIDE}", capture=True, timeout_s=limit_s)
    except subprocess.TimeoutExpired:
        return FileResult(file, {}, time.monotonic() - started, text=f"not finished in {limit_s:.0f} s")
    lines = told.stdout.strip().splitlines() or [""]
    counts = {word.removesuffix("s") if word == "errors" else word: int(n) for n, word in _COUNTS.findall(lines[-1])}
    failed = tuple(line for line in lines if line.startswith(("FAILED ", "ERROR ")))
    text = "" if told.returncode in (0, 1, 5) and counts else (told.stderr.strip().splitlines() or lines)[-1]
    return FileResult(file, counts, time.monotonic() - started, failed, text)
