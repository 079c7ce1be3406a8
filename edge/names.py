"""Names of devices, beds, sources and roles: parts of topics, files and links, so that one rule holds wherever one is read.
And of machines."""

from __future__ import annotations

import re
from typing import Final, TypeGuard

LONGEST: Final = 64
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")

RULE: Final = f"match {_NAME.pattern} and have at most {LONGEST} letters"
"""What names must do, in words."""
NO_HOST: Final = "is no name or address of a machine"


def is_name(value: object) -> TypeGuard[str]:
    """Whether this may be a name."""
    return isinstance(value, str) and len(value) <= LONGEST and _NAME.fullmatch(value) is not None


def is_host(text: str) -> bool:
    """Whether a machine may be called so: where not, as with two dots in a row, Python's resolver has no answer but an
    error that is no OSError."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return True
