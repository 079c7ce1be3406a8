"""Clinical recordings as tracks: EDF (European data format) and WFDB (PhysioNet), read without a library.

EDF: Kemp et al., Electroenceph Clin Neurophysiol 1992;82:391, and its continuous EDF+. WFDB: header(5) and signal(5)
of the WFDB applications guide, formats 16, 32 and 212, one sample a frame. Signals are told apart by their labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.sources._files.track import (
    Floats,
    Track,
    by_stream,
    channel_for,
    checked_rate,
    is_wanted,
    kind_by_rate,
    may_be_any,
    none_named,
    read_bytes,
)
from edge.types import SourceError

_EDF_HEAD = 256
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)  # widths of a signal's header fields, EDF
_WFDB_WORDS = {"16": "<i2", "32": "<i4"}
_WFDB_INVALID = {"16": -(2**15), "32": -(2**31), "212": -(2**11)}  # the format's own word for "no sample"


@dataclass(frozen=True, slots=True)
class _Signal:
    label: str
    rate_hz: float
    length: int
    rows: Callable[[int, int], Floats]


def read_edf(path: Path, kind: str, channel: int | None, rate_hz: float | None) -> list[Track]:
    """Tracks of an EDF or continuous EDF+ file, in physical units."""
    with path.open("rb") as file:
        head = file.read(_EDF_HEAD)
        try:
            records, duration_s, count = int(head[236:244]), float(head[244:252]), int(head[252:256])
            fields = file.read(_EDF_HEAD * count)
            starts = np.cumsum([0, *(w * count for w in _FIELDS)])
            columns = [
                [fields[s + i * w : s + (i + 1) * w].decode("latin-1").strip() for i in range(count)]
                for s, w in zip(starts, _FIELDS, strict=False)
            ]
            sizes = [int(n) for n in columns[8]]
            ranges = [[float(columns[c][i]) for c in (3, 4, 5, 6)] for i in range(count)]
            if min(sizes) < 0:
                raise ValueError
        except ValueError:
            raise SourceError(f"{path}: its EDF header is damaged or half-written") from None
    if head[192:197] == b"EDF+D":
        raise SourceError(f"{path}: an interrupted EDF+ recording; export it as continuous EDF")
    record_size, at = sum(sizes), _EDF_HEAD * (count + 1)
    held = max(0, path.stat().st_size - at) // (2 * record_size) if record_size else 0
    records = held if records < 0 else records
    if held < records or not records or duration_s <= 0:
        promised = records * duration_s
        raise SourceError(f"{path}: half-written: promises {promised:.0f} s and holds {held * duration_s:.0f} s")

    def raw(first: int, last: int) -> NDArray[Any]:
        content = read_bytes(path, at + 2 * first * record_size, 2 * (last - first) * record_size)
        return np.frombuffer(content, "<i2").reshape(last - first, record_size)

    begins = np.cumsum([0, *sizes])
    signals = []
    for i, label in enumerate(columns[0]):
        low, high, dig_low, dig_high = ranges[i]
        if "Annotations" in label or not sizes[i] or dig_high == dig_low:
            continue
        part = slice(begins[i], begins[i] + sizes[i])
        gain = (high - low) / (dig_high - dig_low)
        invalid = dig_low if _keeps_gaps(label, columns[1][i]) else None
        rows = partial(_edf_rows, raw, part, gain, low - gain * dig_low, invalid)
        signals.append(_Signal(label, sizes[i] / duration_s, records * sizes[i], rows))
    return _tracks(path, signals, kind, channel, rate_hz)


def is_wfdb(path: Path) -> bool:
    """Whether the header of the same name says that this file, whatever it ends in, holds its signals."""
    header = path.with_suffix(".hea")
    lines = header.read_text(encoding="latin-1").splitlines()[1:] if header.is_file() else []
    return any(line.split()[:1] == [path.name] for line in lines)


def read_wfdb(path: Path, kind: str, channel: int | None, rate_hz: float | None) -> list[Track]:
    """Tracks of a WFDB record, named by its header or one of its signal files, in physical units."""
    header = path.with_suffix(".hea")
    if not header.is_file():
        raise SourceError(f"{path}: a WFDB signal file without its header {header.name}")
    text = header.read_text(encoding="latin-1").splitlines()
    lines = [x.split() for x in text if x.strip() and not x.startswith("#")]
    try:
        if "/" in lines[0][0]:
            raise SourceError(f"{path}: a WFDB record in segments; read the segments one by one")
        count, rate = int(lines[0][1]), float(lines[0][2].split("/")[0].split("(")[0])
        files = [line[0] for line in lines[1 : count + 1]]
        if not files or len(set(files)) != 1 or len(lines) < count + 1:
            raise SourceError(f"{path}: a WFDB record over several signal files is not read")
        code, _, offset = lines[1][1].partition("+")
        if int(offset or 0) < 0 or not rate > 0:
            raise ValueError
        samples = _wfdb_samples(header.parent / files[0], code, int(offset or 0), count)
        promised = int(lines[0][3]) if len(lines[0]) > 3 else 0
        if promised < 0:
            raise ValueError
        promised = promised or len(samples)  # 0 says that it is not known
        scales = [_wfdb_scale(line) for line in lines[1 : count + 1]]
    except (ValueError, IndexError, OverflowError):
        raise SourceError(f"{header}: its WFDB header is damaged") from None
    if not promised:
        raise SourceError(f"{path}: holds no samples")
    if len(samples) < promised:
        raise SourceError(
            f"{path}: half-written: promises {promised / rate:.0f} s and holds {len(samples) / rate:.0f} s"
        )
    invalid = _WFDB_INVALID[code]
    signals = []
    for i in range(count):
        rows = partial(_wfdb_rows, samples[:promised, i], invalid, scales[i])
        label = " ".join(lines[1 + i][8:]) or f"signal {i}"
        signals.append(_Signal(label, rate, promised, rows))
    return _tracks(path, signals, kind, channel, rate_hz)


def _keeps_gaps(label: str, transducer: str) -> bool:
    """Whether a signal is one of ``edge-vitals export --edf``, whose lowest number says that there is no sample: EDF has no
    word for it, and elsewhere it is a wave at the end of its range."""
    return transducer.partition("/")[2] == label.partition(" ")[0]


def _edf_rows(
    raw: Callable[[int, int], NDArray[Any]],
    part: slice,
    gain: float,
    zero: float,
    invalid: float | None,
    a: int,
    b: int,
) -> Floats:
    """Samples a to b of one signal; raw: records first to last; part: the signal's samples within a record."""
    n = part.stop - part.start
    first, last = a // n, -(-b // n)
    flat = np.asarray(raw(first, last)[:, part], np.float64).ravel()[a - first * n : b - first * n]
    return np.where(flat == invalid, np.nan, flat * gain + zero)


