"""Opening a database whose disk may be full: what it holds can be read all the same, and written when there is room
again."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from edge.storage.disk import why_full

_TIMEOUT_S = 1.0
_NOT_TAKEN: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_PERHAPS: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class Opened(NamedTuple):
    """full: why the disk takes nothing, or "". lent: it lies in memory only."""

    db: sqlite3.Connection
    full: str = ""
    lent: bool = False


def opened(path: Path, connect: Callable[..., sqlite3.Connection]) -> Opened:
    """The database, in memory where there is no other way. connect: ``connection`` for its tables.

    Raises sqlite3.OperationalError for anything but a disk that takes nothing, and its DatabaseError for damage.
    """
    try:
        return _opened(path, connect)
    except UnicodeError as error:  # SQLite's message quotes what it could not read, or a text is none
        raise sqlite3.DatabaseError(f"malformed text: {error}") from None
    except sqlite3.OperationalError as error:
        if _code(error) == sqlite3.SQLITE_ERROR:  # other columns than ours: what names them is damaged
            raise sqlite3.DatabaseError(str(error)) from None
        raise


def _opened(path: Path, connect: Callable[..., sqlite3.Connection]) -> Opened:
    try:
        # what lies there opens on a read-only disk, too
        return Opened(connect(path, alone=False), why_full(path.parent))
    except sqlite3.OperationalError as error:
        full = _why(error, path.parent)
        if not full:
            raise
    try:
        return Opened(connect(path, alone=True), full)
    except sqlite3.OperationalError:
        db = connect(":memory:", alone=True)
        _fill(db, path)
        return Opened(db, full, lent=True)


def _fill(db: sqlite3.Connection, path: Path) -> None:
    """With what lies on a disk that takes nothing, where it was closed in good order: then it needs no other file."""
    if path.exists() and not path.with_name(f"{path.name}-wal").exists():
        with contextlib.suppress(sqlite3.Error), read_only(path, "&immutable=1") as there:
            begun = there.execute("select 1 from sqlite_master").fetchone() is not None
            if begun and there.execute("pragma quick_check").fetchone()[0] == "ok":
                there.backup(db)


def connection(
    path: Path | str, *, alone: bool, synchronous: str, prepare: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    """A connection with a write-ahead log; raises sqlite3.Error and UnicodeError. alone: nobody else opens it, so that its
    index needs no file on the disk; prepare: makes the tables and looks whether they are right."""
    db = sqlite3.connect(path, timeout=_TIMEOUT_S, check_same_thread=False)
    try:
        if alone:
            db.execute("pragma locking_mode=exclusive")
        db.execute("pragma journal_mode=wal")
        db.execute(f"pragma synchronous={synchronous}")
        prepare(db)
    except (sqlite3.Error, UnicodeError):
        db.close()
        raise
    return db


def read_only(path: Path, more: str = "") -> contextlib.closing[sqlite3.Connection]:
    """A connection that changes nothing, for a ``with``; more: of SQLite's own settings in an address."""
    address = f"{path.absolute().as_uri()}?mode=ro{more}"
    return contextlib.closing(sqlite3.connect(address, uri=True, timeout=_TIMEOUT_S))


def put_aside(path: Path, aside: Path) -> None:
    """Give a damaged database another name, with the files that belong to it."""
    for tail in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).replace(aside.with_name(aside.name + tail))


def _why(error: sqlite3.OperationalError, folder: Path) -> str:
    code = _code(error)
    if code not in (*_NOT_TAKEN, *_PERHAPS):
        return ""
    return why_full(folder) or (str(error) if code in _NOT_TAKEN else "")


def _code(error: sqlite3.OperationalError) -> int:
    """SQLite's result code; a text that is none is found by Python's own module, which gives no code."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
