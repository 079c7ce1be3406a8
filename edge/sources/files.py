"""Recorded signals as a source: WAV, FLAC, CSV, NPZ, EDF and WFDB, known by their content, not by their name.

A row that holds no number at all is left out, so that it shows as a hole; where only some channels hold none, the
others stay and ``notes`` names what is empty or ends early. Everything else that is wrong with a file is one
SourceError line when it is opened. Video is read by the camera source.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from edge.clock import Clock
from edge.ranges import BlockLength, FromZero, Pace, Positive, Text
from edge.sources._files.archives import read_npz
from edge.sources._files.audio import read_flac, read_wav
from edge.sources._files.clinical import is_wfdb, read_edf, read_wfdb
from edge.sources._files.held import Held
from edge.sources._files.tables import UTF_16_MARKS, read_csv
from edge.sources._files.track import KINDS, Floats, RateError, Track
from edge.types import Block, ConfigError, SourceError

_Reader = Callable[[Path, str, int | None, float | None], list[Track]]
_LIBSNDFILE = (b"fLaC", b"OggS", b"FORM", b"RIFX", b"riff", b".snd", b"caff")  # FLAC, Ogg, AIFF, old WAV …
_NPZ = b"PK\x03\x04"
_NOT_TEXT = {".wav": "WAV", ".flac": "FLAC", ".npz": "NPZ", ".edf": "EDF"}  # by name, where the content is none
_MAX_WAIT_S = 0.25
_MP3 = (0xFA, 0xFB, 0xF2, 0xF3, 0xE2, 0xE3)  # second byte of a frame: MPEG 1, 2 and 2.5, with and without a checksum
_NOT_SIGNALS = (
    (b"\x1a\x45\xdf\xa3", 0, "a video (Matroska or WebM): use a source of kind camera"),
    (b"ftyp", 4, "a video or compressed sound (MP4): use a source of kind camera, or convert sound to WAV"),
    (b"AVI ", 8, "a video (AVI): use a source of kind camera"),
    (b"ID3", 0, "MP3, which is not read: convert it to WAV or FLAC"),
    *((bytes((0xFF, b)), 0, "MP3, which is not read: convert it to WAV or FLAC") for b in _MP3),
    (b"\x89PNG", 0, "a picture"),
    (b"\xff\xd8\xff", 0, "a picture"),
    (b"%PDF", 0, "a PDF document"),
    (b"PAR1", 0, "a Parquet table: export CSV, EDF or WFDB"),
    (b"\x89HDF", 0, "HDF5: export CSV or NPZ"),
    (b"\x1f\x8b", 0, "compressed with gzip: unpack it first"),
    (b"\x93NUMPY", 0, "one NumPy array: numpy.savez(FILE, ppg=…, fs=…) says what it is and its rate"),
    (b"MATLAB ", 0, "a MATLAB file: export CSV, or WFDB with its header"),
    (b"{", 0, "JSON: export CSV or NPZ"),
)


def build(
    *,
    name: str,
    path: Text,
    signal: str = "auto",
    channel: FromZero | None = None,
    rate_hz: Positive | None = None,
    block_s: BlockLength = 0.1,
    pace: Pace = "max",
    loop: bool = False,
    record: str | int | None = None,
    clock: Clock,
    checking: bool = False,
) -> Files:
    """A recorded signal.

    path: the file; ``FILE.npz#12`` or ``#a103l`` names a record of an archive, as ``record`` does. signal: ppg, pcg,
    acc or ecg, where names and rate in the file do not tell; nothing else is read then, but for the accelerometer
    beside a ppg. channel: one channel, counted from 0 (heart sound: the first unless given; other streams: all; never
    one axis of an accelerometer beside another stream). rate_hz: where the file does not say. block_s: seconds per
    block. pace: "max" or "real". loop: begin again at the end, in a new epoch. record: one record of an archive, by
    number or name.
    """
    if signal not in ("auto", *KINDS):
        raise ConfigError(f"signal: {signal!r}; valid: auto, {', '.join(KINDS)}")
    file, in_path = split_record(path)
    chosen = record if record not in (None, "") else in_path
    source = Files(
        name, file, clock, kind=signal, channel=channel, rate_hz=rate_hz, block_s=block_s, real=pace == "real",
        loop=loop, record=chosen,
    )  # fmt: skip
    if checking:
        try:
            source.open()
        except SourceError as error:
            raise ConfigError(str(error)) from None
        source.close()
    return source


def split_record(path: str | Path) -> tuple[Path, str | None]:
    """A path and the record named behind ``#``, if there is one and no file has that very name."""
    file, mark, record = str(path).rpartition("#")
    return (Path(file), record) if mark and file and not Path(path).exists() else (Path(path), None)


