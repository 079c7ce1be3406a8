"""Whether a disk has no room left: then what can be done without it goes on, where any other failure is a refusal."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PROBE_BYTES: Final = 1 << 16


def is_full(error: OSError) -> bool:
    """Whether this says that there is no room: of the disk, of a quota, or of the size that files may have."""
    return error.errno in _FULL


def why_full(folder: Path) -> str:
    """The system's words where a folder, which may not be there yet, takes no small file for want of room; else ""."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there, buffering=0) as probe:
            if probe.write(bytes(_PROBE_BYTES)) != _PROBE_BYTES:
                return os.strerror(errno.ENOSPC)
    except OSError as error:
        return os.strerror(error.errno or 0) if is_full(error) else ""
    return ""
