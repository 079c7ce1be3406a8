#!/usr/bin/env python3
"""What recording one bed costs: bytes a day, share of a core; and what ``simulate`` takes over a recorded day.

    python tools/bench_recording.py                 ten minutes of one bed with all streams, then a day of it
    python tools/bench_recording.py --minutes 2 --hours 1

Real lanes make the readings of a few synthetic minutes (pulse wave and acceleration at 100 Hz, heart sound at 4 kHz); a
camera's traces of skin, 30 a second, and its readings are added. The same minutes one after another make the longer
spans. Each sink gets the entries alone; processor time of all its threads counts. Synthetic sound is noisier than most,
so real recordings are smaller rather than larger.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from edge.clock import ManualClock
from edge.config import parse
from edge.dsp.face.columns import COLUMNS
from edge.program.service import build_service
from edge.recording import Entry, LaneState, MainState, Recording, RecordingWriter, Tick, pack
from edge.sinks import evidence, recorder
from edge.types import Alarm, Block, Reading

BED = """
[device]
name = "bench"
state_dir = "{folder}"
[sinks.recorder]
[sources.node]
kind = "synthetic"
streams = ["ppg", "acc", "pcg"]
pace = "max"
seconds = {seconds}
rate_bpm = {rate}
rhythm = "{rhythm}"
"""
PARTS = ((72.0, "sinus", 180), (150.0, "sinus", 60), (110.0, "af", 240))
"""Rate, rhythm and seconds of what a day is made of: two alarms and more every eight minutes, far more than a bed has."""
LIMITS = "[alarms.tachy]\nlimit = 160\nsevere_limit = 170\n"
SIMULATE = """
import json, sys, time
from pathlib import Path
from edge.cli import main
assert main(sys.argv[1:]) == 0
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
own = {"simulate_processor_s": round(time.process_time(), 1), "simulate_peak_mb": round(int(peak.split()[1]) / 1024, 1)}
print(json.dumps(own))
"""
"""A program of its own, since what it needs of memory cannot be told in one that holds the recording's entries."""


def minutes(folder: Path) -> list[Entry]:
    """Eight minutes of one bed with all that a recorder is told, in order, from 0 s on."""
    found: list[Entry] = []
    start = 0.0
    for number, (rate, rhythm, seconds) in enumerate(PARTS):
        state = folder / str(number)
        config = parse(BED.format(folder=state, seconds=seconds, rate=rate, rhythm=rhythm))
        build_service(config, console=False).run()
        (path,) = (state / "recordings").iterdir()
        entries = [e for e in Recording(path) if isinstance(e, Block | Reading)]
        first = min(e.t0 for e in entries if isinstance(e, Block))
        found += [moved(e, start - first, number) for e in entries]
        start += seconds
    found += camera(start)
    found += [Tick(t) for t in np.arange(0.0, start, 0.25).tolist()]
    return sorted(found, key=lambda e: e.t_end if isinstance(e, Block) else e.t)


def camera(seconds: float) -> Iterator[Entry]:
    """Traces of skin and the rates read of them."""
    rng = np.random.default_rng(1)
    for n in range(int(seconds * 30)):
        row = np.concatenate([rng.normal(120, 3, len(COLUMNS) - 12), rng.normal(0.5, 0.01, 12)]).astype(np.float32)
        yield Block("cam/roi", n, n / 30, 30.0, row[None, :], 0, COLUMNS)
    detail = {f"figure_{i}": 0.123 for i in range(14)}
    for t in range(1, int(seconds)):
        for metric in ("camera.hr", "camera.quality"):
            yield Reading(metric, float(t), 72.5, "bpm", 0.8, "", detail, "bed1", "cam", "camera_pulse 1.0.0 onnx-int8")


def moved(entry: Any, by_s: float, epoch: int) -> Any:
    if isinstance(entry, Block):
        return replace(entry, t0=entry.t0 + by_s, epoch=epoch)
    return replace(entry, t=entry.t + by_s)


def again(entries: Sequence[Entry], span_s: float, seconds: float) -> Iterator[Entry]:
    """The entries one span after another, for so long."""
    for turn in range(int(np.ceil(seconds / span_s))):
        for entry in entries:
            epoch = entry.epoch + len(PARTS) * turn if isinstance(entry, Block) else 0
            yield moved(entry, turn * span_s, epoch)


def cost(sink: Any, clock: ManualClock, entries: Sequence[Entry], seconds: float) -> float:
    """Share of a core that the sink takes for the entries of ``seconds``."""
    spent = time.process_time()
    for entry in entries:
        clock.move_to(entry.t_end if isinstance(entry, Block) else entry.t)
        sink.record(entry)
    sink.flush(60.0)
    return (time.process_time() - spent) / seconds


