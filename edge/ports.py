"""The ports at which a configuration lets others connect: each for one sink, and for no other program."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

from edge.config import Config
from edge.kinds import kind_module, settings_of, table_of
from edge.names import NO_HOST, is_host
from edge.types import ConfigError

_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})


class Listener(NamedTuple):
    """table: of the configuration."""

    table: str
    host: str
    port: int


def listeners(config: Config) -> Iterator[Listener]:
    """What listens at a port of its own choice: a sink that has a host by itself."""
    for name, settings in config.sinks.items():
        keys = settings_of(kind_module("sinks", name).build)
        host, port = (settings.get(key, keys[key][1] if key in keys else None) for key in ("host", "port"))
        if "host" in keys and isinstance(keys["host"][1], str) and port:
            yield Listener(table_of(name), host, port)


def clashes(config: Config) -> Iterator[ConfigError]:
    """Two sinks of one port."""
    seen: list[Listener] = []
    for one in listeners(config):
        for other in seen:
            if one.port == other.port and (one.host == other.host or {one.host, other.host} & _EVERYWHERE):
                yield ConfigError(f"{config.path}: {one.table}.port: {one.port} is that of {other.table}, too")
        seen.append(one)


def taken(config: Config) -> Iterator[ConfigError]:
    """Ports at which another program listens; tried and let go of, so for when this configuration does not run."""
    for one in listeners(config):
        if not is_host(one.host):
            yield ConfigError(f"{config.path}: {one.table}.host: {one.host[:80]!r} {NO_HOST}")
        elif is_taken(one):
            why = os.strerror(errno.EADDRINUSE)
            yield ConfigError(f"{config.path}: {one.table}: {one.host}:{one.port}: {why}; set another port")


def is_taken(one: Listener) -> bool:
    """Whether another program listens there; an address that is not this machine's, or may not be used, is for whoever
    listens there to judge."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            one.host or None, one.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False
