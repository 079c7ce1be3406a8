"""Values as JSON and MessagePack know them: numpy's, frozen mappings, events; and JSON that others wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import msgspec

_LONGEST_BYTES: Final = 1 << 20  # ten times what a device of ten beds announces; what is longer takes seconds to read


def plain(value: Any) -> Any:
    """For ``enc_hook`` of msgspec: numbers, lists and dicts; raises TypeError for anything else."""
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"no plain form of {type(value).__name__}")


def encode(content: Mapping[str, Any]) -> bytes:
    """JSON, UTF-8."""
    return msgspec.json.encode(content, enc_hook=plain)


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of an event, or of another dataclass, by name, ready for ``encode``; nothing is copied."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


def json_of(payload: str | bytes, *, names_once: bool = False) -> Any:
    """What a payload says; raises ValueError for what is no JSON, also where it is too long, nested too deep or not a
    number.

    names_once: so for an object, too, in which a name stands twice.
    """
    if len(payload) > _LONGEST_BYTES:
        raise ValueError("too long")
    try:
        return json.loads(payload, parse_constant=_no_number, object_pairs_hook=_named_once if names_once else None)
    except RecursionError:
        raise ValueError("nested too deep") from None


def object_of(payload: bytes) -> dict[str, Any] | None:
    """The JSON object that a payload holds; None for anything else."""
    try:
        found = json_of(payload)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _no_number(word: str) -> float:
    raise ValueError(word)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
