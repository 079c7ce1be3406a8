"""EDF+C (Kemp and Olivan, Clin Neurophysiol 2003;114:1755): one file a source, one signal a channel, marks as annotations.

Samples are 16 bits. Whole numbers that span less than 65,534 are kept exactly (an offset in the physical range, which
eight characters must hold); others are rounded to the range seen. -32768 stands where there was no sample, and an
annotation names every gap. A record's duration is stretched by the device's measured skew, so that sample n is where the
monotonic clock says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.cli.export.grid import Grid
from edge.cli.export.tracks import Session, Track
from edge.storage.whole_files import WholeFiles

MISSING = -32768
_LOWEST, _HIGHEST = -32767, 32767
_PAGE_RECORDS = 60
_NUMBER_BYTES = 8
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_UNDATED = ("01.01.85", "00.00.00")  # EDF's two digits mean 1985 to 2084, and of an unknown day this


def write_edf(session: Session, out: Path) -> list[Path]:
    """One ``<out>/<source>.edf`` a source with streams on a grid; returns the files."""
    sources = sorted({track.source for track in session.tracks if track.on_grid})
    paths = {source: out / f"{source}.edf" for source in sources}
    with WholeFiles() as whole, ExitStack() as files:
        made = [
            _Edf(
                [t for t in session.tracks if t.source == source and t.on_grid],
                session,
                files.enter_context(whole.begin(path).open("wb")),
            )
            for source, path in paths.items()
        ]
        session.fill({stream: grid for edf in made for stream, grid in edf.grids.items()})
    return list(paths.values())


class _Edf:
    """One file, whose places are known beforehand: samples are written where they belong, some records at once."""

    def __init__(self, tracks: Sequence[Track], session: Session, file: BinaryIO) -> None:
        self._file = file
        skew = tracks[0].true_hz / tracks[0].rate_hz
        nominal_s = _record_s([track.rate_hz for track in tracks])
        record_s = nominal_s / skew
        records = max(1, math.ceil((session.end - session.start) / record_s - 1e-6))
        texts = _texts(session, [track.stream for track in tracks])
        notes_bytes = _notes_bytes(texts, records, session, record_s)
        fields: list[dict[str, str]] = []
        self.grids: dict[str, Grid] = {}
        offset = 0
        for track in tracks:
            a_record, channels = round(track.rate_hz * nominal_s), []
            for label, low, high, whole in zip(track.labels, track.low, track.high, track.whole, strict=True):
                scale = _scale(float(low), float(high), whole=bool(whole))
                fields.append(_signal(track.stream, label, a_record, scale))
                channels.append((offset, scale))
                offset += 2 * a_record
            self.grids[track.stream] = Grid(
                session.start, track.true_hz, a_record * records, nominal_hz=track.rate_hz,
                channels=len(channels), size=a_record * _PAGE_RECORDS, page=self._page_of(a_record, channels),
            )  # fmt: skip
        fields.append(_annotation_signal(notes_bytes))
        header = _header(session, fields, records, record_s)
        self._first, self._record_bytes = len(header), offset + notes_bytes
        file.write(header)
        for record, (notes, _) in enumerate(_notes(texts, records, session, record_s, notes_bytes)):
            file.seek(self._first + record * self._record_bytes + offset)
            file.write(notes)

    def _page_of(self, a_record: int, channels: list[tuple[int, _Scale]]) -> Callable[[int, NDArray[np.float64]], None]:
        def page(at: int, samples: NDArray[np.float64]) -> None:
            for channel, (offset, scale) in enumerate(channels):
                for index, part in enumerate(scale.digital(samples[:, channel]).reshape(-1, a_record)):
                    self._file.seek(self._first + (at // a_record + index) * self._record_bytes + offset)
                    self._file.write(part.astype("<i2").tobytes())

        return page


def _signal(stream: str, label: str, a_record: int, scale: _Scale) -> dict[str, str]:
    return {
        "label": f"{stream.partition('/')[2]} {label}"[:16],
        "transducer": stream,
        "unit": "",
        "pmin": _number(scale.of(MISSING)),
        "pmax": _number(scale.of(_HIGHEST)),
        "dmin": str(MISSING),
        "dmax": str(_HIGHEST),
        "filter": "none",
        "n": str(a_record),
        "reserved": "",
    }


def _annotation_signal(notes_bytes: int) -> dict[str, str]:
    return {
        "label": "EDF Annotations",
        "transducer": "",
        "unit": "",
        "pmin": "-1",
        "pmax": "1",
        "dmin": "-32768",
        "dmax": "32767",
        "filter": "",
        "n": str(notes_bytes // 2),
        "reserved": "",
    }


def _record_s(rates: Sequence[float]) -> float:
    """The shortest whole number of seconds that holds a whole number of samples of every stream; where none does, as many
    samples of the slowest one as come closest to that: what a record has too many or too few shifts all that follow."""
    for seconds in (1, 2, 5, 10):
        if all(abs(rate * seconds - round(rate * seconds)) < 1e-9 for rate in rates):
            return float(seconds)
    slowest = min(rates)
    times = np.arange(math.ceil(slowest), math.ceil(10 * slowest) + 1) / slowest
    held = np.outer(rates, times)
    off = np.abs(np.rint(held) / held - 1.0).max(axis=0)
    return float(times[np.argmin(off.round(9))])


class _Scale(NamedTuple):
    """Physical value = offset + step * digital value."""

    offset: float
    step: float

    def of(self, digital: int) -> float:
        return self.offset + digital * self.step

    def digital(self, x: NDArray[np.float64]) -> NDArray[np.int16]:
        """Digital values, ``MISSING`` where there is no sample."""
        whole = np.full(len(x), MISSING, np.int16)
        known = np.isfinite(x)
        whole[known] = np.clip(np.rint((x[known] - self.offset) / self.step), _LOWEST, _HIGHEST).astype(np.int16)
        return whole


def _scale(low: float, high: float, *, whole: bool) -> _Scale:
    """For samples between ``low`` and ``high``; whole: all of them are whole numbers. Both infinite: there are none."""
    known = math.isfinite(low)
    low, high = (low, high) if known else (0.0, 1.0)
    if known and whole and high - low <= _HIGHEST - _LOWEST:
        kept = _Scale(0.0 if low >= _LOWEST and high <= _HIGHEST else math.floor((low + high) / 2), 1.0)
        if all(float(_number(end)) == end for end in (kept.of(MISSING), kept.of(_HIGHEST))):
            return kept
    low, high = _outward(low, high if high > low else low + max(1e-6, 1e-9 * abs(low)))
    step = (high - low) / (_HIGHEST - MISSING - 2)
    offset = low - (MISSING + 1) * step
    low, high = _outward(offset + MISSING * step, offset + _HIGHEST * step)
    step = (high - low) / (_HIGHEST - MISSING)  # as readers compute it from eight characters
    return _Scale(low - MISSING * step, step)


def _outward(low: float, high: float) -> tuple[float, float]:
    """The next numbers below and above that eight characters can hold."""
    return float(_number(low, ROUND_FLOOR)), float(_number(high, ROUND_CEILING))


def _number(value: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """A number in the eight characters that EDF gives it, as exactly as they can."""
    for digits in range(8, 0, -1):
        number = Context(digits, rounding).create_decimal_from_float(value + 0.0).normalize()
        text = min(f"{number:f}", f"{number:e}".replace("e+", "e"), key=len)
        if len(text) <= _NUMBER_BYTES:
            return text
    raise ValueError(f"{value}: no EDF number")


def _texts(session: Session, streams: list[str]) -> list[tuple[float, bytes]]:
    """When, and the annotation, of every mark in order."""
    first_s = session.started().microsecond / 1e6
    return [
        (m.t, _tal(first_s + max(0.0, m.t - session.start), m.seconds, f"{m.kind}: {m.text}"))
        for m in session.marks_with_gaps(streams)
    ]


def _notes_bytes(texts: Sequence[tuple[float, bytes]], records: int, session: Session, record_s: float) -> int:
    """Room for annotations in each record, so that all of them find a place."""
    size = 64 + max((len(text) for _, text in texts), default=0)
    size += size % 2
    while sum(count for _, count in _notes(texts, records, session, record_s, size)) < len(texts):
        size *= 2
    return size


def _notes(
    texts: Sequence[tuple[float, bytes]], records: int, session: Session, record_s: float, size: int
) -> Iterator[tuple[bytes, int]]:
    """The annotation signal of every record, its own onset first, then what fits of what waits; and how many that is."""
    first_s, index = session.started().microsecond / 1e6, 0
    for record in range(records):
        content = _onset(first_s + record * record_s) + b"\x14\x14\x00"
        upto, before = session.start + (record + 1) * record_s, index
        while index < len(texts) and (texts[index][0] < upto or record == records - 1):
            if len(content) + len(texts[index][1]) > size:
                break
            content += texts[index][1]
            index += 1
        yield content.ljust(size, b"\x00"), index - before


def _onset(seconds: float) -> bytes:
    return f"+{seconds:.6f}".rstrip("0").rstrip(".").encode()


def _tal(onset_s: float, seconds: float, text: str) -> bytes:
    duration = b"\x15" + f"{seconds:.6f}".encode() if seconds else b""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return _onset(onset_s) + duration + b"\x14" + clean.encode() + b"\x14\x00"


def _header(session: Session, fields: Sequence[dict[str, str]], records: int, record_s: float) -> bytes:
    start = session.started()
    date, day, time = "X", *_UNDATED
    if session.dated:
        date = f"{start.day:02d}-{_MONTHS[start.month - 1]}-{start.year}"
        day, time = f"{start:%d.%m.%y}", f"{start:%H.%M.%S}"
    device = "".join(c if c.isalnum() or c in "-." else "_" for c in session.device) or "X"
    parts = [
        ("0", 8),
        ("X X X X", 80),
        (f"Startdate {date} X X {device}", 80),
        (day, 8),
        (time, 8),
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
