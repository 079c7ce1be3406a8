"""Sound files as tracks: WAV (8, 16, 24, 32 bit and float) without a library, FLAC and others through soundfile.

Samples are scaled to full scale ±1, so that the same sound is the same numbers in either format. A half-written file
is refused: its header promises more than there is, or nothing, or its last page does not say that it is the last.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.sources._files.track import Floats, Track, checked_rate, kind_by_rate, read_bytes
from edge.types import SourceError

_UNKNOWN_SIZE = 0x7FFFF000  # from here on: written by programs that stream and never come back to the header
_IN_DS64 = 0xFFFFFFFF  # of RF64: the size stands in a chunk of its own
_OGG_PAGE = 65_307  # bytes at most
_KNOWN_OF_CHUNK = 64  # bytes that are ever asked for; a damaged header may promise gigabytes
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


def read_wav(path: Path, kind: str, channel: int | None, rate_hz: float | None) -> list[Track]:
    """One track of a WAV file, read as it is played."""
    form, at, size = _wav_chunks(path)
    code, channels, stated, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", form)
    if code == _EXTENSIBLE and len(form) >= 26:
        code = struct.unpack_from("<H", form, 24)[0]
    if (code, bits) not in {(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)} or not channels:
        raise SourceError(f"{path}: WAV of format {code} with {bits} bits; convert it to 16-bit PCM")
    if frame_bytes != channels * bits // 8:
        raise SourceError(f"{path}: its WAV header contradicts itself")
    rate = checked_rate(str(path), stated, rate_hz)
    there = path.stat().st_size - at
    if size is None:
        size = there
    if not size and there:
        raise SourceError(f"{path}: half-written, or without sound: its header promises none, and {there} bytes follow")
    if there // frame_bytes < size // frame_bytes:
        promised, held = (n / frame_bytes / rate for n in (size, there))
        raise SourceError(f"{path}: half-written: promises {promised:.1f} s of sound and holds {held:.1f} s")
    length = size // frame_bytes
    if not length:
        raise SourceError(f"{path}: holds no sound")

    def rows(a: int, b: int) -> Floats:
        raw = np.frombuffer(read_bytes(path, at + a * frame_bytes, (b - a) * frame_bytes), np.uint8)
        return _wav_samples(raw.reshape(b - a, frame_bytes), code, bits, channels)

    return [_picked(path, kind, channel, rate, length, channels, rows)]


def read_flac(path: Path, kind: str, channel: int | None, rate_hz: float | None) -> list[Track]:
    """One track of a FLAC file (or another that libsndfile reads), decoded as it is read."""
    try:
        import soundfile
    except ImportError:
        told = f"{path}: FLAC needs soundfile: pip install 'edge-vitals[files]'"
        raise SourceError(told, "package_missing") from None
    try:
        file = soundfile.SoundFile(str(path))
        length, stated, channels = file.frames, file.samplerate, file.channels
        file.seek(length - 1)  # a truncated file fails here rather than half-way through
        if len(file.read(1)) != 1:
            raise SourceError(f"{path}: half-written: promises {length / stated:.1f} s of sound and holds less")
        if _is_cut_ogg(path):
            raise SourceError(f"{path}: half-written: its sound breaks off after {length / stated:.1f} s")
        file.seek(0)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise SourceError(f"{path}: damaged or half-written sound: {str(error).rstrip('.')}") from None
    rate = checked_rate(str(path), stated, rate_hz)

    def rows(a: int, b: int) -> Floats:
        try:
            if file.tell() != a:
                file.seek(a)
            found: NDArray[Any] = file.read(b - a, dtype="float64", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise SourceError(f"{path}: damaged at {a / rate:.1f} s: {str(error).rstrip('.')}") from None
        if len(found) != b - a:
            raise SourceError(f"{path}: damaged at {a / rate:.1f} s")
        return found

    return [_picked(path, kind, channel, rate, length, channels, rows)]


def _picked(path: Path, kind: str, channel: int | None, rate: float, length: int, channels: int, rows: Any) -> Track:
    """Heart sound is one channel, the first unless another is asked for; other streams keep theirs."""
    kind = kind_by_rate(rate) if kind == "auto" else kind
    if channel is not None and not 0 <= channel < channels:
        raise SourceError(f"{path}: has {channels} channel(s), counted from 0; there is no channel {channel}")
    if channel is None and kind == "pcg":
        channel = 0
    if channel is None or channels == 1:
        return Track(kind, rate, length, rows)
    return Track(kind, rate, length, lambda a, b: rows(a, b)[:, channel : channel + 1], unheard=channels - 1)


def _wav_chunks(path: Path) -> tuple[bytes, int, int | None]:
    """The format chunk, where the samples begin, and how many bytes the header promises; None where it cannot say."""
    form = b""
    long: int | None = None
    with path.open("rb") as file:
        file.seek(12)
        while True:
            head = file.read(8)
            if len(head) < 8:
                raise SourceError(f"{path}: half-written: no samples in this WAV file")
            name, size = struct.unpack("<4sI", head)
            if name == b"data":
                if len(form) < 16:
                    raise SourceError(f"{path}: its WAV header is damaged")
                if size == _IN_DS64:
                    return form, file.tell(), long
                return form, file.tell(), None if _is_unknown(path, file.tell(), size) else size
            if name == b"fmt ":
                form = file.read(min(size, _KNOWN_OF_CHUNK))
                file.seek(size - len(form), 1)
            elif name == b"ds64" and len(sizes := file.read(min(size, _KNOWN_OF_CHUNK))) >= 16:
                long = struct.unpack_from("<Q", sizes, 8)[0]
                file.seek(size - len(sizes), 1)
            else:
                file.seek(size, 1)
            if size & 1 and file.read(1) != b"\0":  # the byte that fills up an odd chunk; some programs leave it out
                file.seek(-1, 1)


def _is_unknown(path: Path, at: int, size: int) -> bool:
    return size >= _UNKNOWN_SIZE and path.stat().st_size - at < size


def _is_cut_ogg(path: Path) -> bool:
    """Whether the last page of an Ogg file does not say that it is the last one."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        file.seek(max(0, path.stat().st_size - 2 * _OGG_PAGE))
        tail = file.read()
    last = tail.rfind(b"OggS")
    return last < 0 or last + 6 > len(tail) or not tail[last + 5] & 4


def _wav_samples(raw: NDArray[np.uint8], code: int, bits: int, channels: int) -> Floats:
    if code == _FLOAT:
        with np.errstate(invalid="ignore"):  # what is not a number is left out later, whatever its bits
            return np.asarray(raw.view(f"<f{bits // 8}"), np.float64)
    if bits == 8:
        return (raw.astype(np.float64) - 128.0) / 128.0
    if bits == 24:
        wide = np.zeros((raw.shape[0], channels, 4), np.uint8)
        wide[:, :, 1:] = raw.reshape(raw.shape[0], channels, 3)
        return wide.view("<i4")[:, :, 0] / 2.0**31
    return np.asarray(raw.view(f"<i{bits // 8}") / 2.0 ** (bits - 1))
