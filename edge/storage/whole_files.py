"""Files that bear their names only once they are whole and on the disk: whatever ends the program or the power before
that leaves what was there, or nothing.

Each is written beside its place, as ``<name>.<process>.part``: several programs may write the same one, and the last
wins. What a program left there that was killed goes when the next one writes that file.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
from pathlib import Path
from types import TracebackType
from typing import Self

_PART = ".part"


class WholeFiles:
    """Files that take their names together when a ``with`` ends well, and are removed when it does not. Waits for the disk.

    replace: what bears such a name gives way; else it is kept, and FileExistsError says so.
    """

    def __init__(self, *, replace: bool = False) -> None:
        self._replace = replace
        self._files: dict[Path, Path] = {}

    def begin(self, path: Path, mode: int = 0o666) -> Path:
        """Where to write what is to become ``path``: an empty file with these permissions, less the user's mask."""
        self._must_be_free(path)
        remove_leavings(path.parent, path.name)
        part = path.with_name(f"{path.name}.{os.getpid()}{_PART}")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
        return self._files.setdefault(path, part)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                self._take_names()
        finally:
            for part in self._files.values():
                with contextlib.suppress(OSError):
                    part.unlink()

    def _take_names(self) -> None:
        for part in self._files.values():
            _sync(part)
        for path, part in self._files.items():
            self._must_be_free(path)
            part.replace(path)
        for folder in {path.parent for path in self._files}:
            sync_folder(folder)

    def _must_be_free(self, path: Path) -> None:
        if not self._replace and path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace a file, or make it, as ``WholeFiles`` does; raises OSError, and what was there is there still."""
    with WholeFiles(replace=True) as files:
        files.begin(path, mode).write_bytes(content)


def remove_leavings(folder: Path, name: str = "") -> None:
    """Remove what killed programs left of a file, or of any in the folder where no name is given."""
    for left in folder.glob(f"{glob.escape(name) or '*'}.*{_PART}"):
        process = left.name.removesuffix(_PART).rpartition(".")[2]
        if process == str(os.getpid()) or (process.isdecimal() and not Path("/proc", process).exists()):
            with contextlib.suppress(OSError):
                left.unlink()


def sync_folder(folder: Path) -> None:
    """Names of new files onto the disk, so that a power cut does not cost them; raises OSError."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot be asked
            raise
    finally:
        os.close(handle)
