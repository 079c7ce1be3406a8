"""Instructions per hop and per stage, counted by callgrind on this machine, beside those stored in tools/budget.json.

    tools/budget            count and compare: a rise of more than 10 % in any stage ends with 1
    tools/budget --store    count, and store it as what is compared with from now on

The count needs no quiet machine, since it is of instructions: one thread, fixed hash seed, fixed model variant. What is
stored, and what seems to have risen, is counted twice and the lesser holds. It depends on the processor's features,
since libraries have a kernel for each, and on Python: with others than those stored nothing is compared, and that is
said. The share of a Pi's core is an ESTIMATE from assumptions
that are printed; nothing of it was measured on a Pi.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
STORED = HERE.parent / "budget.json"
RISE = 0.10
MARK = "ctermid"
"""The C function behind the marks of work.py. Not --zero-before: it leaves what other threads did before."""
_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Board:
    """A board's core: clock, Hz, and instructions a cycle on such code, least and most."""

    name: str
    clock_hz: float
    per_cycle: tuple[float, float]


BOARDS = (Board("Pi 4 (A72)", 1.5e9, (0.7, 1.3)), Board("Pi 5 (A76)", 2.4e9, (1.0, 2.0)))
ARM_PER_X86 = (1.0, 1.6)
"""aarch64 instructions for one of x86: from equal, for interpreted code, to more where AVX2's vectors are twice as wide."""


class NoCountError(Exception):
    """Nothing can be counted here; one line."""


