"""``edge-vitals bench``: what this machine can carry, and which variant of each model it should run."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from edge.cli.bench.stages import Stage
    from edge.inference import Timing

BEDS: dict[str, tuple[str, ...]] = {
    "PPG only": ("ppg",),
    "PPG and heart sound": ("ppg", "acc", "pcg"),
    "PPG, heart sound and camera": ("ppg", "acc", "pcg", "video"),
}
_SIGNAL_S = 30.0
_START_S = 60.0


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "bench",
        help="time every model variant and stage on this machine",
        description="Times every variant of every model (after its self-test), every stage from the wire to a reading, "
        "and a synthetic bed in real time: latency beyond the window, share of one core, memory, time to the first "
        "reading. Medians; run it on a machine that does nothing else. The fastest variant of each model is stored "
        "and used from then on.",
        epilog="example: edge-vitals bench --seconds 30",
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=15.0,
        metavar="N",
        help="how long each synthetic bed runs (default 15; 0: none)",
    )
    command.add_argument("--config", metavar="CONFIG", help="store the choice where this configuration keeps its state")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; 1 when no variant of some model works."""
    from edge.assembly import ModelShelf, state_dir_of
    from edge.cli.bench.stages import stages
    from edge.config import load, parse
    from edge.types import ConfigError

    if not 0 <= args.seconds <= 86_400:
        raise ConfigError("--seconds must lie in 0 to 86400")
    state_dir = state_dir_of(load(args.config) if args.config else parse(""))
    say = _quiet if args.json else _say
    timings = _models(state_dir, say)
    chosen = _chosen(timings)
    shelf = ModelShelf(variants=chosen)
    say("\nstages                                              one call   a second   share of a core   streams a core")
    measured = []
    for stage in stages(shelf, _SIGNAL_S):
        measured.append(stage)
        say(_stage_line(stage))
    beds = {}
    for name, streams in BEDS.items() if args.seconds else ():
        beds[name] = _live(streams, args.seconds, state_dir)
        say(_bed_line(name, beds[name]))
    if args.json:
        print(json.dumps(_whole(timings, chosen, measured, beds)))
    broken = {t.model for t in timings} - set(chosen)
    return 1 if broken else 0


def _models(state_dir: Path, say: Any) -> list[Timing]:
    from edge import inference
    from edge.types import ModelError

    found = []
    say("models                              one run, median   least")
    for name, card in inference.catalogue().items():
        if isinstance(card, ModelError):
            say(f"{name}: {card}")
            found.append(inference.Timing(name, "", False, text=str(card)))
            continue
        timings = inference.measure(name, runs=40)
        best = _chosen(timings).get(name)
        for t in timings:
            mark = "  <- used here" if t.variant == best else ""
            figures = f"{t.median_ms:12.3f} ms {t.min_ms:7.3f} ms{mark}" if t.ok else f"   {t.text}"
            say(f"  {name + ' ' + t.variant:<32}{figures}")
        if unwritten := inference.store_fastest(name, timings, state_dir):
            print(f"edge-vitals: {unwritten}", file=sys.stderr)
        found += timings
    return found


def _chosen(timings: Sequence[Timing]) -> dict[str, str]:
    best: dict[str, Timing] = {}
    for t in timings:
        if t.ok and (t.model not in best or t.median_ms < best[t.model].median_ms):
            best[t.model] = t
    return {name: t.variant for name, t in best.items()}


def _live(streams: Sequence[str], seconds: float, state_dir: Path) -> dict[str, Any]:
    """The figures of one synthetic bed with the variants stored in ``state_dir``, or ``error``."""
    from edge.inference.choice import FILE as VARIANTS

    command = [sys.executable, "-m", "edge.cli.bench.live", f"{seconds:g}", str(state_dir / VARIANTS), *streams]
    patience_s = seconds + _START_S
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience_s, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"did not end within {patience_s:g} s"}
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["ended without a word"]
        return {"error": said[-1]}
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _stage_line(stage: Stage) -> str:
    if stage.text:
        return f"  {stage.name:<50}{stage.text}"
    per_core = f"{stage.streams_per_core:14.0f}" if math.isfinite(stage.streams_per_core) else ""
    cost = f"{stage.median_ms:7.3f} ms {stage.calls_per_s:8.1f} x {100 * stage.core_share:14.2f} %"
    return f"  {stage.name:<50}{cost}{per_core}"


def _bed_line(name: str, figures: dict[str, Any]) -> str:
    if "error" in figures:
        return f"\nbed, {name}: not run: {figures['error']}"
    share = figures["core_share"]
    readings = "no readings"
    if figures["readings"]:
        readings = (
            f"latency beyond the window {figures['latency_p50_ms']:.1f} ms median, {figures['latency_p95_ms']:.1f} ms "
            f"95 %; first reading {figures['first_reading_s']:.2f} s after the start"
        )
    return (
        f"\nbed, {name}: {readings}; {100 * share:.1f} % of one core (beds a core: {_beds(share)}); "
        f"{figures['resident_mb']:.0f} MB resident; ready in {figures['ready_s']:.2f} s"
    )


def _beds(share: float) -> str:
    return f"{1.0 / share:.0f}" if share > 0 else "?"


def _whole(
    timings: Sequence[Timing], chosen: dict[str, str], measured: Sequence[Stage], beds: dict[str, Any]
) -> dict[str, Any]:
    return {
        "v": 1,
        "models": [
            {
                "model": t.model,
                "variant": t.variant,
                "ok": t.ok,
                "median_ms": _number(t.median_ms),
                "min_ms": _number(t.min_ms),
                "text": t.text,
            }
            for t in timings
        ],
        "chosen": chosen,
        "stages": [
            {
                "stage": s.name,
                "median_ms": _number(s.median_ms),
                "calls_per_s": s.calls_per_s,
                "core_share": _number(s.core_share, 6),
                "streams_per_core": _number(s.streams_per_core, 1),
                "text": s.text,
            }
            for s in measured
        ],
        "beds": beds,
    }


def _number(value: float, digits: int = 4) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _say(text: str) -> None:
    print(text, flush=True)


def _quiet(text: str) -> None:
    """Nothing: the JSON object says it."""
