"""A nested mapping as TOML, which the standard library reads and does not write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A nested mapping of str, numbers, bools and lists as TOML; ``None`` values are left out."""
    plain, tables = [], []
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = toml(value, (*path, key))
            header = f"\n[{'.'.join(map(_key, (*path, key)))}]\n"
            tables.append(header + inner)
        elif isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
            name = ".".join(map(_key, (*path, key)))
            tables += [f"\n[[{name}]]\n{toml(v, (*path, key))}" for v in value]
        elif value is not None:
            plain.append(f"{_key(key)} = {_literal(value)}\n")
    return "".join(plain + tables)


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _literal(str(key))


def _literal(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value))
    if isinstance(value, list | tuple | np.ndarray):
        return "[" + ", ".join(_literal(v) for v in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
