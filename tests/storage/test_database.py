"""Opening a database whose disk takes nothing: in memory, with what lies there where it may be believed."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3

import pytest

from edge.storage.database import opened


def on_a_full_disk(where, *, alone):
    if where != ":memory:":
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error
    return sqlite3.connect(where)


@pytest.mark.parametrize("in_good_order", [True, False])
def test_what_was_closed_in_good_order_is_had_in_memory_and_nothing_that_has_a_log_beside_it(tmp_path, in_good_order):
    path, live = tmp_path / "a.sqlite", tmp_path / "live.sqlite"
    with contextlib.closing(sqlite3.connect(live)) as db:
        db.execute("pragma journal_mode=wal")
        db.executescript("create table t (n); insert into t values (1); pragma wal_checkpoint(truncate);")
        db.executescript("insert into t values (2);")
        for tail in ("", "-wal"):
            shutil.copyfile(f"{live}{tail}", f"{path}{tail}")  # as a power cut leaves them
    if in_good_order:
        sqlite3.connect(path).execute("select * from t").connection.close()
    found = opened(path, on_a_full_disk)
    with contextlib.closing(found.db) as db:
        assert (found.full, found.lent) == ("database or disk is full", True)
        tables = db.execute("select name from sqlite_master").fetchall()
        assert [db.execute("select n from t").fetchall() for _ in tables] == ([[(1,), (2,)]] if in_good_order else [])


def test_a_file_that_is_not_there_or_is_empty_is_an_empty_database_in_memory(tmp_path):
    (tmp_path / "empty").touch()
    for name in ("empty", "none"):
        with contextlib.closing(opened(tmp_path / name, on_a_full_disk).db) as db:
            assert db.execute("select name from sqlite_master").fetchall() == []
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
