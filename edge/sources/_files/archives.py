"""NumPy archives as tracks: one signal, a few signals one per row, or one record per row.

A stream without any number is an error only where it was asked for or nothing else is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.sources._files.track import (
    MAX_CHANNELS,
    Track,
    array_track,
    channel_for,
    checked_rate,
    chosen_channels,
    is_wanted,
)
from edge.types import SourceError

_ARCHIVE_KEYS = {"ppg": "ppg", "pleth": "ppg", "bvp": "ppg", "pcg": "pcg", "sound": "pcg", "acc": "acc", "ecg": "ecg"}


def read_npz(
    path: Path, kind: str, channel: int | None, rate_hz: float | None, record: str | int | None
) -> list[Track]:
    """Tracks of a NumPy archive: keys ppg (or pleth), pcg, acc, ecg, with ``fs`` or ``fs_<key>``.

    An array is one signal, a few signals one per row, or one record per row: then ``record`` says which, by its
    number or by its name in the archive's ``record``.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {k: archive[k] for k in archive.files if k in _ARCHIVE_KEYS}
            rates = {k: float(np.ravel(archive[k])[0]) for k in archive.files if k == "fs" or k.startswith("fs_")}
            names = [str(r) for r in np.ravel(archive["record"])] if "record" in archive.files else []
            there = ", ".join(archive.files)
    except Exception as error:  # NumPy's reader promises no closed set of errors for a damaged archive
        said = " ".join(str(error).split())[:80]
        raise SourceError(f"{path}: damaged, half-written or not a NumPy archive: {said}") from None
    if not arrays:
        raise SourceError(f"{path}: holds none of {', '.join(_ARCHIVE_KEYS)}; it holds: {there[:120]}")
    if record not in (None, "", 0, "0") and not any(_is_of_records(array, names) for array in arrays.values()):
        raise SourceError(f"{path}: is one recording; there is no record {record!r} in it")
    tracks: dict[str, Track] = {}
    empty = []
    for key, array in arrays.items():
        found = _ARCHIVE_KEYS[key]
        if not is_wanted(found, kind) or found in tracks:
            continue
        if array.dtype.kind not in "iuf":
            raise SourceError(f"{path}: {key}: holds no numbers")
        data = np.asarray(_signals(path, key, array, record, names), np.float64)
        channels = chosen_channels(path, list(range(data.shape[1])), channel_for(found, kind, channel))
        unheard = data.shape[1] - 1 if len(channels) == 1 else 0
        data = data[:, channels]
        if not np.isfinite(data).any():
            empty.append(found)
        stated = rates.get(f"fs_{key}", rates.get("fs"))
        asked = rate_hz if stated is None or kind in (found, "auto") else None
        rate = checked_rate(str(path), stated, asked, key="fs")
        tracks[found] = array_track(found, rate, np.ascontiguousarray(data), unheard)
    if not (tracks if kind == "auto" else kind in tracks):
        raise SourceError(f"{path}: holds no {kind}")
    if kind in empty or len(empty) == len(tracks):
        raise SourceError(f"{path}: {', '.join(empty)}: holds no numbers")
    return list(tracks.values())


def _signals(path: Path, key: str, array: NDArray[Any], record: str | int | None, names: Sequence[str]) -> NDArray[Any]:
    """The samples of one key as ``(n, channels)``."""
    if array.ndim == 1:
        array = array[:, None]
    elif _is_of_records(array, names):
        array = array[_record(path, len(array), record, names)][:, None]
    elif array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T
    if array.ndim != 2 or array.shape[1] > MAX_CHANNELS:
        raise SourceError(f"{path}: {key}: an array of shape {array.shape} is no signal")
    if not array.size:
        raise SourceError(f"{path}: {key}: empty")
    return array


def _is_of_records(array: NDArray[Any], names: Sequence[str]) -> bool:
    """Whether each row is a record of its own."""
    return array.ndim == 2 and bool(names or min(array.shape) > MAX_CHANNELS)


def _record(path: Path, count: int, record: str | int | None, names: Sequence[str]) -> int:
    known = f", for example {names[0]}" if names else ""
    if record is None or record == "":
        if count == 1:
            return 0
        raise SourceError(f"{path}: holds {count} records; say which: {path.name}#0 to #{count - 1}{known}")
    if str(record) in names:
        return list(names).index(str(record))
    if str(record).isdecimal() and int(record) < count:
        return int(record)
    raise SourceError(f"{path}: no record {record!r}: there are {count}, from 0{known}")
