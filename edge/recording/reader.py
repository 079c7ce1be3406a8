"""A recording read back: what is torn or damaged in it is left out, and said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from edge import __version__
from edge.recording.entries import Damage, Entry, time_of
from edge.recording.packing import UNKNOWN, entries_in, header_in
from edge.recording.scan import MAGIC, Unread, records
from edge.types import SourceError

PARTS: Final = "[0-9]" * 6 + ".evrec"
"""What the parts of a folder are called."""


class Recording:
    """A recording opened for reading: a file, or a folder of its numbered parts.

    ``header`` is the first that is whole, in any part, and empty where none is; then ``headless`` says so.
    ``torn`` is set once reading met an incomplete or damaged end, ``damaged`` once it met what is not whole before the
    end, where a ``Damage`` stands among the entries; ``missing`` says which parts a quota took away.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.torn = self.missing = self.damaged = self.headless = ""
        self.parts = sorted(self.path.glob(PARTS)) if self.path.is_dir() else [self.path]
        if not self.parts:
            raise SourceError(f"{path}: no recording in this folder (no 000001.evrec)")
        if self.path.is_dir():
            numbers = [int(part.stem) for part in self.parts]
            gone = sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
            self.missing = f"{path}: {len(gone)} part(s) were removed, the first is {numbers[0]}" if gone else ""
        self.header: Mapping[str, Any] = self._begin()

    def __iter__(self) -> Iterator[Entry]:
        return self.entries()

    @property
    def said(self) -> list[str]:
        """What is to be told of a recording that is not all there, known when it was read."""
        return [text for text in (self.headless, self.damaged, self.torn, self.missing) if text]

    def entries(self, *, samples: bool = True) -> Iterator[Entry]:
        """All entries in order; samples: with the blocks, which are most of a recording."""
        self.damaged, before, unread, damages = "", None, 0, list[Damage]()
        for entry in self._found(samples=samples):
            if isinstance(entry, Unread):
                unread += entry.size
                continue
            t = time_of(entry)
            if unread:
                damages.append(Damage(t, 0.0 if before is None else max(0.0, t - before), unread))
                unread = 0
                self.damaged = _told(self.path, damages)
                yield damages[-1]
            yield entry
            before = t if before is None else max(before, t)

    def _found(self, *, samples: bool) -> Iterator[Entry | Unread]:
        for part in self.parts:
            if part.stat().st_size <= len(MAGIC):  # begun when the power went
                self.torn = f"{part}: holds nothing yet; everything before it was read"
                continue
            with part.open("rb") as file:
                file.seek(len(MAGIC))
                for payload in records(file):
                    if not isinstance(payload, Unread):
                        yield from self._whole(payload, samples=samples)
                    elif payload.last and part == self.parts[-1]:
                        self.torn = _torn(file, payload)
                    else:
                        yield payload

    def _whole(self, payload: bytes, *, samples: bool) -> Iterator[Entry]:
        """What a record holds that is as it was written; another version may have written what is not known here."""
        try:
            for entry in entries_in(payload, samples=samples):
                if not math.isfinite(time_of(entry)):
                    raise ValueError("a time that is none")
                yield entry
        except UNKNOWN as error:
            raise self._unknown(error, self.header.get("version", "unknown")) from None

    def _unknown(self, error: Exception, by: object) -> SourceError:
        told = f"holds what edge-vitals {__version__} does not know ({error})"
        return SourceError(f"{self.path}: {told}; it was recorded by version {by}, which reads it")

    def _begin(self) -> Mapping[str, Any]:
        ours = anything = False
        for part in self.parts:
            try:
                with part.open("rb") as file:
                    ours |= file.read(len(MAGIC)) == MAGIC
                    for payload in records(file):
                        if isinstance(payload, Unread):
                            continue
                        if (header := header_in(payload)) is not None:
                            return header
                        anything = True
            except OSError as error:
                raise SourceError(f"{part}: cannot be read: {error.strerror}") from None
            except UNKNOWN as error:
                raise self._unknown(error, "unknown") from None
        if not anything:
            why = (
                "the recording has no header: nothing in it can be used" if ours else "not a recording of this program"
            )
            raise SourceError(f"{self.parts[0]}: {why}")
        self.headless = f"{self.path}: the header is damaged: the configuration and the models of then are not known"
        return {}


def _torn(file: BinaryIO, end: Unread) -> str:
    return (
        f"{file.name}: the record at byte {end.at} is torn; everything before it was read, {end.size} byte(s) were not"
    )


def _told(path: Path, damages: Sequence[Damage]) -> str:
    size, seconds = sum(one.size for one in damages), sum(one.seconds for one in damages)
    span = f", and {seconds:.1f} s lack some or all of what was recorded" if seconds >= 0.05 else ""
    return f"{path}: damaged in {len(damages)} place(s): {size} byte(s) cannot be read{span}; the rest was read"
