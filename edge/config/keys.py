"""Configuration keys that no ``build`` declares, with type, default and meaning: the parser and the documents read them.

Keys of a kind of source, analyzer, transform or sink stand in its ``build``; those of alarms in ``edge.alarms.conditions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Key:
    """One key. default: what it is where the configuration does not say; ``...`` = it must."""

    type: Any
    default: Any
    meaning: str


KEYS: Final[Mapping[str, Mapping[str, Key]]] = MappingProxyType(
    {
        "device": {
            "name": Key(
                str, "edge-vitals", "the second part of every topic; letters, digits, `_` and `-`, in lower case"
            ),
            "state_dir": Key(
                str, "", "folder of outbox, alarm state and journal; by default systemd's or `~/.local/state`"
            ),
        },
        "models": {
            "variant": Key(
                str | None, None, "one variant for every model, such as `onnx-int8`; by default the fastest here"
            ),
        },
        "beds.NAME": {
            "person": Key(
                str,
                "",
                "an id of who lies there; goes into recordings and onto the page; the device never publishes it",
            ),
            "site": Key(
                str,
                "",
                "where the microphone sits at the start: `AV`, `MV`, `PV` or `TV`; the command `site` changes it",
            ),
        },
        "delivery": {
            "roles": Key(
                tuple[str, ...], (), "who must confirm alarms, in order; a role may be `{name, confirm_within_s}`"
            ),
            "confirm_within_s": Key(float, 15.0, "a role silent for so long: the next one is asked, too"),
            "minimum": Key(str, "medium", "the lowest priority that must be confirmed"),
            "annunciator": Key(str, "first", "it joins in when the first role is silent, or the `last`"),
        },
        "sources.NAME": {
            "kind": Key(str, ..., "what it is; its own keys stand below"),
            "bed": Key(str, "the first bed", "whom it watches"),
            "analyzers": Key(
                tuple[str, ...],
                "by kind",
                "what looks at it; a stream that one of those named here looks at must come; each takes memory, heart sound most",
            ),
        },
    }
)
"""Table to key to what it is."""
