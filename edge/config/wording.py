"""What a value must be, in words: msgspec speaks to programmers."""

from __future__ import annotations

import re
from typing import Any, Final, get_args

from msgspec import Meta

_KINDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_BOUNDS: Final = {">=": "from", ">": "above", "<=": "of at most", "<": "below"}
_SAID: Final = re.compile(
    r"Expected `(?P<kinds>[^`]+)`"
    r"(?: (?P<bound>[<>]=?) (?P<figure>\S+)| of length (?P<length>.+?)(?:, got (?P<given>\d+))?|(?P<pattern> matching regex) .*|, got `.*`)"
)
_AT: Final = re.compile(r"\$\[(\d+)\]")


def in_words(said: str, value: Any, type_: Any) -> str:
    """What msgspec ``said`` of a value that is no ``type_``. A text that must match a pattern has a Meta that describes
    it."""
    said, _, place = said.partition(" - at ")
    at = _AT.search(place)
    if at and isinstance(value, list):
        value = value[int(at[1])]
    found = _SAID.fullmatch(said)
    if found is None or any(kind not in (*_KINDS, "null") for kind in found["kinds"].split(" | ")):
        return f"{said[0].lower()}{said[1:]}"
    wanted = " or ".join(_KINDS[kind] for kind in found["kinds"].split(" | ") if kind != "null")
    if found["bound"]:
        wanted += f" {_BOUNDS[found['bound']]} {float(found['figure']):.10g}"
    elif found["given"]:
        return f"{wanted} of {found['length']}, not of {found['given']}"
    elif found["length"]:
        wanted += " that is not empty"
    elif found["pattern"]:
        wanted = _described(type_) or wanted
    return f"{wanted}, not {_short(value)}"


def _described(type_: Any) -> str:
    for part in get_args(type_):
        if isinstance(part, Meta) and part.pattern:
            return part.description or ""
    return next(filter(None, map(_described, get_args(type_))), "")


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:80]}..."
    return _KINDS["array"] if isinstance(value, list) else _KINDS["object"] if isinstance(value, dict) else f"{value}"
