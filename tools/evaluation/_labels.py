"""The recordings that a folder lists in its ``labels.csv``: what is wrong with the table is one line."""

from __future__ import annotations

import csv
from pathlib import Path

from edge.types import ConfigError


def listed(data: Path) -> list[dict[str, str]]:
    """Its rows, each with a ``path``; none where there is no such table; raises ConfigError naming the table."""
    table = data / "labels.csv"
    if not table.exists():
        return []
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table}: cannot be read as a table of UTF-8 text ({error})") from None
    if "path" not in columns:
        raise ConfigError(f"{table}: no column named path in its first line, in which commas part the columns")
    for number, row in enumerate(rows, 1):
        if not row["path"]:
            raise ConfigError(f"{table}: recording {number} has no path")
    return rows
