"""A file bears its name only when all of it is on the disk; what was there before is there until then."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.storage.whole_files import WholeFiles, remove_leavings, sync_folder, write_whole
from full_disk import full_disk

GONE = 2**22 + 1  # Linux gives no process a number above 2^22


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def steps(monkeypatch):
    """What the disk is asked for, in order: files onto it and names."""
    seen = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle):
        seen.append(("onto the disk", os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))))
        fsync(handle)

    def named(self, target):
        seen.append(("name", target.name))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", named)
    return seen


def test_all_content_is_on_the_disk_before_any_name_and_the_names_are_after(tmp_path, steps):
    with WholeFiles() as files:
        for name in ("a", "b"):
            files.begin(tmp_path / name).write_text(name)
        assert steps == []
        assert names(tmp_path) == [f"{name}.{os.getpid()}.part" for name in ("a", "b")]
    assert steps == [
        ("onto the disk", f"a.{os.getpid()}.part"),
        ("onto the disk", f"b.{os.getpid()}.part"),
        ("name", "a"),
        ("name", "b"),
        ("onto the disk", tmp_path.name),
    ]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "a", "b": "b"}


@pytest.mark.parametrize("where", ["before", "meanwhile"])
def test_what_must_not_give_way_is_kept(tmp_path, where):
    kept = tmp_path / "a"

    def other():
        kept.write_text("of another")

    if where == "before":
        other()
    with pytest.raises(FileExistsError) as refused, WholeFiles() as files:
        files.begin(kept).write_text("new")
        other()
    assert refused.value.filename == str(kept)
    assert names(tmp_path) == ["a"]
    assert kept.read_text() == "of another"


def test_who_must_not_write_is_told_before_the_work_and_not_after_it(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        WholeFiles().begin(tmp_path / "a")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["sync_folder", "write_whole"])
def test_a_disk_that_fails_is_no_success_and_no_file_is_left_open(tmp_path, monkeypatch, call):
    before = os.listdir("/proc/self/fd")
    dead = OSError(errno.EIO, "Input/output error")
    monkeypatch.setattr(os, "fsync", lambda _: raises(dead))
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(tmp_path) if call == "sync_folder" else write_whole(tmp_path / "a", b"x")
    assert (names(tmp_path), os.listdir("/proc/self/fd")) == ([], before)


def raises(error):
    raise error


def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a", b"before")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "a", b"after")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_who_is_broken_off_leaves_what_was_there_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a", b"before")
    with pytest.raises(KeyboardInterrupt), WholeFiles(replace=True) as files:
        files.begin(tmp_path / "a").write_bytes(b"half")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


@pytest.mark.parametrize(("asked", "mode"), [({}, 0o640), ({"mode": 0o600}, 0o600)])
def test_a_file_may_be_read_by_those_who_are_asked_for_from_its_first_byte(tmp_path, monkeypatch, asked, mode):
    before = os.umask(0o027)
    try:
        with WholeFiles(replace=True) as files:
            part = files.begin(tmp_path / "a", **asked)
            assert part.stat().st_mode & 0o777 == mode
        assert (tmp_path / "a").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_whoever_the_mask_lets_may_read_and_write_a_file_and_nobody_runs_it(tmp_path):
    before = os.umask(0)
    try:
        write_whole(tmp_path / "a", b"x")
        with WholeFiles() as files:
            files.begin(tmp_path / "b")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666}


def test_several_programs_may_write_the_same_file_and_the_last_one_wins(tmp_path):
    script = "import sys; from pathlib import Path; from edge.storage.whole_files import write_whole; "
    with WholeFiles(replace=True) as files:
        part = files.begin(tmp_path / "a")
        subprocess.run(
            [sys.executable, "-c", f"{script}write_whole(Path(sys.argv[1]), b'theirs')", tmp_path / "a"], check=True
        )
        assert (tmp_path / "a").read_bytes() == b"theirs"
        part.write_bytes(b"ours")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"ours"


def test_what_a_killed_program_left_goes_when_the_file_is_written_again(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        left = [f"a[1].{GONE}.part", f"a[1].{os.getpid()}.part"]
        kept = [f"a1.{GONE}.part", f"a[1].{other.pid}.part", "a[1].part", "a[1].b.part"]
        for name in (*left, *kept):
            (tmp_path / name).write_text("half")
        write_whole(tmp_path / "a[1]", b"whole")
        assert names(tmp_path) == sorted(["a[1]", *kept])
        remove_leavings(tmp_path)
        assert names(tmp_path) == sorted(["a[1]", *kept[1:]])
    finally:
        other.communicate(b"\n")


def test_a_file_system_that_cannot_be_asked_for_its_names_is_no_failure():
    with pytest.raises(OSError, match="Invalid argument"):
        os.fsync(handle := os.open("/proc", os.O_RDONLY))
    os.close(handle)
    sync_folder(Path("/proc"))
