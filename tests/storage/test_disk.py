"""No room is told apart from every other failure."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edge.storage.disk import is_full, why_full
from full_disk import full_disk


@pytest.mark.parametrize(
    ("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False), (errno.EROFS, True)]
)
def test_what_counts_as_full(number, full):
    assert is_full(OSError(number, "")) == full


def test_a_folder_that_takes_nothing_says_why_and_one_that_does_keeps_nothing(tmp_path):
    assert why_full(tmp_path / "not" / "yet") == ""
    with full_disk():
        assert why_full(tmp_path) == "File too large"
    assert list(tmp_path.iterdir()) == []


def test_another_failure_is_not_called_full():
    assert why_full(Path("/proc/none")) == ""