class Files:
    """See ``build``. Once opened, ``rates_hz``: the streams of the file, be they empty or late, and their rates;
    ``unheard``: by stream, how many channels there are beside the one that is read; ``end_s``: how long it is, s."""

    def __init__(
        self,
        name: str,
        path: Path,
        clock: Clock,
        *,
        kind: str,
        channel: int | None,
        rate_hz: float | None,
        block_s: float,
        real: bool,
        loop: bool,
        record: str | int | None,
    ) -> None:
        self.can_wait = not real
        self._name, self._path, self._clock, self._real, self._loop = name, path, clock, real, loop
        self._kind, self._channel, self._rate_hz, self._record = kind, channel, rate_hz, record
        self._block_s = block_s
        self._tracks: list[Track] = []
        self.rates_hz: dict[str, float] = {}
        self.unheard: dict[str, int] = {}
        self._held: dict[str, Held] = {}
        self._left_out: list[str] = []
        self._start, self._step, self._epoch, self.end_s = 0.0, 0, -1, 0.0

    def open(self) -> None:
        """Read what the file says of itself; raises SourceError."""
        self._tracks = open_tracks(
            self._path, kind=self._kind, channel=self._channel, rate_hz=self._rate_hz, record=self._record
        )
        self.end_s = max(track.end_s for track in self._tracks)
        self.rates_hz = {track.kind: track.rate_hz for track in self._tracks}
        self.unheard = {track.kind: track.unheard for track in self._tracks}
        self._held = {track.kind: Held(track.kind, track.labels) for track in self._tracks}
        self._left_out = [f"{t.kind}: left out: {', '.join(t.left_out)}" for t in self._tracks if t.left_out]
        self._start, self._step = self._clock.now(), 0
        self._epoch += 1

    def read(self) -> list[Block]:
        """The next ``block_s`` of every stream; nothing yet, when paced in real time; EOFError at the end."""
        if not self._tracks:
            raise EOFError
        begin = self._step * self._block_s
        if begin >= self.end_s - 1e-9:
            if not self._loop:
                raise EOFError
            self._start += math.ceil(self.end_s / self._block_s) * self._block_s
            self._step, self._epoch, begin = 0, self._epoch + 1, 0.0
        if self._real:
            wait_s = self._start + begin + self._block_s - self._clock.now()
            if wait_s > 0:
                self._clock.sleep(min(wait_s, _MAX_WAIT_S))
            if wait_s > _MAX_WAIT_S:
                return []
        self._step += 1
        end = self._step * self._block_s
        blocks = [block for track in self._tracks for block in self._blocks(track, begin, end)]
        if not blocks and not self._real:
            self._pass_over(end)
        return blocks

    def close(self) -> None:
        self._tracks = []

    @property
    def notes(self) -> list[str]:
        """Once read to its end: a line per stream or channel that is empty, begins late, ends early or was not read."""
        return self._left_out + [line for held in self._held.values() for line in held.words(self.end_s)]

    def _pass_over(self, begin: float) -> None:
        """Go on where the next row is: a clock that is set may leave a hole of years."""
        next_s = min(track.next_s(begin) for track in self._tracks)
        if next_s < math.inf:
            self._step = max(self._step, math.floor(next_s / self._block_s) - 1)

    def _blocks(self, track: Track, begin: float, end: float) -> Iterator[Block]:
        """Blocks of the rows in a span: one per run that holds numbers, or one per row where times are uneven."""
        a, b = track.position(begin), track.position(end)
        if a >= b:
            return
        rows = track.rows(a, b)
        index = np.arange(a, b) if track.places is None else track.places.between(a, b)
        finite = np.isfinite(rows)
        self._held[track.kind].add(begin, min(end, track.end_s), finite)
        some = np.asarray(finite.any(axis=1))
        breaks = np.flatnonzero((np.diff(index) != 1) | ~some[1:] | ~some[:-1]) + 1
        runs = range(b - a) if track.times is not None else (0, *breaks)
        ends = (*list(runs)[1:], b - a)
        for i, j in zip(runs, ends, strict=True):
            if some[i]:
                at_s = float(track.times[a + i]) if track.times is not None else int(index[i]) / track.rate_hz
                yield self._block(track, int(index[i]), at_s, rows[i:j])

    def _block(self, track: Track, seq: int, at_s: float, rows: Floats) -> Block:
        data = np.array(rows)
        return Block(
            f"{self._name}/{track.kind}", seq, self._start + at_s, track.rate_hz, data, self._epoch, track.labels
        )


