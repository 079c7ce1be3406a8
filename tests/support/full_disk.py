"""A disk that is full for a while: no file of this process may grow, or none beyond ``file_bytes``."""

from __future__ import annotations

import contextlib
import resource
import signal


@contextlib.contextmanager
def full_disk(file_bytes=0):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