def alarms(entries: Sequence[Entry], every_s: float) -> list[Entry]:
    """The entries with states every 15 s and an alarm every so often, as evidence needs them."""
    found: list[Entry] = []
    state_due = alarm_due = 0.0
    stream = {"first_t": 0.0, "oldest": 0.0, "end": 0.0, "holes": []}
    for entry in entries:
        found.append(entry)
        if isinstance(entry, Tick) and entry.t >= state_due:
            state_due += 15.0
            streams = {"ppg": {**stream, "oldest": entry.t - 20.0}, "acc": None}
            found.append(LaneState("node", "ppg", entry.t, {"streams": streams, "posterior": [0.1] * 193}))
            found.append(MainState(entry.t, {"beds": {"bed1": {"coverage": list(range(3000))}}}, {}))
        if isinstance(entry, Tick) and entry.t >= alarm_due:
            alarm_due += every_s
            name = f"b.bed1.af.{int(entry.t)}"
            fields: dict[str, Any] = {"t": entry.t, "since": entry.t - 40.0, "evidence": {"change": "raised"}}
            kind = ("physiological", "medium", "on")
            found.append(Alarm("bed1/af", name, *kind, text="AF", condition="af", bed="bed1", **fields))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="for the recorder")
    parser.add_argument("--hours", type=float, default=24.0, help="for simulate; 0 = leave it out")
    parser.add_argument("--keep", metavar="FILE", help="keep the recorded day there")
    args = parser.parse_args(arguments)
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = minutes(folder)
        span_s = float(sum(seconds for *_, seconds in PARTS))
        figures: dict[str, Any] = record(folder, base, span_s, 60.0 * args.minutes)
        if args.hours:
            figures |= simulate(folder, base, span_s, 3600.0 * args.hours, args.keep)
    print(json.dumps(figures, indent=1))
    return 0


def record(folder: Path, base: Sequence[Entry], span_s: float, seconds: float) -> dict[str, Any]:
    """Bytes and processor time of recorder and evidence."""
    entries = [e for e in again(base, span_s, seconds) if (e.t_end if isinstance(e, Block) else e.t) <= seconds]
    clock = ManualClock()
    one = recorder.build(clock=clock, boot="bench", state_dir=folder)
    assert one is not None
    share = cost(one, clock, entries, seconds)
    one.close()
    raw: dict[str, int] = {}
    for entry in entries:
        kind = entry.kind if isinstance(entry, Block) else type(entry).__name__.lower()
        raw[kind] = raw.get(kind, 0) + len(pack(entry))
    clock = ManualClock()
    alone = recorder.build(clock=clock, boot="nocam", state_dir=folder)
    assert alone is not None
    cost(alone, clock, [e for e in entries if getattr(e, "source", "") != "cam"], seconds)
    alone.close()
    told = alarms(entries, every_s=300.0)
    clock = ManualClock()
    layout = {"bed1": {"sources": {"node": "", "cam": ""}}}
    two = evidence.build(clock=clock, boot="bench", state_dir=folder, layout=layout)
    assert two is not None
    of_evidence = cost(two, clock, told, seconds)
    two.close()
    sizes = [p.stat().st_size for p in two.root.glob("*.evrec")]
    return {
        "recorded_minutes": seconds / 60,
        "recorder_core_share": round(share, 4),
        "bytes_a_day": round(one.bytes_written * 86_400 / seconds),
        "bytes_a_day_without_camera": round(alone.bytes_written * 86_400 / seconds),
        "before_compression_bytes_a_day": {kind: round(n * 86_400 / seconds) for kind, n in raw.items()},
        "evidence_core_share_at_12_alarms_an_hour": round(of_evidence, 4),
        "evidence_bytes_an_alarm": round(float(np.median(sizes))) if sizes else None,
    }


def simulate(folder: Path, base: Sequence[Entry], span_s: float, seconds: float, keep: str | None) -> dict[str, Any]:
    """Time and memory that ``edge-vitals simulate`` takes over ``seconds`` of the bed, and what it printed."""
    path = folder / "day.evrec"
    with path.open("wb") as file:
        writer, batch = RecordingWriter(file, {"config": "[device]\nname = 'bench'\n"}), list[bytes]()
        for entry in again(base, span_s, seconds):
            batch.append(pack(entry))
            if len(batch) >= 5000:
                writer.add_batch(batch)
                batch = []
        writer.add_batch(batch)
    (folder / "b.toml").write_text(LIMITS)
    if keep:
        shutil.copy(path, keep)
    command = [sys.executable, "-c", SIMULATE, "simulate", str(path), "--config", str(folder / "b.toml")]
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    *said, own = done.stdout.splitlines()
    return {
        "recorded_hours": seconds / 3600,
        "recorded_bytes": path.stat().st_size,
        "simulate_s": round(time.monotonic() - started, 1),
        **json.loads(own),
        "simulate_said": [line for line in said if not line.startswith("  ")],
    }


if __name__ == "__main__":
    sys.exit(main())
