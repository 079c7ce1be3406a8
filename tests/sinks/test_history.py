"""The history of alarms: every occurrence once, with all its transitions, findable, bounded, whatever the file."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from edge.sinks import history
from edge.sinks.history import History
from edge.types import Alarm


@pytest.fixture
def past(tmp_path):
    one = History(tmp_path / "history.sqlite")
    yield one
    one.close()


def alarm(
    number, presence="on", *, seq=None, t=None, condition="af", bed="bed1", priority="medium", kind="physiological"
):
    return Alarm(
        f"{bed}/{condition}", f"b.{bed}.{condition}.{number}", kind, priority, presence, 10.0 * number if t is None else t, "Text",
        condition, bed, seq=number if seq is None else seq, evidence={"change": "raised", "reading": {"value": 1.5}},
    )  # fmt: skip


def test_an_occurrence_is_one_row_with_what_it_came_to(past):
    past.add(alarm(1), wall=1000.0, boot="b")
    past.add(alarm(1, seq=2, t=20.0, priority="high"), wall=1010.0, boot="b")
    past.add(alarm(1, "ack", seq=3), wall=1020.0, boot="c")
    past.add(alarm(1, "off", seq=4), wall=1030.0, boot="c")
    past.add(alarm(1, "off", seq=4), wall=1030.0, boot="c")
    (row,) = past.occurrences()
    assert (row["priority"], row["presence"], row["raised"], row["ended"]) == ("high", "off", 1000.0, 1030.0)
    told = past.transitions(row["occurrence"])
    assert [(t["seq"], t["presence"], t["wall"], t["boot"]) for t in told] == [
        (1, "on", 1000.0, "b"), (2, "on", 1010.0, "b"), (3, "ack", 1020.0, "c"), (4, "off", 1030.0, "c"),
    ]  # fmt: skip
    assert told[0]["evidence"]["reading"]["value"] == 1.5


def test_what_is_asked_for_is_found_newest_first(past):
    for number in range(1, 7):
        past.add(alarm(number), wall=float(number), boot="b")
    past.add(alarm(7, condition="tachy", bed="bed2", priority="high"), wall=7.0, boot="b")
    past.add(alarm(8, condition="source_lost", kind="technical", priority="low"), wall=8.0, boot="b")

    def found(**asked):
        return [int(row["raised"]) for row in past.occurrences(**asked)]

    assert found() == [8, 7, 6, 5, 4, 3, 2, 1]
    assert found(bed="bed2") == found(condition="tachy") == found(priority="high") == [7]
    assert found(kind="technical") == [8]
    assert found(priority="medium", limit=2) == [7, 6]
    assert found(limit=1) == [8]
    assert found(beyond="b.bed1.af.3") == [2, 1]
    assert found(after=7.0) == [8, 7]
    assert found(bed="nobody' or 1=1 --") == []
    assert past.conditions() == ["af", "source_lost", "tachy"]
    assert past.transitions("unknown") == []


def test_nobody_gets_more_of_the_list_at_once_than_may_be_however_he_asks(past, monkeypatch):
    monkeypatch.setattr(history, "LIMIT", 3)
    for number in range(1, 6):
        past.add(alarm(number), wall=float(number), boot="b")
    assert [len(past.occurrences(limit=limit)) for limit in (-5, 0, 1, 3, 4, 10**9)] == [1, 1, 1, 3, 3, 3]


def test_alarms_are_in_the_order_in_which_they_came_though_the_clock_was_set_back(past):
    for number, wall in ((1, 1000.0), (2, 2000.0), (3, 5.0), (4, 6.0)):
        past.add(alarm(number), wall=wall, boot="b")
    assert [row["raised"] for row in past.occurrences()] == [6.0, 5.0, 2000.0, 1000.0]


@pytest.mark.parametrize("step_s", [1_800_000_000.0, 3600.0, -3600.0])
def test_how_long_an_alarm_stood_is_true_though_the_clock_was_set_meanwhile(past, step_s):
    past.add(alarm(1, t=10.0), wall=60.0, boot="b")
    past.add(alarm(1, "latched", seq=2, t=40.0), wall=90.0 + step_s, boot="b", moved_s=step_s)
    past.add(alarm(1, "off", seq=3, t=100.0), wall=150.0 + step_s, boot="b")
    (row,) = past.occurrences()
    assert (row["raised"], row["ended"]) == (60.0 + step_s, 150.0 + step_s)
    assert [t["wall"] for t in past.transitions(row["occurrence"])] == [60.0 + step_s, 90.0 + step_s, 150.0 + step_s]


@pytest.mark.parametrize("step_s", [1_800_000_000.0, -3600.0])
def test_what_stands_and_what_is_over_is_moved_with_the_clock_and_nothing_of_another_run(past, step_s):
    past.add(alarm(1), wall=20.0, boot="a")
    past.add(alarm(2), wall=30.0, boot="a")
    past.add(alarm(2, "off", seq=3), wall=60.0, boot="b")
    past.add(alarm(3), wall=40.0, boot="b")
    past.add(alarm(3, "off", seq=4), wall=50.0, boot="b")
    past.add(alarm(4), wall=60.0, boot="b")
    past.add(alarm(5, condition="clock_step"), wall=70.0 + step_s, boot="b", moved_s=step_s)
    assert [(row["raised"], row["ended"]) for row in past.occurrences()] == [
        (70.0 + step_s, None), (60.0 + step_s, None), (40.0 + step_s, 50.0 + step_s), (30.0, 60.0 + step_s), (20.0, None),
    ]  # fmt: skip
    assert [t["wall"] for t in past.transitions("b.bed1.af.2")] == [30.0, 60.0 + step_s]


def test_a_run_that_never_had_a_clock_is_dated_by_an_alarm_that_stands_from_then(past):
    past.add(alarm(1, t=10.0), wall=310.0, boot="a")
    past.add(alarm(1, "off", seq=2, t=20.0), wall=320.0, boot="a")
    past.add(replace(alarm(2, t=30.0), since=25.0), wall=330.0, boot="a")
    past.add(replace(alarm(2, "ack", seq=3, t=8.0), since=-40.0), wall=348.0, boot="b")  # nor has the next one
    assert [row["raised"] for row in past.occurrences()] == [330.0, 310.0]
    past.add(
        replace(alarm(2, "off", seq=4, t=68.0), since=-40.0), wall=1_800_000_000.0, boot="b", moved_s=1_799_999_592.0
    )
    raised = 1_800_000_000.0 - 108.0 + 5.0
    assert [(row["raised"], row["ended"]) for row in past.occurrences()] == [
        (raised, 1_800_000_000.0), (raised - 20.0, raised - 10.0),
    ]  # fmt: skip
    assert [t["wall"] for t in past.transitions("b.bed1.af.2")] == [raised, 1_800_000_000.0 - 60.0, 1_800_000_000.0]
    past.add(replace(alarm(2, "on", seq=5, t=70.0), since=-45.0), wall=1_800_000_002.0, boot="c")
    assert past.occurrences()[0]["raised"] == raised  # which is dated once


def test_what_waits_for_a_disk_that_refuses_is_moved_once(past):
    past.add(alarm(1), wall=20.0, boot="b")
    past._db.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
    past.add(alarm(2), wall=30.0, boot="b")
    past.add(alarm(3), wall=140.0, boot="b", moved_s=100.0)
    past._db.set_authorizer(None)
    past.add(alarm(4), wall=150.0, boot="b")
    assert [row["raised"] for row in past.occurrences()] == [150.0, 140.0, 130.0, 120.0]


def test_a_clock_that_drifts_moves_no_alarm_and_another_run_knows_nothing_of_this_ones_seconds(past):
    past.add(alarm(1, t=10.0), wall=1000.0, boot="b")
    past.add(alarm(1, "latched", seq=2, t=30.0), wall=1020.5, boot="b")
    past.add(alarm(1, "off", seq=3, t=5.0), wall=5000.0, boot="c")
    (row,) = past.occurrences()
    assert (row["raised"], row["ended"]) == (1000.0, 5000.0)


def test_an_alarm_of_before_the_clock_was_set_is_not_missing_from_the_last_day(past):
    today = 1_800_000_000.0
    for number, wall in ((1, 30.0), (2, today - 200_000.0), (3, 40.0), (4, today - 60.0), (5, 50.0)):
        past.add(alarm(number), wall=wall, boot=f"{number}")
    assert [row["raised"] for row in past.occurrences(after=today - 86_400.0)] == [50.0, today - 60.0, 40.0]


def test_it_goes_on_after_a_restart_and_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "KEPT", 10)
    monkeypatch.setattr(history, "_PRUNE_EVERY", 5)
    for run in range(2):
        one = History(tmp_path / "h.sqlite")
        for number in range(1 + 20 * run, 21 + 20 * run):
            one.add(alarm(number), wall=float(number), boot="b")
        one.close()
        one.close()
    one = History(tmp_path / "h.sqlite")
    rows = one.occurrences()
    assert [int(row["raised"]) for row in rows][:5] == [40, 39, 38, 37, 36]
    assert len(rows) <= 15
    assert one.transitions("b.bed1.af.1") == []
    assert one.lost == 0
    one.close()


@pytest.mark.parametrize("transitions", [1, 30], ids=["many alarms", "alarms that sound again and again"])
def test_it_takes_no_more_of_the_disk_than_it_may(tmp_path, monkeypatch, transitions):
    monkeypatch.setattr(history, "MOST_BYTES", 100_000)
    monkeypatch.setattr(history, "_PRUNE_EVERY", 20)
    one, largest, there = History(tmp_path / "h.sqlite"), 0, 0
    for number in range(1, 1 + 600 // transitions):
        for seq in range(transitions):
            one.add(alarm(number, seq=seq), wall=float(number), boot="b")
        before, there = there + 1, one._db.execute("select count(*) from occurrence").fetchone()[0]
        assert before - there <= min(20, before // 2 + 1), "no more at once than can have come"
        largest = max(largest, one._bytes())
    newest = [int(row["raised"]) for row in one.occurrences()]
    one.close()
    assert newest == list(range(600 // transitions, 600 // transitions - len(newest), -1))
    assert len(newest) > 60 // transitions
    assert 100_000 < largest < 140_000
    assert (tmp_path / "h.sqlite").stat().st_size < 150_000


def test_an_alarm_that_stands_for_months_keeps_its_beginning_though_room_was_made(tmp_path, monkeypatch):
    """A bed without its sensor: what sounds again and again is all there is to make room of."""
    monkeypatch.setattr(history, "MOST_BYTES", 50_000)
    monkeypatch.setattr(history, "_PRUNE_EVERY", 20)
    one, began = History(tmp_path / "h.sqlite"), 1.8e9
    for number in range(600):
        again = alarm(1, seq=number, t=100.0 + 1800.0 * number)
        change = "realarmed" if number else "raised"
        one.add(replace(again, since=100.0, evidence={"change": change}), wall=began + 1800.0 * number, boot="b")
    (row,) = one.occurrences()
    assert len(one.transitions(row["occurrence"])) < 600, "room was made"
    one.close()
    assert row["raised"] == began


def test_making_room_does_not_look_at_what_stays(tmp_path, monkeypatch):
    steps = {}
    for kept in (50, 500):
        monkeypatch.setattr(history, "KEPT", 10_000)
        one = History(tmp_path / f"{kept}.sqlite")
        for number in range(1, kept + 11):
            for seq in (1, 2, 3):
                one.add(alarm(number, seq=seq), wall=float(number), boot="b")
        monkeypatch.setattr(history, "KEPT", kept)
        counted = []
        one._db.set_progress_handler(lambda counted=counted: counted.append(1) or 0, 1)
        one._prune()
        one._db.set_progress_handler(None, 1)
        steps[kept] = len(counted)
        assert one.transitions("b.bed1.af.10") == []
        assert len(one.transitions("b.bed1.af.11")) == 3
        one.close()
    assert steps[50] > 0
    assert steps[500] < 1.5 * steps[50]


def test_what_the_disk_refuses_is_said_once_and_anew_after_it_took_something(past, caplog):
    for number, refuses in enumerate([1, 1, 1, 0, 1, 1], 1):
        past._db.execute(f"pragma query_only = {refuses}")
        past.add(alarm(number), wall=float(number), boot="b")
    why = "is not in the list of alarms: attempt to write a readonly database"
    assert caplog.messages == [f"history: b.bed1.af.1 {why}", f"history: b.bed1.af.5 {why}"]
    assert [row["occurrence"] for row in past.occurrences()] == [f"b.bed1.af.{number}" for number in (4, 3, 2, 1)]
    past._db.execute("pragma query_only = 0")
    past.add(alarm(1, "off", seq=7, t=16.0), wall=7.0, boot="b")
    assert [(row["raised"], row["ended"]) for row in past.occurrences()] == [(n, None) for n in (6, 5, 4, 3, 2)] + [
        (1, 7)
    ]
    assert past.lost == 0


def test_what_waits_for_a_disk_that_refuses_is_bounded(past, monkeypatch):
    monkeypatch.setattr(history, "_MOST_WAITING", 2)
    past._db.execute("pragma query_only = 1")
    for number in range(1, 6):
        past.add(alarm(number), wall=float(number), boot="b")
    past._db.execute("pragma query_only = 0")
    past.add(alarm(6), wall=6.0, boot="b")
    assert (past.lost, [row["raised"] for row in past.occurrences()]) == (3, [6.0, 5.0, 4.0])


def test_what_waits_is_written_at_the_end(past, tmp_path):
    past._db.execute("pragma query_only = 1")
    past.add(alarm(1), wall=1.0, boot="b")
    past._db.execute("pragma query_only = 0")
    past.close()
    again = History(tmp_path / "history.sqlite")
    assert len(again.occurrences()) == 1
    again.close()


@pytest.mark.parametrize(
    "read", [History.occurrences, History.conditions, lambda past: past.transitions("b.bed1.af.1")]
)
def test_whoever_looks_while_the_disk_hangs_is_told_so(past, monkeypatch, read):
    monkeypatch.setattr(history, "_PATIENCE_S", 0.01)
    with past._lock, pytest.raises(sqlite3.OperationalError, match="the disk does not answer"):
        read(past)
    assert not read(past)


def test_a_file_that_cannot_be_opened_now_is_not_taken_for_damaged(tmp_path):
    path = tmp_path / "h.sqlite"
    path.mkdir()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        History(path)
    assert [left.name for left in tmp_path.iterdir()] == ["h.sqlite"]


def test_a_damaged_file_is_put_aside(tmp_path):
    path = tmp_path / "h.sqlite"
    path.write_bytes(b"not a database" * 1000)
    one = History(path)
    one.add(alarm(1), wall=1.0, boot="b")
    assert len(one.occurrences()) == 1
    one.close()
    assert (tmp_path / "h.sqlite.damaged").read_bytes().startswith(b"not a database")


def test_a_run_begins_with_what_stands(past):
    past.add(alarm(1), wall=1000.0, boot="b")
    past.add(alarm(2), wall=1001.0, boot="b")
    past.add(alarm(3), wall=1002.0, boot="b")
    past.add(alarm(3, "off", seq=4, t=31.0), wall=1003.0, boot="b")
    past.begin([alarm(2, t=21.0, seq=9)], ahead_s=981.0, boot="c")
    shown = [(row["occurrence"][-1], row["presence"], row["raised"], row["ended"]) for row in past.occurrences()]
    assert shown == [("3", "off", 1002.0, 1003.0), ("2", "on", 1001.0, None), ("1", "off", 1000.0, None)]
    assert [t["seq"] for t in past.transitions("b.bed1.af.2")] == [2], "it stands as it was known to"
    past.begin([alarm(2, "ack", t=21.0, seq=9)], ahead_s=981.0, boot="c")
    told = past.transitions("b.bed1.af.2")
    assert [(t["seq"], t["presence"], t["wall"], t["boot"]) for t in told] == [
        (2, "on", 1001.0, "b"),
        (9, "ack", 1002.0, "c"),
    ]
    assert [row["presence"] for row in past.occurrences(occurrence="b.bed1.af.2")] == ["ack"]


def test_a_history_that_cannot_be_read_keeps_no_run_from_its_beginning(past, caplog):
    past.close()
    past.begin([], ahead_s=0.0, boot="c")
    assert "what is over is still open in the list of alarms" in caplog.text
