"""The table labels.csv of a folder of recordings: what is wrong with it is one line."""

from __future__ import annotations

import csv
from pathlib import Path

from edge.types import ConfigError


def labelled(table: Path) -> list[dict[str, str]]:
    """Its rows by column, those without a ``path`` left out; raises ConfigError."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "path" not in (reader.fieldnames or ()):
                raise ConfigError(f"{table}: no column named path")
            return [row for row in reader if row["path"]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table}: cannot be read as a table in UTF-8 ({error})") from None
