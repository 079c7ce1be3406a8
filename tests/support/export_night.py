"""A night as it is recorded, short or long, for what exports it."""

from __future__ import annotations

import numpy as np

from edge.cli.export.edf import write_edf
from edge.cli.export.tables import write_csv, write_parquet
from edge.cli.export.wfdb import write_wfdb
from edge.recording import ClockMark, Recording, RecordingWriter
from edge.types import Alarm, Block, Reading, SourceStatus

WRITERS = {"edf": write_edf, "wfdb": write_wfdb, "csv": write_csv, "parquet": write_parquet}
RNG = np.random.default_rng(3)
START, WALL = 500.25, 1_800_000_000.5
ALARM = Alarm("bed1/af", "o1", "physiological", "medium", "on", START + 7.0, "Atrial fibrillation", "af", "bed1")


def blocks(stream, rate, data, *, skip=(), skew=1.0, t0=START, size=None):
    """Blocks of ``data``, without those numbered in ``skip``."""
    size = size or max(1, round(rate / 10))
    for number, at in enumerate(range(0, len(data), size)):
        if number not in skip:
            labels = ("ir", "red", "x")[: data.shape[1]]
            yield Block(stream, at, t0 + at / rate / skew, rate, data[at : at + size].copy(), 0, labels)


def record(path, entries):
    entries = sorted(entries, key=lambda e: e.t0 if isinstance(e, Block) else e.t)
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"device": "ward 3", "mono": START, "wall": WALL})
        for entry in entries:
            writer.add(entry)
    return Recording(path)


PPG = RNG.integers(180_000, 230_000, (1200, 2)).astype(float)
PCG = RNG.integers(-32767, 32768, (24_000, 1)).astype(float)
TRACE = RNG.normal(size=(1200, 1)) * 1e-3


def night(folder):
    """Ten seconds of two sensors and a camera, with a gap, a clock that is set, a fault and an alarm."""
    return record(
        folder / "night.evrec",
        [
            *blocks("node/ppg", 100.0, PPG, skip=range(50, 65)),
            *blocks("node/pcg", 2000.0, PCG),
            *blocks("node/flow", 100.0, TRACE),
            *blocks("cam/roi", 30.0, RNG.normal(size=(300, 3)), size=1),
            ClockMark(START, WALL),
            ClockMark(START + 8.0, WALL + 8.0 + 3600.0),
            SourceStatus("node", "bed1", START + 5.0, "offline", "unplugged"),
            Reading("ppg.hr", START + 6.0, 61.5, "bpm", 0.9, bed="bed1", source="node"),
            Reading("ppg.hr", START + 7.0, None, "bpm", 0.0, "gap", bed="bed1", source="node"),
            ALARM,
        ],
    )


def long_recording(path, minutes):
    """One stream of noise a tenth of a second a block, a reading a second, written as it is made."""
    noise = RNG.integers(-30_000, 30_000, (6000, 2)).astype(float)
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"device": "ward 3", "mono": START, "wall": WALL})
        for minute in range(minutes):
            first = minute * 6000
            for block in blocks("node/ppg", 100.0, noise, t0=START + 60.0 * minute, size=100):
                writer.add(Block(block.stream, first + block.seq, block.t0, 100.0, block.data, 0, block.labels))
            for second in range(60):
                t = START + 60.0 * minute + second
                writer.add(Reading("ppg.hr", t, 61.5, "bpm", 0.9, detail={"a": 1.0}, bed="bed1", source="node"))
    return Recording(path)
