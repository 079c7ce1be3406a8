"""Which variant of a model this machine runs, remembered in ``state_dir/variants.json``.

Which one is fastest depends on the processor and on the runtime's version, not on the model alone, so a choice is
kept under both. The file is a cache: lost or unreadable, the choice is made again.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.inference.card import Card
from edge.storage.whole_files import write_whole

FILE = "variants.json"
_CPUINFO = Path("/proc/cpuinfo")
_OF_THE_KIND: Final = frozenset({"model name", "CPU implementer", "CPU part", "Model"})


def processor() -> str:
    """What this machine computes with. A card with the state on it may move to another board of the same architecture."""
    try:
        told = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        told = []
    lines = (line.partition(":") for line in told)
    kinds = {f"{key.strip()}={what.strip()}" for key, _, what in lines if key.strip() in _OF_THE_KIND}
    return " ".join((platform.machine(), *sorted(kinds)))


def choice_key(card: Card, versions: Mapping[str, str]) -> str:
    """What a choice depends on: the card, the runtimes' versions, the processor."""
    parts = [card.sha256, processor(), *(f"{k}={v}" for k, v in sorted(versions.items()))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def stored_choice(state_dir: Path, card: Card, versions: Mapping[str, str]) -> str | None:
    """The variant stored for this card on this machine; None when there is none that the card has."""
    entry = _read(state_dir).get(card.name)
    if not isinstance(entry, dict) or entry.get("key") != choice_key(card, versions):
        return None
    variant = entry.get("variant")
    return variant if variant in {v.id for v in card.variants} else None


def store_choice(
    state_dir: Path, card: Card, versions: Mapping[str, str], variant: str, median_ms: Mapping[str, float]
) -> str:
    """Remember a choice and the times it rests on; returns a note when it could not be written, else ''."""
    entry = {
        "key": choice_key(card, versions),
        "variant": variant,
        "median_ms": {k: round(v, 4) for k, v in median_ms.items()},
    }
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        whole = {**_read(state_dir), card.name: entry}
        write_whole(state_dir / FILE, (json.dumps(whole, indent=2, sort_keys=True) + "\n").encode())
    except OSError as error:
        return f"{state_dir / FILE}: not written ({error.strerror}): variants will be timed again at the next start"
    return ""


def _read(state_dir: Path) -> dict[str, object]:
    try:
        found = json.loads((state_dir / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
