"""uvicorn's HTTP/1.1 and asyncio's TLS with an end to their patience; see ``edge.sinks._listener`` for the other bound."""

from __future__ import annotations

import asyncio
from typing import Any

from edge.sinks import _listener


class ImpatientLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, which waits a minute for a TLS handshake, half for a farewell, with ``_listener.REQUEST_S`` each."""

    async def create_server(self, *args: Any, ssl: Any = None, **settings: Any) -> asyncio.Server:
        if ssl is not None:
            settings |= dict.fromkeys(("ssl_handshake_timeout", "ssl_shutdown_timeout"), _listener.REQUEST_S)
        return await super().create_server(*args, ssl=ssl, **settings)


def impatient_protocol() -> type[asyncio.Protocol]:
    """uvicorn's HTTP/1.1, which waits for a request as long as the client likes, with ``_listener.REQUEST_S`` for each."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._look(None)

        def _look(self, before: object) -> None:
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return  # over, or a socket by now, which has pings of its own
            asking = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
            now = (self.cycle, self.conn.their_state) if asking else None
            if asking and now == before:
                self.transport.abort()
                return
            self.loop.call_later(_listener.REQUEST_S, self._look, now)

    return Impatient
