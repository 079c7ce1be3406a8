"""How far an alarm has got on its way to somebody, as a page shows it: waited for, handed on, confirmed or nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def receipt(delivery: Mapping[str, Any], change: str, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a page needs of an alarm's ``delivery`` after ``change``; {} where nobody is asked.

    before: the receipt of the transition before, None or {} for the first one seen. asked, received: as in the alarm.
    nobody: the last role of the chain kept silent as well. A role that keeps silent has another one asked beside it; so
    a silence after which the same roles are asked was the last one's.
    """
    if not delivery:
        return {}
    asked, received = list(delivery["asked"]), delivery["received"]
    silent = bool(delivery["annunciator"]) and not received
    known = before or {"asked": [], "nobody": False}
    last = len(asked) == 1 or (known["asked"] == asked and (change == "unconfirmed" or known["nobody"]))
    return {"asked": asked, "received": received, "nobody": silent and last}
