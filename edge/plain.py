"""Values as JSON and MessagePack know them: numpy's, frozen mappings, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np


def plain(value: Any) -> Any:
    """For ``enc_hook`` of msgspec: numbers, lists and dicts; raises TypeError for anything else."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no plain form of {type(value).__name__}")


def encode(content: Mapping[str, Any]) -> bytes:
    """JSON, UTF-8."""
    return msgspec.json.encode(content, enc_hook=plain)


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of an event, or of another dataclass, by name, ready for ``encode``; nothing is copied."""
    return {one.name: getattr(value, one.name) for one in fields(value)}
