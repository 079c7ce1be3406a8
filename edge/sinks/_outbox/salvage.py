"""What can still be read of an outbox that SQLite will not open: nothing in the damaged file is changed."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from edge.storage.database import read_only

_ROW_TYPES = [int, str, int, str, float, str, bytes]
_UNREADABLE = (sqlite3.Error, UnicodeError)  # a text that is none, too
_HEADER_BYTES = 100
_PAGES_AT = 28  # the size of the database in pages, beside the format's other fields (SQLite, "Database File Format")


class Salvaged(NamedTuple):
    """Rows of ``event``, and the entries of ``state`` by key."""

    rows: list[tuple[Any, ...]]
    state: dict[str, bytes]


def salvage(path: Path, schema: str) -> Salvaged:
    """Rows and state of the file and its log; what its first page does not lead to, through one of ``schema`` put in
    its place."""
    found = _read(path)
    if found.rows and found.state:
        return found
    with contextlib.suppress(OSError, sqlite3.Error), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for whole_page in (False, True):
            more = _read(_with_first_page(path, Path(folder), schema, whole=whole_page))
            found = Salvaged(found.rows or more.rows, found.state or more.state)
            if found.rows and found.state:
                break
    return found


def _with_first_page(path: Path, folder: Path, schema: str, *, whole: bool) -> Path:
    """A copy whose header, or whole first page, is that of a new database with the same tables."""
    new = folder / "new.sqlite"
    with contextlib.closing(sqlite3.connect(new)) as db:
        db.executescript(schema)
        page_bytes = int(db.execute("pragma page_size").fetchone()[0])
    page = bytearray(new.read_bytes()[: page_bytes if whole else _HEADER_BYTES])
    copy = folder / "copy.sqlite"
    shutil.copyfile(path, copy)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        shutil.copyfile(log, folder / "copy.sqlite-wal")
        page[18:20] = b"\x02\x02"  # read through its log
    page[_PAGES_AT : _PAGES_AT + 4] = (copy.stat().st_size // page_bytes).to_bytes(4, "big")
    page[92:96] = page[24:28]  # without which the number of pages is not believed
    page[32:40] = bytes(8)  # no free pages: none is taken
    with copy.open("rb+") as file:
        file.write(page)
    return copy


def _read(path: Path) -> Salvaged:
    """From both ends, each up to where it cannot be read."""
    rows: dict[int, tuple[Any, ...]] = {}
    state: dict[str, bytes] = {}
    with contextlib.suppress(*_UNREADABLE), read_only(path) as db:
        for order in ("asc", "desc"):
            with contextlib.suppress(*_UNREADABLE):
                wanted = f"select row, bed, seq, occurrence, wall, boot, alarm from event order by row {order}"
                rows.update((one[0], one) for one in db.execute(wanted))
        with contextlib.suppress(*_UNREADABLE):
            kept = db.execute("select key, value from state where key in ('board', 'turn')")
            state = {key: bytes(value) for key, value in kept if isinstance(value, bytes)}
    return Salvaged([one for one in rows.values() if [type(value) for value in one] == _ROW_TYPES], state)
