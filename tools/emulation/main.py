"""Proof on ARM without a board: the real aarch64 wheels in a Debian arm64 root under qemu-user.

root    a Debian bookworm arm64 root, made once (needs root, debootstrap and qemu-user-static)
wheels  the wheel of this checkout and its aarch64 dependencies, installed in it
models  every variant of every model on the inputs of a replay: ARM beside this machine, int8 beside fp32
tests   the unit and property suites, a file at a time, within a time limit
replay  one patient replayed on both machines with every variant: readings within tolerances, the same alarms
demo    the demo for a minute, after the time that its face takes to be drawn under emulation
all     all of these in turn (the default)

A stage that passed is not run again until a file of the program changes; --again runs it all the same. The root lies in
.cache/aarch64 of the checkout, or in EDGE_VITALS_CACHE. Times under emulation say nothing of a board.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import compare
import numpy as np
import suite
import wheels
from root import CannotError, Root, aarch64_runs, need_root

from edge.inference.card import VariantId

CHECKOUT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
DEMO_S = 60.0
_DRAWN_S = 5.0
_DRAW = """
import pathlib, tempfile, time
from edge.demo.face_video import write_video
from edge.demo.patient import ROUND_S, Patient
start = time.monotonic()
with tempfile.TemporaryDirectory() as folder:
    write_video(pathlib.Path(folder) / "face.avi", seconds=%g, fps=15.0, beats=Patient().beats_s, width=400, height=300)
print((time.monotonic() - start) * ROUND_S / %g)
"""
"""How long the demo's face will take, from a part of it."""
_START_S = 45.0
DEMO_WANTED = ("ppg.hr", "pcg.murmur", "ppg.rhythm")
_ENV = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "EDGE_VITALS_FACE_MODELS": "/opt/face"}
_PROOF = "opt/proof"
_PROGRAM = ("edge", "firmware_bridge", "models", "pyproject.toml", "tools/dev.lock")
READS = {
    "wheels": (*_PROGRAM, "tools/emulation/wheels.py"),
    "models": (*_PROGRAM, "tools/emulation"),
    "replay": (*_PROGRAM, "tools/emulation"),
    "demo": (*_PROGRAM, "tools/emulation"),
    "tests": (*_PROGRAM, *suite.COPIED),
}
"""What a stage's result rests on."""
VARIANTS = get_args(VariantId)


@dataclass(slots=True)
class Outcome:
    """What a stage found: lines for the table at the end, and what failed."""

    lines: list[str]
    failed: list[str]


