"""How far an alarm has got on its way to somebody, as a page shows it: waited for, handed on, confirmed or nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def receipt(delivery: Mapping[str, Any]) -> dict[str, Any]:
    """What a page needs of an alarm's ``delivery``: asked, received and nobody as there; {} where nobody is asked."""
    if not delivery:
        return {}
    nobody = bool(delivery.get("nobody", False))  # histories of earlier versions do not say
    return {"asked": list(delivery["asked"]), "received": delivery["received"], "nobody": nobody}
