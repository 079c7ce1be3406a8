"""What is still read of a database of which the first page, or a part of it, is not what was written."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from edge.sinks._outbox.salvage import salvage
from edge.sinks._outbox.tables import INSERT, SCHEMA

ROWS = [(row, "bed1", row, f"o{row}", 1.5, "boot", b"{}") for row in range(1, 200)]
STATE = {"board": b"board", "turn": b"7"}


def database(path, schema=SCHEMA):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.executescript(schema)
        db.executemany(INSERT, ROWS)
        db.executemany("insert into state values (?, ?)", [*STATE.items(), ("word", "no bytes")])
    return path.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content,
        lambda content: content.replace(b"value blob", b"valuf blob"),  # the rows are read, the state is not
        lambda content: content.replace(b"wall real", b"wale real"),  # the state is read, the rows are not
        lambda content: bytes(100) + content[100:],
        lambda content: bytes(4096) + content[4096:],
    ],
    ids=["none", "state", "rows", "header", "first page"],
)
def test_rows_and_state_are_found_whichever_part_of_the_first_page_is_spoilt(tmp_path, damage):
    path = tmp_path / "outbox.sqlite"
    spoilt = damage(database(path))
    path.write_bytes(spoilt)
    assert salvage(path, SCHEMA) == (ROWS, STATE)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (spoilt, [path]), "nothing is changed, nothing is left"


def test_tables_that_lie_elsewhere_in_the_file_are_found_by_their_own_first_page(tmp_path):
    """As of another version, which made them in another order."""
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(
        bytes(100) + database(path, "create table before (a); create index b on before (a);" + SCHEMA)[100:]
    )
    assert salvage(path, SCHEMA) == (ROWS, STATE)


def test_of_a_file_that_is_none_or_is_not_there_nothing_is_found(tmp_path):
    (tmp_path / "text").write_bytes(b"no database " * 1000)
    for name in ("text", "none"):
        assert salvage(tmp_path / name, SCHEMA) == ([], {})