class Proof:
    """The stages over one cache folder."""

    def __init__(self, cache: Path, options: argparse.Namespace) -> None:
        self.cache, self.options = cache, options
        self.root = Root(cache / "root")
        self.shared = cache / "proof"

    def run(self, stage: str) -> Outcome:
        """Run a stage, or give back what it found for the same sources."""
        kept, source = self.cache / f"{stage}.json", source_hash(*READS[stage])
        if kept.exists() and not self.options.again:
            found = json.loads(kept.read_text(encoding="utf-8"))
            if found["source"] == source and not found["failed"]:
                say(f"{stage}: passed before, for the same sources")
                return Outcome(found["lines"], found["failed"])
        say(f"{stage} ...")
        started = time.monotonic()
        outcome: Outcome = getattr(self, stage)()
        say(f"{stage}: {'failed' if outcome.failed else 'passed'} in {time.monotonic() - started:.0f} s")
        kept.write_text(json.dumps({"source": source, **asdict(outcome)}), encoding="utf-8")
        return outcome

    # ---- stages --------------------------------------------------------------------------------------------

    def make(self) -> None:
        """The root, where there is none; what was found in one before says nothing of it."""
        if not self.root.is_made:
            for found in (*self.cache.glob("*.json"), *self.shared.glob("recordings-*/*.jsonl")):
                found.unlink()
            self.root.make()

    def wheels(self) -> Outcome:
        told = wheels.install(CHECKOUT, self.root)
        faces = CHECKOUT / "models" / "third_party"
        if not faces.is_dir():
            raise CannotError("the face models are missing; fetch them with: edge-vitals models pull")
        shutil.copytree(faces, self.root.folder / "opt/face", dirs_exist_ok=True)
        machine = self._inside(["python", "-c", "import platform as p; print(p.machine(), p.python_version())"])
        return Outcome([f"{machine.stdout.strip()}: {told}"], [])

    def models(self) -> Outcome:
        verified = self._inside(["python", "-m", "edge", "models", "verify"])
        failed = [] if verified.returncode == 0 else [line for line in lines_of(verified) if line.startswith("FAIL")]
        failed += [f"not verified: {line}" for line in lines_of(verified) if line.startswith("skip")]
        recordings = self._recordings()
        inputs, ours = self.shared / "inputs.npz", self.shared / "answers.npz"
        answers = str(HERE / "answers.py")
        self._x86([answers, "gather", str(recordings / "onnx-fp32.evrec"), str(inputs)])
        self._x86([answers, "answer", str(inputs), str(ours)])
        self._share(inputs, HERE / "answers.py")
        told = self._inside(
            ["python", f"/{_PROOF}/answers.py", "answer", f"/{_PROOF}/inputs.npz", f"/{_PROOF}/answers.npz"]
        )
        if told.returncode:
            return Outcome([], [*failed, (lines_of(told, stderr=True) or ["no answers"])[-1]])
        kinds, limits = self._cards()
        with np.load(ours) as here, np.load(self.root.folder / _PROOF / "answers.npz") as there:
            across, parity = compare.answers(kinds, limits, here, there)
        verdict = f"models verify: {sum(line.startswith('ok') for line in lines_of(verified))} ok"
        table = [verdict, "", "ARM beside this machine", *across.lines(), "", "int8 beside fp32", *parity.lines()]
        return Outcome(table, [*failed, *across.failed, *parity.failed])

    def tests(self) -> Outcome:
        suite.copy(CHECKOUT, self.root)
        kept = self.cache / "tests.partial.json"
        source, done = source_hash(*READS["tests"]), dict[str, Any]()
        if kept.exists() and not self.options.again:
            found = json.loads(kept.read_text(encoding="utf-8"))
            done = found["files"] if found["source"] == source else {}
        until = time.monotonic() + 60.0 * self.options.minutes
        for result in suite.run(self.root, done.__contains__, self.options.file_limit, until):
            counts = ", ".join(f"{n} {word}" for word, n in result.counts.items())
            if result.text != suite.NO_TIME:
                say(f"  {result.file}: {counts or result.text} ({result.seconds:.0f} s)")
            for line in result.failed:
                say(f"    {line}")
            done[result.file] = {**asdict(result), "ok": result.ok}
            passed = {file: one for file, one in done.items() if one["ok"]}
            kept.write_text(json.dumps({"source": source, "files": passed}), encoding="utf-8")
        return tested(done)

    def replay(self) -> Outcome:
        recordings = self._recordings()
        table = compare.Rows(compare.REPLAY_HEAD)
        for name in (*(f"{variant}.evrec" for variant in VARIANTS), "face.avi"):
            ours, theirs = (recordings / f"{name}.{where}.jsonl" for where in ("here", "there"))
            if self.options.again or not theirs.exists():
                told = self._x86(["-m", "edge", "replay", str(recordings / name), "--jsonl"])
                ours.write_text(told.stdout, encoding="utf-8")
                self._share(recordings / name)
                told = self._inside(["python", "-m", "edge", "replay", f"/{_PROOF}/{name}", "--jsonl"])
                if told.returncode:
                    table.failed.append(f"{name}: {(lines_of(told, stderr=True) or ['no answer'])[-1]}")
                    continue
                theirs.write_text(told.stdout, encoding="utf-8")
            here, there = (path.read_text(encoding="utf-8").splitlines() for path in (ours, theirs))
            compare.replays(name, here, there, table)
            say(f"  {name}: {len(there)} events")
        allowed = ", ".join(f"{v:g} {unit or '(other)'}" for unit, v in compare.READING_ATOL.items())
        rule = f"allowed: {allowed}; words and reasons equal; at least {100 * compare.AGREEING:g} % of readings; all alarms"
        return Outcome([*table.lines(), rule], table.failed)

    def demo(self) -> Outcome:
        drawing_s = float(lines_of(self._inside(["python", "-c", _DRAW % (_DRAWN_S, _DRAWN_S)]))[-1])
        seconds = round(1.5 * drawing_s + _START_S + DEMO_S)
        told = self._inside(["python", "-m", "edge", "demo", "--seconds", str(seconds)])
        said = lines_of(told)
        (self.shared / "demo.txt").write_text("\n".join(said), encoding="utf-8")
        (seen,) = [line.partition("readings seen:")[2] for line in said if "readings seen:" in line] or [""]
        failed = [f"demo: no reading of {metric}" for metric in DEMO_WANTED if metric not in seen]
        if told.returncode:
            failed.append(f"demo: exit code {told.returncode}: {(lines_of(told, stderr=True) or said or ['?'])[-1]}")
        alarms = [line.partition(" demo ")[2].strip() for line in said if " demo " in line and " alarm " in line]
        return Outcome(
            [f"exit code {told.returncode} after {seconds} s, most of them for the face; readings:{seen}", *alarms],
            failed,
        )

    # ---- both machines -------------------------------------------------------------------------------------

    def _recordings(self) -> Path:
        folder = self.shared / f"recordings-{source_hash(*READS['replay'])[:12]}"
        if not (folder / "face.avi").exists():
            for old in self.shared.glob("recordings-*"):
                shutil.rmtree(old)
            self._x86([str(HERE / "recordings.py"), str(folder)])
        return folder

    def _x86(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(CHECKOUT), **_ENV, "EDGE_VITALS_FACE_MODELS": ""}
        told = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False)
        if told.returncode:
            raise CannotError(f"failed on this machine: {(lines_of(told, stderr=True) or ['?'])[-1]}")
        return told

    def _share(self, *files: Path) -> None:
        (self.root.folder / _PROOF).mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, self.root.folder / _PROOF)

    def _inside(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return self.root.run(command, env=_ENV, capture=True)

    def _cards(self) -> tuple[dict[str, str], dict[str, tuple[float, float]]]:
        code = (
            "import json, edge.inference as i; print(json.dumps({n: [c.kinds[0], c.golden.atol_probability, "
            "c.golden.atol_fp32] for n, c in i.catalogue().items()}))"
        )
        cards = json.loads(self._x86(["-c", code]).stdout)
        return {n: c[0] for n, c in cards.items()}, {n: (c[1], c[2]) for n, c in cards.items()}


def tested(done: dict[str, Any]) -> Outcome:
    """The suite's results by folder, and what was not run."""
    folders: dict[str, list[Any]] = {}
    for file, one in sorted(done.items()):
        folders.setdefault(str(Path(file).parent), []).append(one)
    table = compare.Rows(("tests", "files", "passed", "failed", "skipped", "seconds"))
    for folder, files in folders.items():
        counts = [str(sum(f["counts"].get(word, 0) for f in files)) for word in ("passed", "failed", "skipped")]
        table.rows.append((folder, str(len(files)), *counts, f"{sum(f['seconds'] for f in files):.0f}"))
    failed = [f"{file}: {one['text']}" for file, one in done.items() if one["text"] not in ("", suite.NO_TIME)]
    if waiting := sum(one["text"] == suite.NO_TIME for one in done.values()):
        failed.append(f"{waiting} files {suite.NO_TIME}; run tests again, it goes on with them")
    failed += [line for one in done.values() for line in one["failed"]]
    left = [f"not run under emulation: {file}: {why}" for file, why in suite.LEFT_OUT.items()]
    return Outcome([*table.lines(), *left], failed)


def lines_of(told: subprocess.CompletedProcess[str], *, stderr: bool = False) -> list[str]:
    return (told.stderr if stderr else told.stdout).strip().splitlines()


def say(text: str) -> None:
    print(text, flush=True)


def source_hash(*names: str) -> str:
    """Of the files and all files of the folders named."""
    found = hashlib.sha256()
    roots = [CHECKOUT / name for name in names]
    files = [p for root in roots for p in (root.rglob("*") if root.is_dir() else [root]) if p.is_file()]
    for path in sorted(p for p in files if "__pycache__" not in p.parts):
        found.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


STAGES: dict[str, Callable[[Proof], Outcome]] = {
    name: getattr(Proof, name) for name in ("wheels", "models", "replay", "demo", "tests")
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tools/aarch64", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", nargs="?", default="all", choices=["root", *STAGES, "all"])
    parser.add_argument("--again", action="store_true", help="run stages that passed before, too")
    parser.add_argument("--minutes", type=float, default=60.0, metavar="N", help="how long tests may take (default 60)")
    parser.add_argument("--file-limit", type=float, default=1800.0, metavar="S", help="the same for one file, s")
    options = parser.parse_args()
    cache = Path(os.environ.get("EDGE_VITALS_CACHE", CHECKOUT / ".cache")) / "aarch64"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        need_root()
        (cache / "proof").mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # before: who waits here would otherwise trust in qemu of another's run
            with aarch64_runs():
                return prove(Proof(cache, options), options.stage)
    except CannotError as error:
        print(f"tools/aarch64: {error}", file=sys.stderr)
        return 2


def prove(proof: Proof, stage: str) -> int:
    """Run what was asked for and what it needs; print the table; 1 when anything disagrees."""
    proof.make()
    wanted = [] if stage == "root" else list(STAGES) if stage == "all" else list(dict.fromkeys(["wheels", stage]))
    outcomes = {name: proof.run(name) for name in wanted}
    for name, outcome in outcomes.items():
        print(f"\n== {name}: {'FAILED' if outcome.failed else 'passed'}")
        print("\n".join(outcome.lines))
        for text in outcome.failed:
            print(f"FAILED  {text}")
    return 1 if any(outcome.failed for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