def count() -> dict[str, Any]:
    """Run the work under callgrind; ``machine`` and ``stages`` with ``instructions`` of one call."""
    if shutil.which("valgrind") is None:
        raise NoCountError("needs: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        out, dumps = Path(folder) / "work.json", Path(folder) / "callgrind"
        fixed = {
            "PYTHONHASHSEED": "0",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | fixed
        callgrind = [
            "valgrind",
            "--tool=callgrind",
            "--dump-line=no",
            "--instr-atstart=no",
            f"--dump-before={MARK}",
            f"--callgrind-out-file={dumps}",
        ]
        command = [*callgrind, sys.executable, str(HERE / "work.py"), str(out)]
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise NoCountError(f"not finished in {_TIMEOUT_S:.0f} s: this machine is too busy") from None
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line and not line.startswith("==")]
            raise NoCountError(f"the work failed under valgrind: {(said or ['no word'])[-1]}")
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        for i, stage in enumerate(found["stages"]):
            stage["instructions"] = round(_total(Path(f"{dumps}.{2 * i + 2}")) / stage["calls"])
    return found


def least(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two counts of the same work as one: of each stage the lesser, since a stray thread can only add to a count."""
    lesser = {stage["name"]: stage["instructions"] for stage in second["stages"]}
    stages = [
        {**stage, "instructions": min(stage["instructions"], lesser.get(stage["name"], stage["instructions"]))}
        for stage in first["stages"]
    ]
    return {**first, "stages": stages}


def _total(dump: Path) -> int:
    match = re.search(r"^(?:totals|summary): (\d+)", dump.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise NoCountError("callgrind wrote no total")
    return int(match[1])


@dataclass(frozen=True, slots=True)
class Verdict:
    """other: why nothing is compared, or "". risen: stages over the limit; notes: what else is worth saying."""

    other: str
    risen: tuple[str, ...]
    notes: tuple[str, ...]


def judge(stored: Mapping[str, Any], found: Mapping[str, Any]) -> Verdict:
    """Compare stage by stage; nothing on another class of machine."""
    for key in ("machine", "python", "features"):
        was, now = stored["machine"][key], found["machine"][key]
        if was != now:
            differ = ", ".join(sorted(set(was) ^ set(now))) if key == "features" else f"{was} stored, {now} here"
            return Verdict(f"not compared: another {key.removesuffix('s')}: {differ}", (), ())
    before = {stage["name"]: stage["instructions"] for stage in stored["stages"]}
    now = {stage["name"]: stage["instructions"] for stage in found["stages"]}
    risen = [
        f"{name}: {count:,} instructions, {100 * (count / before[name] - 1):+.1f} % (stored {before[name]:,})"
        for name, count in now.items()
        if name in before and count > (1 + RISE) * before[name]
    ]
    notes = [
        f"{name}: {count / before[name] - 1:+.1%}; store it"
        for name, count in now.items()
        if name in before and count < (1 - RISE) * before[name]
    ]
    notes += [f"{name}: not stored" for name in now if name not in before]
    notes += [f"{name}: stored, not counted here" for name in before if name not in now]
    versions = [
        f"{k} {v} stored, {found['machine']['versions'].get(k)} here"
        for k, v in stored["machine"]["versions"].items()
        if found["machine"]["versions"].get(k) != v
    ]
    return Verdict("", tuple(risen), tuple(notes + versions))


def share(board: Board, instructions_per_s: float) -> tuple[float, float]:
    """Least and most share of one core of the board, an estimate."""
    least, most = board.per_cycle
    return (
        instructions_per_s * ARM_PER_X86[0] / (board.clock_hz * most),
        instructions_per_s * ARM_PER_X86[1] / (board.clock_hz * least),
    )


def table(stages: Sequence[Mapping[str, Any]], stored: Mapping[str, int]) -> list[str]:
    """A line a stage, and one for all of them together."""
    heads = "".join(f"{board.name + ', est.':>20}" for board in BOARDS)
    lines = [f"{'stage':<50}{'instructions':>14}{'stored':>9}{'a second':>10}{heads}"]
    whole = 0.0
    for stage in stages:
        per_s = stage["instructions"] * stage["calls_per_s"]
        whole += per_s
        change = f"{stage['instructions'] / stored[stage['name']] - 1:+.1%}" if stage["name"] in stored else "-"
        lines.append(_line(stage["name"], stage["instructions"], change, stage["calls_per_s"], per_s))
    lines.append(_line("one bed with all streams, 1 s", round(whole), "", 1.0, whole))
    return lines


def _line(name: str, count: int, change: str, calls_per_s: float, per_s: float) -> str:
    shares = "".join(f"{_percents(board, per_s):>20}" for board in BOARDS) if per_s else ""
    rate = f"{calls_per_s:g} x" if per_s else ""
    return f"{name:<50}{count:>14,}{change:>9}{rate:>10}{shares}".rstrip()


def _percents(board: Board, per_s: float) -> str:
    least, most = share(board, per_s)
    return f"{100 * least:.2g} to {100 * most:.2g} %"


def assumptions() -> str:
    """What the estimate rests on, in words."""
    boards = "; ".join(
        f"{b.name} {b.clock_hz / 1e9:g} GHz, {b.per_cycle[0]:g} to {b.per_cycle[1]:g} a cycle" for b in BOARDS
    )
    return f"ESTIMATE of one core, not measured: {boards}; {ARM_PER_X86[0]:g} to {ARM_PER_X86[1]:g} ARM instructions for one of x86"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tools/budget", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", action="store_true", help=f"write {STORED.name}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there, too")
    options = parser.parse_args()
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else None
    try:
        found = count()
        if options.store or (stored and judge(stored, found).risen):
            found = least(found, count())
    except NoCountError as error:
        print(f"tools/budget: {error}", file=sys.stderr)
        return 2
    text = json.dumps(found, indent=1) + "\n"
    if options.json:
        options.json.write_text(text, encoding="utf-8")
    verdict = judge(stored, found) if stored else Verdict("nothing stored yet", (), ())
    before = (
        {stage["name"]: stage["instructions"] for stage in stored["stages"]} if stored and not verdict.other else {}
    )
    print("\n".join(table(found["stages"], before)))
    print(assumptions())
    for line in (verdict.other, *verdict.notes):
        if line:
            print(line)
    for line in verdict.risen:
        print(f"ROSE by more than {100 * RISE:.0f} %: {line}")
    if options.store:
        STORED.write_text(text, encoding="utf-8")
        return 0
    return 1 if verdict.risen else 0


if __name__ == "__main__":
    sys.exit(main())
