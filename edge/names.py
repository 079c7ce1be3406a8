"""Names of devices, beds, sources and roles: parts of topics, files and links, so that one rule holds wherever one is read.
And of machines, and of recordings."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Final, TypeGuard

LONGEST: Final = 64
_NO_PART_OF_A_HOST: Final = re.compile(r"[\s:/@\[\]]")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")

RULE: Final = f"match {_NAME.pattern} and have at most {LONGEST} letters"
"""What names must do, in words."""
RECORDING_SUFFIX: Final = ".evrec"
NO_HOST: Final = "is no name or address of a machine"


def is_name(value: object) -> TypeGuard[str]:
    """Whether this may be a name."""
    return isinstance(value, str) and len(value) <= LONGEST and _NAME.fullmatch(value) is not None


def is_host(text: str) -> bool:
    """Whether a machine may be called so: a name, or an address of four numbers or of IPv6, without scheme and port."""
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        pass
    if _NO_PART_OF_A_HOST.search(text):
        return False
    try:
        if text.rstrip(".").rpartition(".")[2].isdecimal():  # what ends so is an address, though it may be a short one
            socket.inet_aton(text)
        text.encode("idna")  # where this fails, as with two dots in a row, the resolver has an error that is no OSError
    except (OSError, UnicodeError):
        return False
    return True
