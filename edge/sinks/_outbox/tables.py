"""The tables of the outbox, and what of SQL more than one place needs."""

from __future__ import annotations

from typing import Final

SCHEMA: Final = """
create table if not exists event (
    row integer primary key autoincrement, bed text not null, seq integer not null, occurrence text not null,
    wall real not null, boot text not null, alarm blob not null
);
create table if not exists state (key text primary key, value blob not null);
create table if not exists unreadable (row integer primary key, alarm blob);
"""
COLUMNS: Final = (
    "select row, bed, seq, occurrence, wall, boot, alarm from event limit 0",
    "select key, value from state limit 0",
    "select row, alarm from unreadable limit 0",
    "select name, seq from sqlite_sequence limit 0",
)
"""Statements that fail where a table is not as above."""
INSERT: Final = "insert into event (row, bed, seq, occurrence, wall, boot, alarm) values (?, ?, ?, ?, ?, ?, ?)"
