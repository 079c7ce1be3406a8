"""Passwords stand in files of their own, never in the configuration, a message or a recording."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from edge.types import ConfigError

_WHO = re.compile(r"(?<=://)(?:[^/?\s]*|(?!\[)[^:/?\s]*:(?!\d*[/?])\S*)@")
"""What stands before the ``@`` of an address, also where a password has a ``/`` or ``?`` in it: no port looks so."""
_NAMED = re.compile(
    r"(?<=[?&;/_\s])((?:login_?)?(?:pas|pass|passwd|password|psw|pwd|user-pw|token|secret)=)([^&;/\s]+)", re.I
)
"""A password in the path of an address or behind its ``?``, as cameras without the other form take it."""
PLACE = "{password}"
"""Stands in an address for the password that a file holds."""


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


def holds_password(address: str) -> bool:
    """Whether a password is written out in an address, or a text with one."""
    named = (secret for _, secret in _NAMED.findall(address))
    written_out = any(not secret.lstrip("\"'").startswith(PLACE) for secret in named)
    return written_out or ":" in _who(address).replace(f":{PLACE}", "")


def takes_password(address: str) -> bool:
    """Whether an address, or a text with one, has a place for a password: behind its user or where ``PLACE`` stands."""
    return PLACE in address or bool(_who(address))


def with_password(address: str, password: str) -> str:
    """An address that has a place for a password, with it as it must be written there: in what else a pipeline sets,
    ``user-pw={password}``, every sign behind a backslash."""
    quoted, escaped = quote(password, safe=""), re.sub(r"(\W)", r"\\\1", password)
    if PLACE in address:
        parts = re.split(r"(\s+)", address)
        return "".join(part.replace(PLACE, quoted if "://" in part else escaped) for part in parts)
    who = _who(address)
    return address.replace(f"{who}@", f"{who}:{quoted}@", 1)


def for_others(address: str) -> str:
    """An address, or a text with one, as it may be told."""
    if "://" not in address:
        return address
    return _NAMED.sub(r"\1***", _WHO.sub("", address)).partition("?")[0]


def _who(address: str) -> str:
    found = _WHO.search(address)
    return found[0][:-1] if found else ""
