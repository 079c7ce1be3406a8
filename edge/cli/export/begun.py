"""Files that bear their names only once they are whole: what is not written to its end is removed, never taken for all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Self

_PART = ".part"


class Begun:
    """Files of one export, written under other names until all of them are whole."""

    def __init__(self) -> None:
        self._files: dict[Path, Path] = {}

    def begin(self, path: Path) -> Path:
        """Where to write what is to become ``path``; raises FileExistsError where that exists."""
        _must_be_free(path)
        return self._files.setdefault(path, path.with_name(path.name + _PART))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            for path, part in self._files.items() if error is None else ():
                _must_be_free(path)
                part.rename(path)
        finally:
            for part in self._files.values():
                with contextlib.suppress(OSError):
                    part.unlink()


def _must_be_free(path: Path) -> None:
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
