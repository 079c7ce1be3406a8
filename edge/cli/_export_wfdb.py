"""WFDB (PhysioNet's header, signal and annotation files): one record a stream, marks beside it as ``.atr`` notes.

Whole numbers are kept exactly in 16 or 32 bits; other values are scaled into 32. The format's own word for "no sample"
(the most negative number) stands in gaps. Times count from the header's base time, in samples of the measured rate.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.cli._export_tracks import Mark, Session, Track, marks_with_gaps

_NOTE, _SKIP, _AUX = 22, 59, 63
_FORMATS: dict[int, np.dtype[Any]] = {16: np.dtype("<i2"), 32: np.dtype("<i4")}


def write_wfdb(session: Session, out: Path) -> list[Path]:
    """``<out>/<source>-<kind>.hea``, ``.dat`` and ``.atr`` for each stream on a grid; returns the header files."""
    return [_write(session, track, out) for track in session.tracks if track.on_grid]


def _write(session: Session, track: Track, out: Path) -> Path:
    name = track.stream.replace("/", "-")
    count = max(1, round((session.end - session.start) * track.true_hz))
    samples, gaps = track.grid(session.start, count)
    columns = [_scaled(samples[:, i]) for i in range(samples.shape[1])]
    bits = max(_bits(values) for values, _, _ in columns)
    missing = np.iinfo(_FORMATS[bits]).min
    data = np.stack([np.where(np.isfinite(values), values, missing) for values, _, _ in columns], axis=1)
    stored = data.astype(_FORMATS[bits])
    (out / f"{name}.dat").write_bytes(stored.tobytes())
    start = session.started()
    lines = [
        f"{name} {len(columns)} {track.true_hz:.9g} {count} {start:%H:%M:%S}.{start.microsecond // 1000:03d} "
        f"{start:%d/%m/%Y}"
    ]
    for index, (label, (_, gain, baseline)) in enumerate(zip(track.labels, columns, strict=True)):
        checksum = int(stored[:, index].astype(np.int64).sum()) & 0xFFFF
        checksum -= 0x10000 if checksum > 0x7FFF else 0
        lines.append(
            f"{name}.dat {bits} {gain:.12g}({baseline})/counts {bits} 0 {stored[0, index]} {checksum} 0 "
            f"{track.stream} {label}"
        )
    lines.append(
        f"# {track.rate_hz:g} samples a second by the device's clock, {track.true_hz:.9g} by the monotonic one"
    )
    header = out / f"{name}.hea"
    header.write_text("\n".join(lines) + "\n", encoding="ascii", errors="replace")
    marks = marks_with_gaps(session, {track.stream: gaps})
    (out / f"{name}.atr").write_bytes(_annotations(marks, session.start, track.true_hz))
    return header


def _scaled(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, int]:
    """Whole numbers, and the gain and baseline that make physical values of them."""
    known = x[np.isfinite(x)]
    largest = float(np.abs(known).max()) if len(known) else 0.0
    if largest < 2**31 - 1 and bool((known == np.rint(known)).all()):
        return x, 1.0, 0
    gain = float(f"{(2**31 - 2) / (1.001 * largest):.12g}")
    return np.rint(x * gain), gain, 0


def _bits(values: NDArray[np.float64]) -> int:
    known = values[np.isfinite(values)]
    return 16 if not len(known) or np.abs(known).max() <= 32767 else 32


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
