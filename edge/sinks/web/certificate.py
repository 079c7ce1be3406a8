"""The page's certificate: a renewed one is shown from the next connection on, since a monitor runs longer than one holds."""

from __future__ import annotations

import logging
import os
import ssl

from edge.types import ConfigError

log = logging.getLogger(__name__)


class Certificate:
    """A certificate and its key in PEM files; raises ConfigError where they cannot be used. context: for a server."""

    def __init__(self, cert_file: str, key_file: str) -> None:
        self._files = (cert_file, key_file)
        self._marks = self._marks_now()
        self.context = self._shown = self._loaded()
        self.context.sni_callback = self._greeted  # called where a client names nobody, too

    def _greeted(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Show the files as they are now; where they are no pair, as between the writing of both, what was shown before."""
        marks = self._marks_now()
        if marks != self._marks:
            self._marks = marks
            try:
                self._shown = self._loaded()
                log.info("the page has a new certificate")
            except ConfigError as error:
                log.warning("%s; the page keeps the certificate it has", error)
        connection.context = self._shown

    def _marks_now(self) -> list[tuple[int, int, int] | None]:
        """By which each file is known again: they change with what it holds, its rights and its place."""
        marks: list[tuple[int, int, int] | None] = []
        for file in self._files:
            try:
                found = os.stat(file)
                marks.append((found.st_ino, found.st_ctime_ns, found.st_size))
            except OSError:
                marks.append(None)
        return marks

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(*self._files, _passphrase)
        except OSError as error:  # an SSLError, too
            raise ConfigError(f"sinks.web: {', '.join(self._files)}: no usable certificate: {error}") from None
        return context


def _passphrase() -> str:
    """Nobody stands before a monitor that starts: without this a key that has one would be asked for at the terminal."""
    raise ConfigError("sinks.web.key_file: the key has a passphrase; give one without")
