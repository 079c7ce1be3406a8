"""The outbox after the worst: killed, damaged, locked, sent late by another run. Nothing committed is lost unsaid."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from edge.plain import encode, fields_of
from edge.sinks.mqtt import build
from edge.storage import database as module
from outbox_on_disk import alarm, header_lost, seqs

WAIT_S = 10.0
SYNCED = 1_800_000_000.0


# ---- killed -----------------------------------------------------------------------------------------------

KILLED = """
    import sys
    from edge.clock import ManualClock
    from edge.sinks.outbox import Outbox
    from edge.types import Alarm
    box = Outbox(sys.argv[1], clock=ManualClock(), boot="b")
    seq = int(sys.argv[2])
    while True:
        told = [Alarm("bed1/af", f"o{n}", "physiological", "medium", "on", 0.0, "AF", "af", "bed1", seq=n)
                for n in range(seq + 1, seq + 1 + seq % 3 + 1)]
        seq += len(told)
        assert box.append(told, str(seq).encode())
        print(seq, flush=True)
"""


def test_a_process_killed_at_any_moment_loses_nothing_it_had_committed(tmp_path, open_box):
    path, committed = tmp_path / "outbox.sqlite", 0
    for moment in (1, 6, 29):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(committed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = [int(process.stdout.readline()) for _ in range(moment)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        assert process.wait(WAIT_S) == -signal.SIGKILL
        process.stdout.close()
        box = open_box()
        found = seqs(box)
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= said[-1]
        assert box.state() == str(len(found)).encode()  # the board's state and its transitions are one commit
        assert box.faults == []
        box.close()
        committed = len(found)


# ---- damaged ----------------------------------------------------------------------------------------------


def page_lost(content, at=4096):
    return content[:at] + b"\xff" * 8192 + content[at + 8192 :]


def no_database(content):
    return b"no database at all" * (len(content) // 18)


def cut_short(content):
    return content[: len(content) // 2]


def first_page_lost(content):
    return b"\xff" * 4096 + content[4096:]


@pytest.mark.parametrize("damage", [header_lost, first_page_lost])
@pytest.mark.parametrize("log", [False, True])
def test_a_first_page_that_is_gone_costs_no_alarm_and_no_state(tmp_path, open_box, damage, log):
    box = open_box(path=tmp_path / "before.sqlite")
    box.append([alarm(n) for n in range(1, 200)], b"the board")
    box.close()
    last = 199
    (tmp_path / "outbox.sqlite").write_bytes(damage((tmp_path / "before.sqlite").read_bytes()))
    if log:
        died = open_box(path=tmp_path / "before.sqlite")
        died.append([alarm(200)])
        last = 200
        shutil.copy(tmp_path / "before.sqlite-wal", tmp_path / "outbox.sqlite-wal")
    again = open_box()
    assert (seqs(again), again.state()) == (list(range(1, last + 1)), b"the board")
    assert again.doubtful  # nobody can say whether that was the last state there was
    assert f"{last} alarms that waited were read from it" in again.faults[0]


def test_of_a_file_that_was_cut_short_what_is_left_is_read(tmp_path, open_box):
    box = open_box()
    box.append([alarm(n) for n in range(1, 200)])
    box.close()
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(cut_short(path.read_bytes()))
    found = seqs(open_box())
    assert found == list(range(1, len(found) + 1))
    assert len(found) > 30


@pytest.mark.parametrize("damage", [page_lost, no_database])
def test_a_file_that_nobody_can_read_is_put_aside_whole_and_a_new_one_begun(tmp_path, clock, open_box, damage):
    box = open_box()
    box.append([alarm(n) for n in range(1, 200)])
    box.close()
    path = tmp_path / "outbox.sqlite"
    spoilt = damage(path.read_bytes())
    path.write_bytes(spoilt)
    again = open_box()
    aside = tmp_path / f"outbox.sqlite.damaged-{int(clock.wall())}"
    assert aside.read_bytes() == spoilt
    (said,) = again.faults
    assert "the outbox was damaged" in said
    assert said.endswith(aside.name), "and of no alarms that were read from it"
    assert (len(again), again.state()) == (0, None)
    assert again.append([alarm(1)], b"new")
    again.close()
    third = open_box()
    assert (seqs(third), third.state(), third.faults) == ([1], b"new", [])


def test_what_was_not_yet_in_the_main_file_is_put_aside_with_it(tmp_path, open_box):
    box = open_box(path=tmp_path / "before.sqlite")
    box.append([alarm(n) for n in range(1, 200)])
    box.close()
    died = open_box(path=tmp_path / "before.sqlite")
    died.append([alarm(200)])
    content, log = ((tmp_path / f"before.sqlite{tail}").read_bytes() for tail in ("", "-wal"))
    assert b"bed1-200" in log
    assert b"bed1-200" not in content
    (tmp_path / "outbox.sqlite").write_bytes(page_lost(content, at=len(content) // 2))
    (tmp_path / "outbox.sqlite-wal").write_bytes(log)
    again = open_box()
    found = seqs(again)
    assert found == sorted(set(found))
    assert {1, 199, 200} <= set(found) < set(range(1, 201))  # all but those of two pages in the middle
    assert f"{len(found)} alarms that waited were read from it" in again.faults[0]
    assert b"bed1-200" in b"".join(path.read_bytes() for path in tmp_path.glob("*.damaged-*"))


def test_damage_elsewhere_in_the_file_costs_no_alarm_and_no_number(tmp_path, open_box):
    box = open_box()
    box.append([alarm(n) for n in range(1, 50)], b"the board")
    box.close()
    path = tmp_path / "outbox.sqlite"
    look = sqlite3.connect(path)
    (page,) = look.execute("select rootpage from sqlite_schema where name = 'unreadable'").fetchone()
    look.close()
    with path.open("rb+") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)
    again = open_box()
    assert (seqs(again), again.state()) == (list(range(1, 50)), b"the board")
    again.append([alarm(50)])
    again.close()
    third = open_box()
    assert (seqs(third), third.faults) == (list(range(1, 51)), [])


def test_an_empty_file_is_a_new_outbox(tmp_path, open_box):
    (tmp_path / "outbox.sqlite").touch()
    assert open_box().faults == []


def test_a_file_of_a_process_that_died_is_read_with_its_log(tmp_path, open_box):
    box = open_box(path=tmp_path / "before.sqlite")
    box.append([alarm(1)])
    for tail in ("", "-wal"):
        shutil.copy(tmp_path / f"before.sqlite{tail}", tmp_path / f"outbox.sqlite{tail}")
    assert seqs(open_box()) == [1]


@pytest.mark.parametrize("blob", [b"\xff\xfe", b"{}", b"[]", b'{"id": 3}'])
def test_one_unreadable_alarm_does_not_keep_the_others(tmp_path, open_box, blob):
    box = open_box()
    box.append([alarm(1), alarm(2), alarm(3)])
    box.close()
    path = tmp_path / "outbox.sqlite"
    spoil = sqlite3.connect(path)
    with spoil:
        spoil.execute("update event set alarm = ? where seq = 2", (blob,))
    spoil.close()
    again = open_box()
    assert seqs(again) == [1, 3]
    assert len(again) == 2
    assert "1 alarm" in again.faults[0]
    again.close()
    look = sqlite3.connect(path)
    assert look.execute("select alarm from unreadable").fetchall() == [(blob,)]
    look.close()
    assert open_box().faults == []


def test_a_file_in_use_elsewhere_is_not_taken_for_damaged(tmp_path, open_box, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.01)
    box = open_box()
    box.append([alarm(1)])
    box.close()
    other = sqlite3.connect(tmp_path / "outbox.sqlite", isolation_level=None)
    other.execute("pragma locking_mode=exclusive")
    other.execute("begin exclusive")
    with pytest.raises(OSError, match="locked"):
        open_box()
    other.close()
    assert seqs(open_box()) == [1]
    assert list(tmp_path.glob("*.damaged*")) == []


def test_a_folder_that_is_not_there_is_said(tmp_path, open_box):
    with pytest.raises(OSError, match="unable to open"):
        open_box(path=tmp_path / "none" / "outbox.sqlite")


# ---- age and the historical mark --------------------------------------------------------------------------


def test_age_is_of_the_oldest_and_not_moved_by_a_clock_that_is_set(open_box, clock):
    box = open_box()
    assert box.oldest_s() == 0.0
    box.append([alarm(1, t=clock.now())])
    clock.advance(4.0)
    box.append([alarm(2, t=clock.now())])
    clock.step_wall(1e9)
    assert box.oldest_s() == 4.0


def test_age_of_what_another_run_left_is_by_the_wall_clock(open_box, clock):
    clock.step_wall(SYNCED - clock.wall())
    before = open_box("boot0")
    before.append([alarm(1, t=clock.now())])
    before.close()
    clock.advance(60.0)
    assert open_box().oldest_s() == 60.0


@pytest.mark.parametrize("kept", [(False, True), (True, False)], ids=["then", "now"])
def test_age_of_what_another_run_left_is_not_known_by_a_clock_that_nobody_kept(open_box, clock, kept):
    clock.step_wall(SYNCED - clock.wall())
    for boot, keeps in zip(("boot0", "boot1"), kept, strict=True):
        clock.kept = keeps
        box = open_box(boot)
        box.append([alarm(1, t=clock.now())])
        assert box.oldest_s() == (0.0 if boot == "boot0" else None)


@pytest.mark.parametrize("walls", [(50.0, 60.0), (50.0, SYNCED), (SYNCED, 50.0), (SYNCED, SYNCED - 1.0)])
def test_age_of_what_another_run_left_is_not_known_by_a_clock_that_was_not_set_or_went_back(open_box, clock, walls):
    for boot, wall in zip(("boot0", "boot1"), walls, strict=True):
        clock.step_wall(wall - clock.wall())
        box = open_box(boot)
        box.append([alarm(1, t=clock.now())])
        assert box.oldest_s() == (0.0 if boot == "boot0" else None)


@pytest.fixture
def event_of(open_box, clock):
    """The payload an event would have now, from a sink that has no broker."""
    box = open_box()
    sink = build(
        device_name="dev", clock=clock, outbox=box, boot="boot1", on_command=print, on_link=lambda *_: None,
        host="127.0.0.1", port=1,
    )  # fmt: skip
    yield lambda: json.loads(sink._conversation._event(box.waiting()[0]))
    sink.close()


@pytest.mark.parametrize(("waited_s", "historical"), [(0.0, False), (10.0, False), (10.5, True), (3600.0, True)])
def test_an_event_is_historical_once_it_is_late(event_of, open_box, clock, waited_s, historical):
    open_box().append([alarm(1, t=clock.now())])
    clock.advance(waited_s)
    event = event_of()
    assert (event["historical"], event["delay_s"]) == (historical, waited_s)
    assert event["published"] != event["t"] or waited_s == 0.0


def test_a_clock_set_meanwhile_makes_nothing_historical(event_of, open_box, clock):
    open_box().append([alarm(1, t=clock.now())])
    clock.step_wall(7200.0)
    event = event_of()
    assert (event["historical"], event["delay_s"]) == (False, 0.0)


def test_an_event_of_another_run_keeps_its_own_clocks(event_of, open_box, clock):
    clock.step_wall(-clock.wall() + 50.0)  # a board without a clock battery: 1970
    open_box("boot0").append(
        [alarm(1, t=90.0, since=80.0)]
    )  # it is 100 s; the moment of an event is not that of its write
    clock.step_wall(SYNCED)
    event = event_of()
    assert (event["historical"], event["boot"], event["mono"], event["clock_synced"]) == (True, "boot0", 90.0, False)
    assert (event["t"], event["since"]) == ("1970-01-01T00:00:40.000Z", "1970-01-01T00:00:30.000Z")
    assert (event["published"][:10], event["delay_s"]) == ("2027-01-15", None)


def test_an_event_of_another_run_says_whether_its_clock_was_kept_then(event_of, open_box, clock):
    clock.step_wall(SYNCED - clock.wall())
    clock.kept = False  # the board went on with the time of its last stop
    open_box("boot0").append([alarm(1, t=90.0)])
    clock.kept = True
    event = event_of()
    assert (event["clock_synced"], event["t"][:10], event["delay_s"]) == (False, "2027-01-15", None)


@pytest.mark.parametrize(("wall", "synced"), [(SYNCED, True), (50.0, False)])
def test_an_event_of_an_older_version_has_a_clock_that_was_set(event_of, open_box, clock, wall, synced):
    clock.step_wall(wall - clock.wall())
    box = open_box("boot0")
    box.append([alarm(1, t=90.0)])
    box.close()
    with contextlib.closing(sqlite3.connect(box.path)) as db, db:
        db.execute("update event set alarm = ?", (encode(fields_of(alarm(1, t=90.0))),))
    assert event_of()["clock_synced"] is synced


def test_a_database_that_refuses_everything_does_not_hold_up_what_comes_now(open_box):
    """As on a disk that died during the run: new transitions are in memory and go out from there."""
    box = open_box()
    assert box.append([alarm(1)], b"state")
    box._store.db.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
    assert not box.append([alarm(2)], b"state 2")
    assert (seqs(box), len(box)) == ([2], 2)
    sent = [row.row for row in box.waiting()]
    box._store.db.set_authorizer(None)
    assert seqs(box) == [1, 2]
    box.remove(sent)
    assert box.append([alarm(3)], b"state 3")
    assert seqs(box) == [1, 3]
