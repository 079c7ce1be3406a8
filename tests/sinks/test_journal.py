"""The journal: every event a line, alarms at once, readings in batches; torn lines and full disks do not stop it."""

from __future__ import annotations

import errno
import io
import json
import threading
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.sinks.journal import Journal, build, read
from edge.types import Alarm, BedStatus, Command, CommandResult, ConfigError, Heartbeat, Reading, SourceStatus, Stats

READING = Reading("ppg.hr", 99.5, 61.25, "bpm", 0.9, detail={"sd": 1.5}, bed="bed1", source="node", model="m 1 x")
ALARM = Alarm("bed1/af", "o1", "physiological", "medium", "on", 99.0, "AF", "af", "bed1", seq=7, evidence={"k": [5, 7]})


def alarm(seq):
    return Alarm("bed1/af", f"o{seq}", "physiological", "medium", "on", 99.0, "AF", "af", "bed1", seq=seq)


@pytest.fixture
def clock():
    return ManualClock(100.0, wall=1_700_000_000.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


@pytest.fixture
def open_journal(path, clock):
    opened = []

    def opener(max_bytes=10**6, keep=2, at=path):
        opened.append(Journal(at, clock, "boot1", max_bytes, keep))
        return opened[-1]

    yield opener
    for journal in opened:
        journal.close()


def entries(path):
    return list(read(path)) if path.exists() else []


def seqs(path):
    return [entry["seq"] for entry in entries(path)]


@pytest.mark.parametrize(
    ("event", "kind", "some"),
    [
        (READING, "reading", {"metric": "ppg.hr", "value": 61.25, "detail": {"sd": 1.5}, "source": "node", "t": 99.5}),
        (ALARM, "alarm", {"id": "bed1/af", "presence": "on", "seq": 7, "evidence": {"k": [5, 7]}, "t": 99.0}),
        (
            BedStatus("bed1", 99.0, "p1", "MV", 98.0, "nurse"),
            "bed",
            {"site": "MV", "by": "nurse", "paused_until": None},
        ),
        (SourceStatus("node", "bed1", 99.0, "offline", "unplugged"), "source", {"state": "offline", "bed": "bed1"}),
        (
            CommandResult(Command("ack", "bed1", 98.0, "c1", "nurse"), 99.0, True, "done"),
            "command",
            {"ok": True, "text": "done"},
        ),
        (Stats(99.0, {"readings": {"ppg.hr": 3}}), "stats", {"figures": {"readings": {"ppg.hr": 3}}}),
    ],
)
def test_every_kind_of_event_is_a_line_with_both_clocks(open_journal, path, event, kind, some):
    journal = open_journal()
    journal.send(event)
    assert journal.flush(1.0)
    (entry,) = entries(path)
    assert entry["type"] == kind
    assert (entry["time"], entry["mono"], entry["boot"]) == ("2023-11-14T22:13:20.000Z", 100.0, "boot1")
    assert some.items() <= entry.items()


def test_a_command_is_kept_with_who_asked_for_it(open_journal, path):
    open_journal().send(CommandResult(Command("pause", "bed1", 98.0, "c1", "nurse", seconds=60.0), 99.0, True))
    (entry,) = entries(path)
    assert (entry["command"]["name"], entry["command"]["by"], entry["command"]["seconds"]) == ("pause", "nurse", 60.0)


def test_an_alarm_is_in_the_file_before_send_returns_with_all_before_it(open_journal, path):
    journal = open_journal()
    journal.send(READING)
    assert entries(path) == []
    journal.send(ALARM)
    assert [entry["type"] for entry in entries(path)] == ["reading", "alarm"]


def test_readings_wait_some_seconds_and_no_longer(open_journal, path, clock):
    journal = open_journal()
    for _ in range(5):
        journal.send(READING)
        clock.advance(1.0)
    assert entries(path) == []
    journal.send(READING)
    assert len(entries(path)) == 6
    for _ in range(5):
        journal.send(READING)
        clock.advance(1.0)
    assert len(entries(path)) == 6, "and wait again"


def test_what_says_only_that_all_goes_on_is_no_line(open_journal, path):
    journal = open_journal()
    journal.send(Heartbeat(99.0, 5.0, {}))
    journal.send(SourceStatus("node", "bed1", 99.0, "online", coverage={}))
    assert journal.flush(1.0)
    assert entries(path) == []


def test_closing_writes_what_waits_and_twice_is_harmless(open_journal, path):
    journal = open_journal()
    journal.send(READING)
    journal.close()
    journal.close()
    journal.send(READING)
    assert len(entries(path)) == 1


def test_a_new_run_goes_on_in_the_same_file(open_journal, path):
    open_journal().send(alarm(1))
    open_journal().send(alarm(2))
    assert seqs(path) == [1, 2]


def test_numbers_and_mappings_of_an_analyzer_are_plain_json(open_journal, path):
    detail = MappingProxyType({"p": np.float32(0.5), "rr": np.arange(3), "ok": np.bool_(True)})
    journal = open_journal()
    journal.send(Reading("ppg.hr", 99.0, np.float64(60.5), "bpm", 1.0, detail=detail))
    journal.flush(1.0)
    (entry,) = entries(path)
    assert (entry["value"], entry["detail"]) == (60.5, {"p": 0.5, "rr": [0, 1, 2], "ok": True})


# ---- size -------------------------------------------------------------------------------------------------


def test_files_are_rotated_by_size_and_the_oldest_goes(open_journal, path):
    journal = open_journal(max_bytes=1, keep=2)
    for seq in range(1, 6):
        journal.send(alarm(seq))
    kept = {name.name: seqs(name) for name in path.parent.iterdir()}
    assert kept == {"journal.jsonl": [], "journal.jsonl.1": [5], "journal.jsonl.2": [4]}


def test_keeping_none_keeps_the_quota_too(open_journal, path):
    journal = open_journal(max_bytes=1000, keep=0)
    for seq in range(1, 50):
        journal.send(alarm(seq))
        assert path.stat().st_size < 1000
        assert seqs(path) in ([], [*range(seq + 1 - len(seqs(path)), seq + 1)])
    assert [name.name for name in path.parent.iterdir()] == ["journal.jsonl"]


def test_a_file_that_somebody_moved_or_removed_is_begun_anew(open_journal, path, caplog):
    journal = open_journal()
    journal.send(alarm(1))
    path.rename(path.with_name("moved"))
    journal.send(alarm(2))
    assert (seqs(path.with_name("moved")), seqs(path)) == ([1], [2])
    path.unlink()
    journal.send(alarm(3))
    assert seqs(path) == [3]
    assert journal.lost_lines == 0
    assert [one.getMessage() for one in caplog.records] == [
        f"{path}: the file is gone, perhaps with its disk; another one is begun"
    ] * 2


def test_a_failed_rotation_loses_nothing_that_was_written_and_is_tried_again(open_journal, path):
    journal = open_journal(max_bytes=1, keep=1)
    (path.parent / "journal.jsonl.1").mkdir()
    (path.parent / "journal.jsonl.1" / "in_the_way").touch()
    journal.send(alarm(1))
    journal.send(alarm(2))
    assert (seqs(path), journal.lost_lines) == ([1, 2], 0)
    (path.parent / "journal.jsonl.1" / "in_the_way").unlink()
    (path.parent / "journal.jsonl.1").rmdir()
    journal.send(alarm(3))
    journal.send(alarm(4))
    assert (seqs(path), seqs(path.parent / "journal.jsonl.1")) == ([], [4])
    assert journal.flush(1.0)


# ---- power cuts and full disks ----------------------------------------------------------------------------


def written(tmp_path, clock):
    whole = tmp_path / "whole.jsonl"
    journal = Journal(whole, clock, "b", 10**6, 1)
    for seq in (1, 2, 3):
        journal.send(alarm(seq))
    journal.close()
    return whole.read_bytes()


@given(data=st.data())
def test_a_torn_last_line_is_left_out_and_the_next_run_begins_a_line_of_its_own(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("journal")
    content = written(folder, ManualClock(100.0))
    cut = data.draw(st.integers(0, len(content)))
    path = folder / "journal.jsonl"
    path.write_bytes(content[:cut])
    whole = list(range(1, content[: cut + 1].count(b"\n") + 1))  # one that lacks only its end is whole
    assert seqs(path) == whole
    journal = Journal(path, ManualClock(100.0), "b", 10**6, 1)
    journal.send(alarm(9))
    journal.close()
    assert seqs(path) == [*whole, 9]


def test_a_last_line_that_lacks_only_its_end_is_kept_and_the_next_is_one_of_its_own(open_journal, path, clock):
    path.write_bytes(written(path.parent, clock)[:-1])
    open_journal().send(alarm(9))
    assert seqs(path) == [1, 2, 3, 9]


@pytest.mark.parametrize("left", [b"\0" * 200_000, b'{"t": 1, "text": "\xc3'], ids=["zeros", "half a letter"])
def test_what_a_file_system_left_at_the_end_is_left_out(open_journal, path, left):
    open_journal().send(alarm(1))
    with path.open("ab") as file:
        file.write(left)
    assert seqs(path) == [1]
    open_journal().send(alarm(2))
    assert seqs(path) == [1, 2]


def test_damage_in_the_middle_is_not_passed_over(open_journal, path):
    open_journal().send(alarm(1))
    with path.open("ab") as file:
        file.write(b"no json\n")
    with pytest.raises(ValueError, match="Expecting value"):
        list(read(path))


def test_a_full_disk_costs_lines_that_are_counted_and_nothing_else(tmp_path, clock, open_journal):
    full = tmp_path / "full.jsonl"
    full.symlink_to("/dev/full")
    journal = open_journal(at=full)
    journal.send(READING)
    journal.send(ALARM)
    assert journal.lost_lines == 2
    assert journal.flush(1.0) is False
    assert journal.why_not() == "the journal is not written: No space left on device"
    journal.close()


def test_a_disk_that_is_full_at_the_start_or_at_a_rotation_gets_every_line_that_comes_when_it_has_room(
    open_journal, path, monkeypatch
):
    real, full = Journal._open, iter([True, False, True])

    def opening(journal):
        if next(full, False):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(journal)

    monkeypatch.setattr(Journal, "_open", opening)
    journal = open_journal(max_bytes=1, keep=2)
    assert journal.why_not() == "the journal is not written: No space left on device"
    journal.send(alarm(1))
    assert not path.exists(), "put aside, and a new one not begun"
    journal.send(alarm(2))
    assert [seqs(path.with_name(f"journal.jsonl.{number}")) for number in (1, 2)] == [[2], [1]]
    assert (journal.lost_lines, journal.why_not()) == (0, "")


def test_of_lines_that_do_not_fit_nothing_is_left_in_the_file(open_journal, path, monkeypatch):
    class Short(io.FileIO):
        def write(self, content):
            return super().write(content[: len(content) // 2])

    journal = open_journal()
    journal.send(alarm(1))
    with monkeypatch.context() as full, Short(path, "ab") as short:
        whole = journal._file
        full.setattr(journal, "_file", short)
        journal.send(alarm(2))
        assert (journal.lost_lines, journal.why_not()) == (1, "the journal is not written: the disk is full")
        assert path.read_bytes().endswith(b"\n")
        assert journal.flush(1.0) is False
        assert journal.why_not() == "the journal is not written: the disk is full", "nothing to write is no success"
    assert journal._file is whole
    journal.send(alarm(3))
    assert (seqs(path), journal.why_not()) == ([1, 3], "")


def test_a_configuration_that_is_only_checked_begins_no_journal(tmp_path, clock):
    assert build(clock=clock, boot="b", state_dir=tmp_path, checking=True) is None
    assert list(tmp_path.iterdir()) == []


def test_the_keys_are_the_configuration_and_the_folder_is_made(tmp_path, clock):
    journal = build(clock=clock, boot="b", state_dir=tmp_path / "a" / "b", path="j.jsonl", max_mb=0.0001, keep=1)
    journal.send(alarm(1))
    journal.close()
    assert json.loads((tmp_path / "a" / "b" / "j.jsonl.1").read_text())["seq"] == 1


def test_a_file_is_as_large_as_was_said_in_megabytes(tmp_path, clock):
    journal, put_aside, sent = build(clock=clock, boot="b", state_dir=tmp_path, max_mb=0.002), [], 0
    while not put_aside:
        journal.send(alarm(1))
        sent, put_aside = sent + 1, [*tmp_path.glob("journal.jsonl.1")]
    journal.close()
    size = put_aside[0].stat().st_size
    assert 2000 <= size < 2000 + size // sent


def test_what_can_never_be_a_journal_is_not_taken_for_a_full_disk(open_journal, tmp_path):
    with pytest.raises(IsADirectoryError):
        open_journal(at=tmp_path)


@pytest.mark.parametrize("checking", [False, True])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, clock, checking):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/j\.jsonl: cannot be written: .*; set sinks\.journal\.path"):
        build(clock=clock, boot="b", path=str(tmp_path / "file" / "j.jsonl"), checking=checking)


def test_a_disk_that_hangs_holds_no_alarm_and_gets_its_lines_when_it_answers(open_journal, path, monkeypatch):
    monkeypatch.setattr("edge.storage.disk_thread.WAIT_S", 0.05)
    monkeypatch.setattr("edge.sinks.journal._MOST_WAITING", 2)
    one, answers = open_journal(), threading.Event()
    one._disk.ask(lambda: answers.wait(10.0))
    for seq in (1, 2, 3):
        one.send(alarm(seq))
    assert one.why_not() == ""
    with monkeypatch.context() as later:
        later.setattr("edge.storage.disk_thread.HUNG_S", 0.0)
        assert one.why_not() == "the journal is not written: the disk does not answer"
    assert (seqs(path), one.lost_lines) == ([], 1)
    answers.set()
    assert one._disk.ask(lambda: True).result(10.0)
    assert one.why_not() == ""
    assert seqs(path) == [1, 2]
