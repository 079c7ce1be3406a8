"""Who may look and who may act: tokens with roles, sessions, and the checks of where a request comes from.

Pure but for the random numbers of sessions; time is an argument. Tokens are compared by their hashes, all of them every
time and each in constant time; a session is known only by its hash, so that memory holds nothing that opens a door. It
lasts as long as its page is open, and ``SESSION_S`` more: a bedside screen that asks for a token at night shows no alarm.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from edge.types import ConfigError

ROLES: Final = ("view", "acknowledge", "configure")
COMMANDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "view": frozenset(),
    "acknowledge": frozenset({"ack", "pause", "reset", "site"}),
    "configure": frozenset({"ack", "pause", "reset", "site", "standby", "shelve"}),
}
"""What a role may ask of the board: to look; to answer alarms and say where the microphone sits; to stop the watching
of a bed or of one condition."""

TOKEN_MIN: Final = 16
SESSION_S: Final = 12 * 3600.0
_PROLONGED_S: Final = 3600.0  # its end is moved as often: one that is kept is written to the disk
_SESSIONS: Final = 500
_TRIES: Final = 5  # failed log-ins of one address within the window
_TRIES_OF_ALL: Final = 100
_TRY_WINDOW_S: Final = 60.0
_ADDRESSES: Final = 1024
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_LABEL: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")


Sessions = Mapping[bytes, tuple[bytes, float]]
"""By the hash of a session: the hash of its token, and its end as monotonic time, s."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever uses the page: a role, and the name that stands beside a command."""

    role: str
    name: str

    def may(self, command: str) -> bool:
        """Whether the role covers this command."""
        return command in COMMANDS_OF[self.role]

    @property
    def exports(self) -> bool:
        """Whether the role may take recordings and lists away as files: who may answer alarms may."""
        return bool(COMMANDS_OF[self.role])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def parse_tokens(text: str, where: str) -> dict[bytes, Person]:
    """Lines (or parts between commas) ``role token [name]`` as hash of token to person; raises ConfigError."""
    found: dict[bytes, Person] = {}
    for number, line in enumerate(re.split(r"[\n,]", text), 1):
        words = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].split()  # within a token it is no note
        if not words:
            continue
        if words[0] not in ROLES or len(words) not in (2, 3):
            raise ConfigError(f"{where}: entry {number}: write 'role token [name]' with role {', '.join(ROLES)}")
        if len(words[1]) < TOKEN_MIN:
            raise ConfigError(f"{where}: entry {number}: a token has at least {TOKEN_MIN} characters")
        name = words[2] if len(words) == 3 else words[0]
        if not _LABEL.fullmatch(name):
            raise ConfigError(f"{where}: entry {number}: a name is up to 32 letters, digits, '.', '_' or '-'")
        found[_digest(words[1])] = Person(words[0], name)
    if not found:
        raise ConfigError(f"{where}: holds no token; write lines 'role token [name]'")
    return found


def load_tokens(token_file: str | None, token_env: str | None) -> dict[bytes, Person]:
    """Tokens of a file that others cannot read, and of an environment variable; raises ConfigError."""
    found: dict[bytes, Person] = {}
    if token_file:
        try:
            if Path(token_file).stat().st_mode & 0o007:
                raise ConfigError(f"{token_file}: everybody on this machine may read it; chmod 640 it")
            found |= parse_tokens(Path(token_file).read_text(encoding="utf-8"), token_file)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{token_file}: cannot be read: {error}") from None
    if token_env:
        if token_env not in os.environ:
            raise ConfigError(f"the environment has no {token_env}; put 'role token' into it")
        found |= parse_tokens(os.environ[token_env], token_env)
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class LoginLimit:
    """At most five failed log-ins a minute from one address, and a hundred from all."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=_TRIES_OF_ALL)

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until this address may try again; 0 = now."""
        tries = (self._failed.get(address, deque()), self._all)
        return max([0.0, *(failed[0] + _TRY_WINDOW_S - now for failed in tries if len(failed) == failed.maxlen)])

    def failed(self, address: str, now: float) -> None:
        """Count a failed log-in."""
        self._failed.setdefault(address, deque(maxlen=_TRIES)).append(now)
        self._failed.move_to_end(address)
        self._all.append(now)
        while len(self._failed) > _ADDRESSES:
            self._failed.popitem(last=False)


class Access:
    """Tokens, sessions and the hosts this server answers for.

    tokens: from ``load_tokens``; empty = nobody logs in and everybody has ``local_role``, which only loopback allows.
    hosts: further names by which browsers reach the server; addresses are always right, since a name is what a
    rebinding attack needs. secure: cookies travel by TLS only. sessions: of before; keep: called with all of them whenever
    they change.
    """

    def __init__(
        self,
        *,
        tokens: Mapping[bytes, Person],
        local_role: str,
        hosts: Sequence[str],
        loopback: bool,
        secure: bool,
        sessions: Sessions = MappingProxyType({}),
        keep: Callable[[Sessions], None] = lambda _sessions: None,
    ) -> None:
        self._tokens = dict(tokens)
        self._local = Person(local_role, "page")
        self._hosts = {h.lower() for h in hosts} | _LOOPBACK
        self._any_address = not loopback
        self._sessions, self._keep = OrderedDict(sessions), keep
        self.secure = secure
        self.limit = LoginLimit()

    @property
    def open(self) -> bool:
        """Whether there is no log-in."""
        return not self._tokens

    def login(self, token: str, now: float) -> str | None:
        """A new session's id, or None for a wrong token; every token is compared, whichever was right."""
        given, found = _digest(token), None
        for digest in self._tokens:
            if hmac.compare_digest(digest, given):
                found = digest
        if found is None:
            return None
        session = secrets.token_urlsafe(32)
        self._sessions[_digest(session)] = (found, now + SESSION_S)
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        self._keep(self._sessions)
        return session

    def logout(self, session: str) -> None:
        """Forget a session."""
        if self._sessions.pop(_digest(session), None) is not None:
            self._keep(self._sessions)

    def person(self, session: str, now: float) -> Person | None:
        """Whose session this is, which lasts anew from now on; None = nobody's, or it is over."""
        if self.open:
            return self._local
        digest = _digest(session)
        entry = self._sessions.get(digest) if session else None
        if entry is None:
            return None
        token, until = entry
        if now >= until:
            self.logout(session)
            return None
        if until < now + SESSION_S - _PROLONGED_S:
            self._sessions[digest] = (token, now + SESSION_S)
            self._sessions.move_to_end(digest)  # the first to go is that which was not used for longest
            self._keep(self._sessions)
        return self._tokens[token]

    def host_ok(self, host: str) -> bool:
        """Whether a Host header names this server: against DNS rebinding."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._any_address or address.is_loopback

    def origin_ok(self, origin: str, host: str) -> bool:
        """Whether a request that acts, or a socket, comes from a page of this server."""
        scheme, _, rest = origin.partition("://")
        return scheme == ("https" if self.secure else "http") and rest.lower() == host.lower()
