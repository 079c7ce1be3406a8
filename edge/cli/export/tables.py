"""CSV and Parquet: every sample with both its times, and tables of marks and readings. What is not there has no row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge.cli.export.tracks import Session, Track, channels_of
from edge.plain import encode
from edge.sources._files.exported import COLUMNS
from edge.storage.whole_files import WholeFiles
from edge.types import Block, ConfigError, Reading

Columns = dict[str, Any]
_ROWS, _TEXT_ROWS = 20_000, 1_000  # together in memory, of a table of samples, and of one of words
_TIME = "%.6f"  # of s: to the microsecond
_NUMBERS = {"mono": np.dtype(np.float64), "wall": np.dtype(np.float64)}
_SAMPLES = dict(zip(COLUMNS, map(np.dtype, (float, float, np.int64, np.int64)), strict=True))
_READINGS: Mapping[str, np.dtype[Any] | None] = {
    **_NUMBERS, "time": None, "bed": None, "source": None, "metric": None, "value": None, "unit": None,
    "quality": np.dtype(np.float64), "reason": None, "model": None, "detail": None,
}  # fmt: skip
_MARKS: Mapping[str, np.dtype[Any] | None] = {
    **_NUMBERS, "time": None, "seconds": np.dtype(np.float64), "kind": None, "text": None,
}  # fmt: skip
Types = Mapping[str, np.dtype[Any] | None]
"""Of each column; None = text."""


class Table(Protocol):
    """A file that takes rows, as columns, until it is closed."""

    def add(self, columns: Columns) -> None: ...

    def close(self) -> None: ...


def write_csv(session: Session, out: Path) -> list[Path]:
    """``<source>-<kind>.csv``, ``marks.csv`` and ``readings.csv``; times to the microsecond, values as they were."""
    return _write(session, out, ".csv", _Csv)


def write_parquet(session: Session, out: Path) -> list[Path]:
    """The same tables as Parquet, one file each; needs pyarrow."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ConfigError("Parquet needs pyarrow: pip install 'edge-vitals[parquet]'; or use --csv") from None
    return _write(session, out, ".parquet", _Parquet)


def _write(session: Session, out: Path, suffix: str, opened: Callable[[Path, Types], Table]) -> list[Path]:
    streams: dict[str, Types] = {
        track.stream: {**_SAMPLES, **dict.fromkeys(track.labels, track.dtype)} for track in session.tracks
    }
    paths = {stream: out / f"{stream.replace('/', '-')}{suffix}" for stream in streams}
    marks, readings = (out / f"{name}{suffix}" for name in ("marks", "readings"))
    with WholeFiles() as whole, ExitStack() as files:

        def table_of(path: Path, types: Types) -> _Gathered:
            table = _Gathered(opened(whole.begin(path), types), _TEXT_ROWS if _has_words(types) else _ROWS)
            files.callback(table.close)
            return table

        tracks = {track.stream: track for track in session.tracks}
        tables = {stream: table_of(paths[stream], types) for stream, types in streams.items()}
        told, happened = table_of(readings, _READINGS), table_of(marks, _MARKS)
        for entry in session.recording:
            if isinstance(entry, Block):
                stream = session.stream_of(entry)
                tables[stream].add(_samples(session, tracks[stream], entry))
            elif isinstance(entry, Reading):
                told.add(_reading(session, entry))
        streams_on_grid = [track.stream for track in session.tracks if track.on_grid]
        for mark in session.marks_with_gaps(streams_on_grid, one_rate=False):
            row = (mark.t, session.wall(mark.t), session.time(mark.t), mark.seconds, mark.kind, mark.text)
            happened.add({name: [value] for name, value in zip(_MARKS, row, strict=True)})
    return [*paths.values(), marks, readings]


def _samples(session: Session, track: Track, block: Block) -> Columns:
    data = channels_of(block).astype(track.dtype, copy=False)
    t = block.t0 + np.arange(len(data)) / block.rate
    about = (t, session.walls(t), np.full(len(data), block.epoch), block.seq + np.arange(len(data)))
    return {
        **dict(zip(COLUMNS, about, strict=True)),
        **{label: data[:, i] for i, label in enumerate(track.labels)},
    }


def _reading(session: Session, r: Reading) -> Columns:
    value = None if r.value is None else str(r.value)
    detail = json.dumps(json.loads(encode(r.detail)))
    row = (
        r.t,
        session.wall(r.t),
        session.time(r.t),
        r.bed,
        r.source,
        r.metric,
        value,
        r.unit,
        r.quality,
        r.reason,
        r.model,
        detail,
    )
    return {name: [cell] for name, cell in zip(_READINGS, row, strict=True)}


def _has_words(types: Types) -> bool:
    """Whether a column is text; not by ``in``, as float64 equals None for numpy."""
    return any(kind is None for kind in types.values())


class _Gathered:
    """Rows on their way to a table, some thousands at once."""

    def __init__(self, table: Table, most: int) -> None:
        self._table, self._most = table, most
        self._waiting, self._rows = list[Columns](), 0

    def add(self, columns: Columns) -> None:
        self._waiting.append(columns)
        self._rows += len(columns["mono"])
        if self._rows >= self._most:
            self._hand_over()

    def close(self) -> None:
        try:
            self._hand_over()
        finally:
            self._table.close()

    def _hand_over(self) -> None:
        if self._waiting:
            self._table.add({name: _joined([one[name] for one in self._waiting]) for name in self._waiting[0]})
        self._waiting, self._rows = [], 0


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else [cell for part in parts for cell in part]


class _Csv:
    """Rows of numbers are made by one pattern, at half of what the csv module takes: it need not look for quotes."""

    def __init__(self, path: Path, types: Types) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(types)
        cells = ",".join(_TIME if name in _NUMBERS else "%s" for name in types)
        self._row = None if _has_words(types) else cells + self._writer.dialect.lineterminator

    def add(self, columns: Columns) -> None:
        if self._row is None:
            self._writer.writerows(zip(*(_texts(name, cells) for name, cells in columns.items()), strict=True))
        else:
            rows = zip(*(numbers.tolist() for numbers in columns.values()), strict=True)
            self._file.write("".join(map(self._row.__mod__, rows)))

    def close(self) -> None:
        self._file.close()


def _texts(name: str, cells: list[Any]) -> list[Any]:
    return [_TIME % cell for cell in cells] if name in _NUMBERS else cells


class _Parquet:
    def __init__(self, path: Path, types: Types) -> None:
        import pyarrow
        import pyarrow.parquet

        kinds = [
            (name, pyarrow.string() if kind is None else pyarrow.from_numpy_dtype(kind)) for name, kind in types.items()
        ]
        self._schema = pyarrow.schema(kinds)
        self._file = path.open("wb")
        self._writer = pyarrow.parquet.ParquetWriter(self._file, self._schema)

    def add(self, columns: Columns) -> None:
        import pyarrow

        self._writer.write_table(pyarrow.table(columns, schema=self._schema))

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._file.close()
