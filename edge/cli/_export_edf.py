"""EDF+C (Kemp and Olivan, Clin Neurophysiol 2003;114:1755): one file a source, one signal a channel, marks as annotations.

Samples are 16 bits. Whole numbers that span less than 65,534 are kept exactly (an offset in the physical range); others
are rounded to the range seen. -32768 stands where there was no sample, and an annotation names every gap. A record's
duration is stretched by the device's measured skew, so that sample n is where the monotonic clock says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.cli._export_tracks import Mark, Session, Track, marks_with_gaps

MISSING = -32768
_LOWEST, _HIGHEST = -32767, 32767
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def write_edf(session: Session, out: Path) -> list[Path]:
    """One ``<out>/<source>.edf`` a source with streams on a grid; returns the files."""
    made = []
    for source in sorted({track.source for track in session.tracks if track.on_grid}):
        tracks = [track for track in session.tracks if track.source == source and track.on_grid]
        path = out / f"{source}.edf"
        _write(session, tracks, path)
        made.append(path)
    return made


def _write(session: Session, tracks: Sequence[Track], path: Path) -> None:
    skew = tracks[0].true_hz / tracks[0].rate_hz
    nominal_s = _record_s([track.rate_hz for track in tracks])
    record_s = nominal_s / skew
    records = max(1, math.ceil((session.end - session.start) / record_s - 1e-6))
    digital: list[NDArray[np.int16]] = []
    fields: list[dict[str, str]] = []
    gaps: dict[str, list[tuple[float, float]]] = {}
    for track in tracks:
        a_record = round(track.rate_hz * nominal_s)
        samples, gaps[track.stream] = track.grid(session.start, a_record * records)
        for channel, label in enumerate(track.labels):
            whole, low, high = _quantise(samples[:, channel])
            digital.append(whole.reshape(records, a_record))
            kind = track.stream.partition("/")[2]
            fields.append(
                {
                    "label": f"{kind} {label}"[:16],
                    "transducer": track.stream,
                    "unit": "",
                    "pmin": _number(low),
                    "pmax": _number(high),
                    "dmin": str(MISSING),
                    "dmax": str(_HIGHEST),
                    "filter": "none",
                    "n": str(a_record),
                    "reserved": "",
                }
            )
    notes = _annotations(marks_with_gaps(session, gaps), session, records, record_s)
    size = len(notes[0])
    fields.append(
        {
            "label": "EDF Annotations",
            "transducer": "",
            "unit": "",
            "pmin": "-1",
            "pmax": "1",
            "dmin": "-32768",
            "dmax": "32767",
            "filter": "",
            "n": str(size // 2),
            "reserved": "",
        }
    )
    with path.open("wb") as file:
        file.write(_header(session, fields, records, record_s))
        for index in range(records):
            for signal in digital:
                file.write(signal[index].astype("<i2").tobytes())
            file.write(notes[index])


def _record_s(rates: Sequence[float]) -> float:
    """The shortest whole number of seconds that holds a whole number of samples of every stream."""
    for seconds in (1, 2, 5, 10):
        if all(abs(rate * seconds - round(rate * seconds)) < 1e-9 for rate in rates):
            return float(seconds)
    return 10.0


def _quantise(x: NDArray[np.float64]) -> tuple[NDArray[np.int16], float, float]:
    """Digital values, and the physical values of the digital extremes -32768 and 32767."""
    known = x[np.isfinite(x)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    exact = bool(len(known)) and high - low <= _HIGHEST - _LOWEST and bool((known == np.rint(known)).all())
    if exact:
        offset = 0.0 if low >= _LOWEST and high <= _HIGHEST else math.floor((low + high) / 2)
        step = 1.0
    else:
        low, high = _outward(low, math.floor), _outward(max(high, low + 1e-6), math.ceil)
        step = (high - low) / (_HIGHEST - MISSING - 2)
        offset = low - (MISSING + 1) * step
        low, high = _outward(offset + MISSING * step, math.floor), _outward(offset + _HIGHEST * step, math.ceil)
        step = (high - low) / (_HIGHEST - MISSING)  # as readers compute it from eight characters
        offset = low - MISSING * step
    whole = np.full(len(x), MISSING, np.int16)
    whole[np.isfinite(x)] = np.clip(np.rint((known - offset) / step), _LOWEST, _HIGHEST).astype(np.int16)
    return whole, offset + MISSING * step, offset + _HIGHEST * step


def _outward(value: float, rounded: Callable[[float], int]) -> float:
    """The next number in that direction that eight characters can hold."""
    for digits in range(6, 0, -1):
        text = f"{rounded(value * 10**digits) / 10**digits:.{digits}f}"
        if len(text) <= 8:
            return float(text)
    return float(rounded(value))


def _number(value: float) -> str:
    """A number in the eight characters that EDF gives it, as exactly as they can."""
    for digits in range(12, 0, -1):
        text = f"{value:.{digits}g}"
        if "e" in text:
            text = f"{value:.{max(0, digits - 1)}f}".rstrip("0").rstrip(".") if abs(value) < 1e8 else text
        if len(text) <= 8:
            return text
    return f"{value:.0f}"[:8]


def _annotations(marks: Sequence[Mark], session: Session, records: int, record_s: float) -> list[bytes]:
    """The annotation signal of every record: its own onset first, then what fits of what waits."""
    first_s = session.started().microsecond / 1e6
    texts = [_tal(first_s + max(0.0, m.t - session.start), m.seconds, f"{m.kind}: {m.text}") for m in marks]
    size = 64 + max((len(text) for text in texts), default=0)
    while True:
        size += size % 2
        out, index = [], 0
        for record in range(records):
            content = _onset(first_s + record * record_s) + b"\x14\x14\x00"
            upto = session.start + (record + 1) * record_s
            while index < len(texts) and (marks[index].t < upto or record == records - 1):
                if len(content) + len(texts[index]) > size:
                    break
                content += texts[index]
                index += 1
            out.append(content.ljust(size, b"\x00"))
        if index == len(texts):
            return out
        size *= 2


def _onset(seconds: float) -> bytes:
    return f"+{seconds:.6f}".rstrip("0").rstrip(".").encode()


def _tal(onset_s: float, seconds: float, text: str) -> bytes:
    duration = b"\x15" + f"{seconds:.6f}".encode() if seconds else b""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return _onset(onset_s) + duration + b"\x14" + clean.encode() + b"\x14\x00"


def _header(session: Session, fields: Sequence[dict[str, str]], records: int, record_s: float) -> bytes:
    start = session.started()
    date = f"{start.day:02d}-{_MONTHS[start.month - 1]}-{start.year}"
    device = "".join(c if c.isalnum() or c in "-." else "_" for c in session.device) or "X"
    parts = [
        ("0", 8),
        ("X X X X", 80),
        (f"Startdate {date} X X {device}", 80),
        (f"{start:%d.%m.%y}", 8),
        (f"{start:%H.%M.%S}", 8),
        (str(256 * (len(fields) + 1)), 8),
        ("EDF+C", 44),
        (str(records), 8),
        (_number(record_s), 8),
        (str(len(fields)), 4),
    ]
    widths = {"label": 16, "transducer": 80, "unit": 8, "pmin": 8, "pmax": 8, "dmin": 8, "dmax": 8, "filter": 80}
    widths |= {"n": 8, "reserved": 32}
    parts += [(one[key], width) for key, width in widths.items() for one in fields]
    return b"".join(text.encode("ascii", "replace")[:width].ljust(width) for text, width in parts)