def open_tracks(
    path: str | Path,
    *,
    kind: str = "auto",
    channel: int | None = None,
    rate_hz: float | None = None,
    record: str | int | None = None,
) -> list[Track]:
    """The streams of a recorded file; raises SourceError in one line."""
    path = Path(path)
    try:
        head = _head(path)
        if record not in (None, "") and head and head[:4] != _NPZ:
            raise SourceError(f"{path}: is one recording; there is no record {record!r} in it")
        return _reader(path, head, record)(path, kind, channel, rate_hz)
    except FileNotFoundError:
        header = path.with_name(f"{path.name}.hea")  # WFDB's own programs name a record without it
        raise SourceError(f"{path}: no such file" + (f"; did you mean {header}?" if header.exists() else "")) from None
    except IsADirectoryError:
        raise SourceError(f"{path}: a folder; name a file in it") from None
    except PermissionError:
        raise SourceError(f"{path}: no permission to read it") from None
    except OSError as error:  # a failing disk, a name that is too long
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None


def _head(path: Path) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # it might never end, or never begin
        raise SourceError(f"{path}: a pipe or a device, not a file")
    with path.open("rb") as file:
        return file.read(16)


def _reader(path: Path, head: bytes, record: str | int | None) -> _Reader:
    """What reads a file that begins so; sound is read as sound, with a WFDB header beside it, too."""
    if path.suffix.lower() in (".hea", ".dat"):
        return read_wfdb
    if not head:
        raise SourceError(f"{path}: empty")
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return read_wav
    if head[:4] in _LIBSNDFILE:
        return read_flac
    if is_wfdb(path):
        return read_wfdb
    for mark, at, what in _NOT_SIGNALS:
        if head[at : at + len(mark)] == mark:
            raise SourceError(f"{path}: is {what}")
    if head[:4] == _NPZ:
        return partial(read_npz, record=record)
    if head[:8] == b"0       ":
        return read_edf
    if b"\0" in head and head[:2] not in UTF_16_MARKS:
        raise SourceError(f"{path}: not a recording of a known format (WAV, FLAC, CSV, NPZ, EDF, WFDB)")
    return _read_text


def _read_text(path: Path, kind: str, channel: int | None, rate_hz: float | None) -> list[Track]:
    """A table; where it is none and its name promises another format, that is said, too."""
    try:
        return read_csv(path, kind, channel, rate_hz)
    except RateError:
        raise
    except SourceError as error:
        promised = _NOT_TEXT.get(path.suffix.lower())
        if promised is None:
            raise
        raise SourceError(f"{error}; it was read as text, since it does not begin as {promised} does") from None
