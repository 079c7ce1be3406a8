"""A folder whose file system has become read-only, as Linux leaves a card with errors."""

from __future__ import annotations

import contextlib
import subprocess

import pytest


@contextlib.contextmanager
def read_only(folder):
    """Skips where nobody may mount."""

    def mount(*options):
        return subprocess.run(["mount", *options], capture_output=True, check=False, text=True)

    if mount("--bind", folder, folder).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        done = mount("-o", "remount,ro,bind", folder)
        assert done.returncode == 0, done.stderr
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
