"""The second copy of the alarm state: whole whenever it is read, and sure of itself only where it may be."""

from __future__ import annotations

import os
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.sinks._outbox import copy as written
from edge.sinks._outbox.copy import Copied, StateCopy
from edge.sinks.outbox import Outbox
from edge.types import Alarm
from full_disk import full_disk


def copy(tmp_path, machine="start-1"):
    return StateCopy(tmp_path / "outbox.copy", machine=machine)


def alarm(seq):
    return Alarm("bed1/af", f"o{seq}", "physiological", "medium", "on", 0.0, "AF", "af", "bed1", seq=seq)


def test_without_files_there_is_no_copy(tmp_path):
    assert copy(tmp_path).read() is None
    copy(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_the_newest_counts_and_is_certain_until_the_machine_starts_anew(tmp_path):
    one = copy(tmp_path)
    for turn in (1, 2, 3):
        one.write(turn, b"state %d" % turn)
    assert copy(tmp_path).read() == Copied(3, b"state 3", certain=True)
    assert copy(tmp_path, "start-2").read() == Copied(3, b"state 3", certain=False)
    assert copy(tmp_path, "").read() == Copied(3, b"state 3", certain=False)
    one.close()
    one.close()
    assert copy(tmp_path, "start-2").read() == Copied(3, b"state 3", certain=True)
    three = copy(tmp_path)
    three.write(4, b"short")
    assert copy(tmp_path, "start-2").read() == Copied(4, b"short", certain=False)
    three.close()


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_write_that_was_torn_leaves_the_one_before(tmp_path_factory, at, junk):
    folder = tmp_path_factory.mktemp("copy")
    one = copy(folder)
    one.write(1, b"a" * 300)
    one.write(2, b"b" * 300)
    one.close()
    torn = folder / "outbox.copy.0"
    content = torn.read_bytes().rstrip(b"\0")
    spoilt = content[:at] + junk + content[at + len(junk) :]
    torn.write_bytes(spoilt[: len(content)])
    found = copy(folder).read()
    assert found in (Copied(1, b"a" * 300, certain=True), Copied(2, b"b" * 300, certain=True))
    assert found.turn == 1 or spoilt[: len(content)] == content or at >= len(content)


def test_a_disk_that_fills_up_spoils_nothing_and_has_room_to_go_on(tmp_path):
    one = copy(tmp_path)
    one.write(1, b"a" * 300)
    with full_disk():
        one.write(2, b"b" * (1 << 17))
    assert copy(tmp_path).read() == Copied(1, b"a" * 300, certain=True)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    one.write(3, b"c" * 60_000)
    one.write(4, b"d" * 60_000)
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == sizes, "it was taken before"
    one.close()


def test_a_state_that_the_disk_has_no_room_for_spoils_neither_of_the_two_that_are_there(tmp_path):
    one = copy(tmp_path)
    one.write(1, b"a" * 300)
    one.write(2, b"b" * 300)
    with full_disk(1 << 16):
        for turn in (3, 4):
            one.write(turn, b"c" * (1 << 17))
        found = copy(tmp_path).read()
    one.forget()
    assert found == Copied(2, b"b" * 300, certain=True)


def test_what_is_forgotten_is_gone_and_waits_for_no_disk(tmp_path, monkeypatch):
    synced, before = [], os.listdir("/proc/self/fd")
    one = copy(tmp_path)
    for turn in (1, 2):
        one.write(turn, b"x")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}, "it is of a person"
    monkeypatch.setattr(os, "fsync", synced.append)
    one.forget()
    one.forget()
    assert (list(tmp_path.iterdir()), os.listdir("/proc/self/fd"), synced) == ([], before, [])
    one.write(3, b"again")
    assert copy(tmp_path).read() == Copied(3, b"again", certain=True)
    one.close()


def test_a_disk_that_takes_nothing_is_no_error(tmp_path):
    (tmp_path / "outbox.copy.1").mkdir()
    one = copy(tmp_path)
    one.write(1, b"x")
    one.close()
    assert copy(tmp_path).read() is None


