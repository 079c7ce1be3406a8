"""Passwords stand in files of their own, never in the configuration, a message or a recording."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from edge.types import ConfigError

_WHO = re.compile(r"(?<=://)(?:[^/?\s]*|(?!\[)[^:/?\s]*:(?!\d*[/?])\S*)@")
"""What stands before the ``@`` of an address, also where a password has a ``/`` or ``?`` in it: no port looks so."""


def password_in(path: str, key: str) -> str:
    """The password that a file holds, without spaces and newlines around it; raises ConfigError that begins with
    ``key``."""
    try:
        password = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {path}: not a text in UTF-8") from None
    if not password:
        raise ConfigError(f"{key}: {path}: holds no password")
    return password


def user_of(address: str) -> tuple[str, bool]:
    """Who an address names before its ``@``, "" for nobody, and whether a password stands there too."""
    user, colon, _ = _who(address).partition(":")
    return user, bool(colon)


def with_password(address: str, password: str) -> str:
    """An address that names a user, with that user's password."""
    who = _who(address)
    return address.replace(f"{who}@", f"{who}:{quote(password, safe='')}@", 1)


def for_others(address: str) -> str:
    """An address, or a text with one, as it may be told: cameras take passwords behind its ``?`` too."""
    return _WHO.sub("", address).partition("?")[0] if "://" in address else address


def _who(address: str) -> str:
    found = _WHO.search(address)
    return found[0][:-1] if found else ""
