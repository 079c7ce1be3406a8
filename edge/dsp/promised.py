"""The threshold a configuration asks for: one of its own, or one whose share of missed events the card measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.types import ConfigError


def chosen_threshold(
    card: Mapping[str, Any], event: str, *, threshold: float | None, missed: float | None
) -> float | None:
    """``threshold`` (0..1), or that of the card for ``missed``, or None where neither was given.

    event: what the settings ``EVENT_threshold`` and ``EVENT_missed`` are named after. Raises ConfigError with the
    model's name and the setting for both at once, a threshold outside 0..1, or a share that the card does not know.
    """
    name = card["name"]
    if threshold is not None and missed is not None:
        raise ConfigError(f"{name}: give {event}_threshold or {event}_missed, not both")
    if threshold is not None and not 0.0 < threshold < 1.0:
        raise ConfigError(f"{name}: {event}_threshold must lie between 0 and 1")
    return threshold if missed is None else promised_threshold(card, event, missed)


def promised_threshold(card: Mapping[str, Any], event: str, missed: float) -> float:
    """The threshold at which a new person misses at most that share of events on average (card ``[conformal]``).

    Raises ConfigError naming the shares the card has a threshold for: each is measured, none lies between two.
    """
    bounds = card.get("conformal", {}).get("bounds", ())
    found = [float(b["threshold"]) for b in bounds if abs(float(b["missed"]) - missed) < 1e-9]
    if not found:
        known = ", ".join(f"{float(b['missed']):g}" for b in bounds) or "none"
        raise ConfigError(f"{card['name']}: no threshold in the card for {event}_missed = {missed:g}; it has {known}")
    return found[0]