@pytest.mark.parametrize("call", ["fsync", "pwrite"])
def test_a_disk_that_dies_is_no_error_and_its_files_are_closed(tmp_path, monkeypatch, call):
    before = os.listdir("/proc/self/fd")
    one = copy(tmp_path)
    for turn in (1, 2):
        one.write(turn, b"x")

    def dead(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, dead)
    one.write(3, b"y")
    one.sync()
    one.close()
    assert os.listdir("/proc/self/fd") == before


def test_what_is_synced_and_what_is_closed_is_on_the_disk(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.readlink(f"/proc/self/fd/{file}")), fsync(file)))
    one = copy(tmp_path)
    both = [str(tmp_path / f"outbox.copy.{n}") for n in (0, 1)]
    for turn in (1, 2):
        one.write(turn, b"x")
    assert synced == []
    one.sync()
    assert sorted(synced) == both
    one.close()
    assert sorted(synced) == sorted(2 * both)


def test_closing_twice_leaves_the_files_of_others_alone(tmp_path):
    one = copy(tmp_path)
    one.write(1, b"x")
    one.close()
    other = (tmp_path / "other").open("wb")  # has the number that the copy's file had
    one.close()
    other.write(b"mine")
    other.close()
    assert (tmp_path / "other").read_bytes() == b"mine"


