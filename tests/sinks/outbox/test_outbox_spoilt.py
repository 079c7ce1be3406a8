"""An outbox in which something else stands than was written: found and said, and never read as another alarm."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

from outbox_on_disk import alarm, seqs


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"wall real", b"wale real"),
        (b"TABLE event", b"TABLE eve\xeet"),
        (b"value blob", b"valuf blob"),
        (b"sqlite_sequence(name,seq)", b"sqlite_sequence(naMf,seq)"),
    ],
)
def test_tables_that_are_no_longer_ours_are_damage_and_no_reason_not_to_watch(tmp_path, open_box, was, becomes):
    box = open_box()
    assert box.append([alarm(1), alarm(2)], b'{"state":1}')
    box.close()
    path = tmp_path / "outbox.sqlite"
    content = path.read_bytes()
    assert was in content
    path.write_bytes(content.replace(was, becomes))
    box = open_box()
    assert "the outbox was damaged" in box.faults[0]
    assert (seqs(box), json.loads(box.state())["state"]) == ([1, 2], 1)


def test_a_bit_of_an_alarm_or_of_the_state_that_fell_over_is_not_read_as_another(tmp_path, open_box):
    box = open_box()
    assert box.append([alarm(1), alarm(2, bed="bed2"), alarm(3)], b'{"state":"bed2 is on"}')
    box.close()
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(
        path.read_bytes().replace(b'"id":"bed2/af"', b'"id":"bed3/af"').replace(b"bed2 is on", b"bed2 is oN")
    )
    box = open_box()
    assert seqs(box) == [1, 3]
    assert box.faults == ["1 alarms in the outbox were not readable; they were set apart, not sent"]
    assert box.state() == b""


def test_what_an_older_version_wrote_is_read(tmp_path, open_box):
    box = open_box()
    assert box.append([alarm(1)], b'{"state":1}')
    box.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as db, db:
        ((row, blob),) = db.execute("select row, alarm from event").fetchall()
        assert "clock_synced" in json.loads(blob), "what other versions read by this name"
        plain = {key: value for key, value in json.loads(blob).items() if key != "crc"}
        db.execute("update event set alarm = ? where row = ?", (json.dumps(plain).encode(), row))
        db.execute("update state set value = ? where key = 'board'", (b'{"state": 1}',))
    box = open_box()
    assert (seqs(box), box.state(), box.faults) == ([1], b'{"state": 1}', [])
