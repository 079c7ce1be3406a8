"""What can be known of a place on disk: whether it could be written at all, and whether it has no room left.

Without room, what can be done without the disk goes on; any other failure is a refusal. A file system that was written
before and is read-only now has failed, as Linux leaves a card with errors: it is one without room.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import IO, Final

from edge.types import ConfigError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
OUTBOX: Final = "outbox.sqlite"
"""In the state directory: what must not be lost."""
HUNG_S: Final = 10.0
"""A card that cleans up behind itself answers within some seconds."""
_PROBE_BYTES: Final = 1 << 16


def is_full(error: OSError) -> bool:
    """Whether this says that the disk takes nothing: no room on it, in a quota, or in the size that files may have; or it
    is read-only, which ``must_take`` refuses where that is not a failure."""
    return error.errno in _FULL


def is_there(file: IO[bytes]) -> bool:
    """Whether the name of an open file still leads to it: not where somebody moved or removed it, or the disk that it is
    on."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except OSError:
        return False


def users_folder(variable: str, below_home: str) -> Path | None:
    """The program's own folder where ``variable`` (XDG base directories) says, else in the user's home; None where there
    is none, as of a container's user whom no list of users names."""
    try:
        return Path(os.environ.get(variable) or Path.home() / below_home) / "edge-vitals"
    except RuntimeError:
        return None


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def must_take(path: Path, *, begun: bool = False) -> None:
    """Raise the OSError with which writing a file, which may not be there yet, would fail; nothing is written.

    begun: this program wrote there before, so that a file system that is read-only now is no mistake of whoever chose it.
    """
    there = existing(path)
    number = 0
    if there == path and there.is_dir():
        number = errno.EISDIR
    elif there != path and not there.is_dir():
        number = errno.ENOTDIR
    elif os.statvfs(there).f_flag & os.ST_RDONLY:
        number = 0 if begun else errno.EROFS
    elif not os.access(there, os.W_OK if there == path else os.W_OK | os.X_OK):
        number = errno.EACCES
    if number:
        raise OSError(number, os.strerror(number), str(path))


def must_keep_state(state_dir: Path) -> None:
    """Raise the ConfigError that keeps a run from beginning there; a disk that failed since the last run does not."""
    outbox = state_dir / OUTBOX
    try:
        begun = outbox.exists()
        must_take(state_dir / "any", begun=begun)
        must_take(outbox, begun=begun)  # of another user it can be read, and takes no alarm
    except OSError as error:
        raise no_state(outbox if error.filename == str(outbox) else state_dir, error) from None


def no_state(place: Path, error: OSError) -> ConfigError:
    """What is said of a folder, or a file of it, in which a run cannot keep its state."""
    return ConfigError(f"{place}: cannot keep state there: {error.strerror}; set device.state_dir")


def not_written(why: str) -> str:
    """What is said of a disk that takes no alarms."""
    return f"alarms cannot be written to disk ({why}); they are sent all the same"


def must_have_room(folder: Path) -> None:
    """Raise the OSError with which a folder, which may not be there yet, refuses a small file; nothing is left behind."""
    with tempfile.TemporaryFile(dir=existing(folder), buffering=0) as probe:
        if probe.write(bytes(_PROBE_BYTES)) != _PROBE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def why_full(folder: Path) -> str:
    """The system's words where a folder has no room for a small file; "" where it has, or fails otherwise."""
    try:
        must_have_room(folder)
    except OSError as error:
        return os.strerror(error.errno or 0) if is_full(error) else ""
    return ""