def test_a_machine_that_does_not_say_when_it_started_is_sure_of_nothing_but_an_orderly_end(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.clock._BOOT_ID", tmp_path / "none")
    one = StateCopy(tmp_path / "outbox.copy")
    one.write(1, b"x")
    assert StateCopy(tmp_path / "outbox.copy").read() == Copied(1, b"x", certain=False)
    one.close()
    assert StateCopy(tmp_path / "outbox.copy").read() == Copied(1, b"x", certain=True)


def test_what_another_version_wrote_is_not_read(tmp_path, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(written, "_MAGIC", b"EVCOPY0\n")
        one = copy(tmp_path)
        one.write(1, b"x")
        one.close()
    assert copy(tmp_path).read() is None


# ---- in the outbox ----------------------------------------------------------------------------------------


@pytest.fixture
def open_box(tmp_path):
    opened = []

    def opener(machine="start-1"):
        opened.append(Outbox(tmp_path / "outbox.sqlite", clock=ManualClock(100.0), copy=copy(tmp_path, machine)))
        return opened[-1]

    yield opener
    for box in opened:
        box.close()


def lose(tmp_path):
    (tmp_path / "outbox.sqlite").write_bytes(b"\xff" * 16384)
    for tail in ("-wal", "-shm"):
        (tmp_path / f"outbox.sqlite{tail}").unlink(missing_ok=True)


def test_a_database_that_is_whole_is_not_asked_twice(tmp_path, open_box):
    box = open_box()
    box.append([alarm(1)], b"one")
    box.append([alarm(2)], b"two")
    box.close()
    again = open_box("start-2")
    assert (again.state(), again.faults, again.doubtful) == (b"two", [], False)


def test_a_database_that_is_whole_is_sure_after_a_power_cut(open_box):
    box = open_box()
    box.append([alarm(1)], b"one")
    again = open_box("start-2")
    assert (again.state(), again.faults, again.doubtful) == (b"one", [], False)


def test_a_program_that_died_between_both_writes_goes_on_from_the_database(tmp_path, open_box):
    box = open_box()
    box.append([alarm(1)], b"one")
    box._copy.write = lambda *_: None  # here it dies
    box.append([alarm(2)], b"two")
    again = open_box()
    assert (again.state(), again.faults, again.doubtful) == (b"two", [], False)
    again.append([alarm(3)], b"three")
    assert copy(tmp_path).read() == Copied(3, b"three", certain=True)


@pytest.mark.parametrize(
    ("missed", "machine", "doubtful"), [(1, "start-1", False), (1, "start-2", True), (2, "start-1", True)]
)
def test_a_damaged_database_that_is_one_write_ahead_of_a_sure_copy_is_sure(
    tmp_path, open_box, missed, machine, doubtful
):
    box = open_box()
    box.append([alarm(1)], b"one")
    box._copy.write = lambda *_: None
    for n in range(missed):
        box.append([alarm(2 + n)], b"two")
    box._store.db.execute("pragma wal_checkpoint(truncate)")
    path = tmp_path / "outbox.sqlite"
    content = path.read_bytes()
    path.unlink()
    (tmp_path / "outbox.sqlite-wal").unlink()
    (tmp_path / "outbox.sqlite-shm").unlink()
    path.write_bytes(b"\xff" * 100 + content[100:])
    again = open_box(machine)
    assert (again.state(), again.doubtful) == (b"two", doubtful)


@pytest.mark.parametrize(("machine", "closed", "doubtful"), [
    ("start-1", False, False),
    ("start-1", True, False),
    ("start-2", True, False),
    ("start-2", False, True),
])  # fmt: skip
def test_where_the_database_is_lost_the_copy_says_what_was_and_whether_it_is_sure(
    tmp_path, open_box, machine, closed, doubtful
):
    box = open_box()
    box.append([alarm(1)], b"one")
    box.append([alarm(2)], b"two")
    if closed:
        box.close()
    lose(tmp_path)
    again = open_box(machine)
    assert (again.state(), again.doubtful) == (b"two", doubtful)
    assert "taken from its second copy" in again.faults[-1]
    again.append([alarm(3)], b"three")
    again.close()
    third = open_box(machine)
    assert (third.state(), third.faults, third.doubtful) == (b"three", [], False)


def test_what_is_kept_now_and_then_never_puts_the_copy_ahead(tmp_path, open_box):
    """A power cut may undo a commit that waited for no disk; the copy must not be taken for newer then."""
    box = open_box()
    box.append([alarm(1)], b"one")
    before = [(tmp_path / f"outbox.sqlite{tail}").read_bytes() for tail in ("", "-wal")]
    box.keep(b"one, a little later", b"watched")
    box.close()
    for tail, content in zip(("", "-wal"), before, strict=True):
        (tmp_path / f"outbox.sqlite{tail}").write_bytes(content)
    (tmp_path / "outbox.sqlite-shm").unlink(missing_ok=True)
    again = open_box("start-2")
    assert (again.state(), again.faults, again.doubtful) == (b"one", [], False)


def test_a_database_that_somebody_deleted_is_replaced_from_the_copy(tmp_path, open_box):
    box = open_box()
    box.append([alarm(1)], b"one")
    box.close()
    (tmp_path / "outbox.sqlite").unlink()
    assert open_box().state() == b"one"
    again = open_box()
    assert (again.state(), again.faults, again.doubtful) == (b"one", [], False), "and only once"


def test_a_disk_that_took_no_database_write_but_the_copy_is_gone_on_from_the_copy(tmp_path, open_box):
    """The alarms went out although they were not on disk: their numbers are given away."""
    box = open_box()
    box.append([alarm(1)], b"one")
    lock = sqlite3.connect(tmp_path / "outbox.sqlite", isolation_level=None)
    lock.execute("begin immediate")
    box._store.db.execute("pragma busy_timeout=1")
    assert not box.append([alarm(2)], b"two")
    lock.execute("rollback")
    lock.close()
    again = open_box()
    assert (again.state(), again.doubtful) == (b"two", False)


def test_both_lost_is_nothing_known(tmp_path, open_box):
    box = open_box()
    box.append([alarm(1)], b"one")
    box.close()
    lose(tmp_path)
    for path in tmp_path.glob("outbox.copy.*"):
        path.write_bytes(b"\0" * 50)
    again = open_box()
    assert (again.state(), again.doubtful) == (None, False)
