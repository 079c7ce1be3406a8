"""WFDB (PhysioNet's header, signal and annotation files): one record a stream, marks beside it as ``.atr`` notes.

Whole numbers are kept exactly in 16 or 32 bits; other values are scaled into 32. The format's own word for "no sample"
(the most negative number) stands in gaps. Times count from the header's base time, in samples of the measured rate.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge.cli.export.grid import Grid
from edge.cli.export.tracks import Mark, Session, Track
from edge.storage.whole_files import WholeFiles

_NOTE, _SKIP, _AUX = 22, 59, 63
_FORMATS: dict[int, np.dtype[Any]] = {16: np.dtype("<i2"), 32: np.dtype("<i4")}
_PAGE = 65_536


def write_wfdb(session: Session, out: Path) -> list[Path]:
    """``<out>/<source>-<kind>.hea``, ``.dat`` and ``.atr`` for each stream on a grid; returns the header files."""
    with WholeFiles() as whole, ExitStack() as files:
        records: dict[str, _Record] = {}
        for track in session.tracks:
            if track.on_grid:
                data, header, notes = (whole.begin(out / f"{_name(track)}{end}") for end in (".dat", ".hea", ".atr"))
                records[track.stream] = _Record(track, session, files.enter_context(data.open("wb")), header, notes)
        session.fill({stream: record.grid for stream, record in records.items()})
        for record in records.values():
            record.describe(session)
    return [out / f"{_name(track)}.hea" for track in session.tracks if track.on_grid]


def _name(track: Track) -> str:
    return track.stream.replace("/", "-")


class _Record:
    """The signal file of one stream, filled page by page, and what its header says of it."""

    def __init__(self, track: Track, session: Session, file: BinaryIO, header: Path, notes: Path) -> None:
        self._track, self._file, self._count = track, file, session.count(track)
        self._header, self._notes = header, notes
        self._gain = np.array([_gain(*about) for about in zip(track.low, track.high, track.whole, strict=True)])
        largest = np.maximum(np.abs(track.low), np.abs(track.high))
        small = (self._gain == 1.0) & ((largest <= 32767) | ~np.isfinite(largest))
        self._bits = 16 if bool(small.all()) else 32
        channels = len(track.labels)
        self._first: list[int] | None = None
        self._sums = np.zeros(channels, np.int64)
        self.grid = Grid(
            session.start, track.true_hz, self._count,
            nominal_hz=track.rate_hz, channels=channels, size=_PAGE, page=self._page,
        )  # fmt: skip

    def _page(self, _at: int, samples: NDArray[np.float64]) -> None:
        scaled = np.where(self._gain == 1.0, samples, np.rint(samples * self._gain))
        missing = np.iinfo(_FORMATS[self._bits]).min
        stored = np.where(np.isfinite(scaled), scaled, missing).astype(_FORMATS[self._bits])
        self._first = self._first or [int(x) for x in stored[0]]
        self._sums += stored.astype(np.int64).sum(axis=0)
        self._file.write(stored.tobytes())

    def describe(self, session: Session) -> None:
        """Header and annotations, once all samples are there."""
        track, start, name = self._track, session.started(), _name(self._track)
        began = f" {start:%H:%M:%S}.{start.microsecond // 1000:03d} {start:%d/%m/%Y}" if session.dated else ""
        lines = [f"{name} {len(track.labels)} {track.true_hz:.9g} {self._count}{began}"]
        for label, gain, first, total in zip(track.labels, self._gain, self._first or (), self._sums, strict=True):
            checksum = int(total) & 0xFFFF
            checksum -= 0x10000 if checksum > 0x7FFF else 0
            lines.append(
                f"{name}.dat {self._bits} {gain:.12g}(0)/counts {self._bits} 0 {first} {checksum} 0 "
                f"{track.stream} {label}"
            )
        lines.append(
            f"# {track.rate_hz:g} samples a second by the device's clock, {track.true_hz:.9g} by the monotonic one"
        )
        self._header.write_text("\n".join(lines) + "\n", encoding="ascii", errors="replace")
        marks = session.marks_with_gaps([track.stream])
        self._notes.write_bytes(_annotations(marks, session.start, track.true_hz))


def _gain(low: float, high: float, whole: bool) -> float:
    """What makes whole numbers of physical values: 1 where they are, else as much as 32 bits hold."""
    largest = max(abs(low), abs(high)) if np.isfinite(low) else 0.0
    if largest < 2**31 - 1 and whole:
        return 1.0
    return float(f"{(2**31 - 2) / (1.001 * largest):.12g}")


def _annotations(marks: Sequence[Mark], start: float, rate_hz: float) -> bytes:
    """MIT annotation file: a note with a text at each mark."""
    out, last = bytearray(), 0
    for mark in marks:
        at = max(last, round((mark.t - start) * rate_hz))
        step, last = at - last, at
        if step > 1023:
            out += struct.pack("<H", _SKIP << 10) + struct.pack("<HH", step >> 16, step & 0xFFFF)
            step = 0
        out += struct.pack("<H", _NOTE << 10 | step)
        for_how_long = f" [{mark.seconds:.3f} s]" if mark.seconds else ""
        text = f"{mark.kind}: {mark.text}{for_how_long}".encode("ascii", "replace")[:255]
        out += struct.pack("<H", _AUX << 10 | len(text)) + text + b"\x00" * (len(text) % 2)
    return bytes(out + b"\x00\x00")
