"""CSV and Parquet: every sample with both its times, and tables of marks and readings. What is not there has no row."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.cli._export_tracks import Session, Track, marks_with_gaps
from edge.sinks._payloads import encode, iso
from edge.types import ConfigError

Columns = dict[str, Any]


def write_csv(session: Session, out: Path) -> list[Path]:
    """``<source>-<kind>.csv``, ``marks.csv`` and ``readings.csv``; times to the microsecond, values as they were."""
    return [_csv(out / f"{name}.csv", columns) for name, columns in _tables(session)]


def write_parquet(session: Session, out: Path) -> list[Path]:
    """The same tables as Parquet, one file each; needs pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("Parquet needs pyarrow: pip install 'edge-vitals[parquet]'; or use --csv") from None
    made = []
    for name, columns in _tables(session):
        path = out / f"{name}.parquet"
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        made.append(path)
    return made


def _tables(session: Session) -> Sequence[tuple[str, Columns]]:
    gaps = {}
    for track in session.tracks:
        if track.on_grid:
            _, gaps[track.stream] = track.grid(
                session.start, max(1, round((session.end - session.start) * track.true_hz))
            )
    marks = marks_with_gaps(session, gaps)
    events: Columns = {
        "mono": [m.t for m in marks],
        "wall": [session.wall(m.t) for m in marks],
        "time": [iso(session.wall(m.t)) for m in marks],
        "seconds": [m.seconds for m in marks],
        "kind": [m.kind for m in marks],
        "text": [m.text for m in marks],
    }
    readings: Columns = {
        "mono": [r.t for r in session.readings],
        "wall": [session.wall(r.t) for r in session.readings],
        "time": [iso(session.wall(r.t)) for r in session.readings],
        "bed": [r.bed for r in session.readings],
        "source": [r.source for r in session.readings],
        "metric": [r.metric for r in session.readings],
        "value": [None if r.value is None else str(r.value) for r in session.readings],
        "unit": [r.unit for r in session.readings],
        "quality": [r.quality for r in session.readings],
        "reason": [r.reason for r in session.readings],
        "model": [r.model for r in session.readings],
        "detail": [json.dumps(json.loads(encode(r.detail))) for r in session.readings],
    }
    streams = [(track.stream.replace("/", "-"), _samples(session, track)) for track in session.tracks]
    return [*streams, ("marks", events), ("readings", readings)]


def _samples(session: Session, track: Track) -> Columns:
    t = np.concatenate([block.t0 + np.arange(len(data)) / block.rate for block, data in track.blocks])
    data = np.concatenate([data for _, data in track.blocks])
    seq = np.concatenate([block.seq + np.arange(len(data)) for block, data in track.blocks])
    epoch = np.concatenate([np.full(len(data), block.epoch) for block, data in track.blocks])
    labels = {f"{label}": data[:, i] for i, label in enumerate(track.labels)}
    return {"mono": t, "wall": _walls(session, t), "epoch": epoch, "seq": seq, **labels}


def _walls(session: Session, t: NDArray[np.float64]) -> NDArray[np.float64]:
    marks = np.array([(mark.t, mark.wall - mark.t) for mark in session.clocks])
    index = np.maximum(np.searchsorted(marks[:, 0], t, side="right") - 1, 0)
    return np.asarray(t + marks[index, 1], np.float64)


def _csv(path: Path, columns: Columns) -> Path:
    texts = [_texts(name, values) for name, values in columns.items()]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*texts, strict=True))
    return path


def _texts(name: str, values: Any) -> Any:
    if name in ("mono", "wall"):
        return (f"{value:.6f}" for value in values)
    return values.tolist() if isinstance(values, np.ndarray) else values
