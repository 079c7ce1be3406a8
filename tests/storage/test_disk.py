"""No room is told apart from every other failure."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.storage.disk import OUTBOX, existing, is_full, must_keep_state, must_take, users_folder, why_full
from edge.types import ConfigError
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


def refusal(path, **kw):
    """The number with which a file is refused, None where it is taken; nothing is written either way."""
    try:
        must_take(path, **kw)
    except OSError as error:
        return error.errno if error.filename == str(path) else f"said of {error.filename}"
    return None


def test_where_a_file_could_be_written_is_told_without_writing(tmp_path):
    (tmp_path / "file").touch()
    names = ("file", "new", "no/such/folder/new", ".", "file/below")
    assert [refusal(tmp_path / name) for name in names] == [None, None, None, errno.EISDIR, errno.ENOTDIR]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert existing(tmp_path / "no" / "such") == tmp_path


def test_a_file_system_that_is_read_only_is_refused_but_by_who_wrote_there_before(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert (refusal(tmp_path / "a"), refusal(tmp_path / "a", begun=True)) == (errno.EROFS, None)
    state_dir = tmp_path / "state"
    with pytest.raises(ConfigError) as refused:
        must_keep_state(state_dir)
    says = "cannot keep state there: Read-only file system; set device.state_dir"
    assert str(refused.value) == f"{state_dir}: {says}"
    state_dir.mkdir()
    (state_dir / OUTBOX).touch()
    must_keep_state(state_dir)


@pytest.mark.parametrize(("name", "needs"), [("file", os.W_OK), ("new", os.W_OK | os.X_OK)])
def test_a_new_file_needs_more_of_its_folder_than_one_that_is_there_of_itself(tmp_path, monkeypatch, name, needs):
    (tmp_path / "file").touch()
    asked = []
    monkeypatch.setattr(os, "access", lambda *what: asked.append(what))
    there = tmp_path / "file" if name == "file" else tmp_path
    assert (refusal(tmp_path / name), asked) == (errno.EACCES, [(there, needs)])


def test_an_outbox_that_can_be_read_and_not_written_is_refused_at_the_start_by_its_name(tmp_path, monkeypatch):
    outbox = tmp_path / OUTBOX
    outbox.touch()
    monkeypatch.setattr(os, "access", lambda path, _: path != outbox)
    with pytest.raises(ConfigError) as told:
        must_keep_state(tmp_path)
    assert str(told.value) == f"{outbox}: cannot keep state there: Permission denied; set device.state_dir"


def test_the_programs_own_folder_is_where_the_user_says_or_at_home_or_nowhere(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/user"))
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert users_folder("XDG_STATE_HOME", ".local/state") == Path("/elsewhere/edge-vitals")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    assert users_folder("XDG_STATE_HOME", ".local/state") == Path("/home/user/.local/state/edge-vitals")

    def homeless():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    assert users_folder("XDG_STATE_HOME", ".local/state") is None