def _wfdb_rows(column: NDArray[Any], invalid: int, scale: tuple[float, float], a: int, b: int) -> Floats:
    part = np.asarray(column[a:b], np.float64)
    return np.where(part == invalid, np.nan, (part - scale[1]) / scale[0])


def _wfdb_samples(path: Path, code: str, offset: int, count: int) -> NDArray[Any]:
    if not path.is_file():
        raise SourceError(f"{path}: missing; a WFDB header names it")
    if code in _WFDB_WORDS:
        words = np.fromfile(path, _WFDB_WORDS[code], offset=offset)
        return words[: len(words) // count * count].reshape(-1, count)
    if code != "212":
        raise SourceError(f"{path}: WFDB format {code}; 16, 32 and 212 are read")
    raw = np.fromfile(path, np.uint8, offset=offset)
    held = len(raw) * 2 // 3  # of an odd number of samples the last one has two bytes
    raw = np.append(raw, np.zeros(-len(raw) % 3, np.uint8)).reshape(-1, 3).astype(np.int16)
    pair = np.stack([raw[:, 0] | ((raw[:, 1] & 0x0F) << 8), raw[:, 2] | ((raw[:, 1] & 0xF0) << 4)], axis=1).ravel()
    pair = np.where(pair >= 2048, pair - 4096, pair)
    return pair[: held // count * count].reshape(-1, count)


def _wfdb_scale(line: Sequence[str]) -> tuple[float, float]:
    """Gain and zero of a signal line: ``200(1024)/mV``; without a gain 200, without a zero the converter's."""
    text = (line[2] if len(line) > 2 else "200").partition("/")[0]
    gain, _, zero = text.partition("(")
    adc_zero = float(line[4]) if len(line) > 4 else 0.0
    return float(gain) or 200.0, float(zero.rstrip(")")) if zero else adc_zero


def _tracks(
    path: Path, signals: Sequence[_Signal], kind: str, channel: int | None, rate_hz: float | None
) -> list[Track]:
    named = by_stream({i: signal.label for i, signal in enumerate(signals)})
    by_kind = {found: [signals[i] for i in members] for found, members in named.items()}
    alone = list(signals) if len(signals) == 1 and may_be_any(signals[0].label) else []
    if kind != "auto":
        asked = by_kind.get(kind) or alone
        beside = {found: members for found, members in by_kind.items() if asked and is_wanted(found, kind)}
        by_kind = {kind: asked, **beside}
    elif alone:
        by_kind = {kind_by_rate(alone[0].rate_hz): alone}
    tracks = []
    for found, members in by_kind.items():
        if not members:
            break
        same = [s for s in members if (s.rate_hz, s.length) == (members[0].rate_hz, members[0].length)]
        left_out = tuple(f"{s.label} ({s.rate_hz:g} Hz)" for s in members if s not in same)
        one, unheard = channel_for(found, kind, channel), 0
        if one is not None:
            if not 0 <= one < len(same):
                raise SourceError(f"{path}: {found} has {len(same)} channel(s), counted from 0, no channel {one}")
            same, left_out, unheard = [same[one]], (), len(members) - 1
        rate = checked_rate(str(path), same[0].rate_hz, rate_hz if kind in ("auto", found) else None)

        def rows(a: int, b: int, same: Sequence[_Signal] = same) -> Floats:
            return np.stack([s.rows(a, b) for s in same], axis=1)

        labels = tuple(s.label for s in same)
        tracks.append(Track(found, rate, same[0].length, rows, labels, left_out=left_out, unheard=unheard))
    if not tracks:
        raise none_named(path, "signal", kind, [signal.label for signal in signals])
    return tracks
