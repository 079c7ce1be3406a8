"""An MQTT broker inside the process, on loopback, for the demo: nobody has to install one to see the product work.

amqtt speaks MQTT 3.1.1 only, which also exercises the sink's fall-back. For a ward, run a real broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from typing import Self

from edge.types import ConfigError

_START_S = 10.0
_STOP_S = 5.0


class Broker:
    """A context manager. port: 0 for a free one; afterwards the one in use."""

    def __init__(self, *, port: int = 0) -> None:
        self.port = port or free_port()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._error = ""
        self._thread = threading.Thread(target=self._run, name="edge-broker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(_START_S)
        if self._error:
            raise ConfigError(f"the embedded broker cannot listen on 127.0.0.1:{self.port}: {self._error}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            pending = asyncio.all_tasks(self._loop)
            for task in pending:
                task.cancel()
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            self._hang_up()
            self._loop.close()

    def _hang_up(self) -> None:
        """Close what amqtt leaves open: connections of clients that were still there."""
        for transport in list(getattr(self._loop, "_transports", {}).values()):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))  # transports close in the loop's next turn

    async def _serve(self) -> None:
        from amqtt.broker import Broker as Amqtt

        settings = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}", "max_connections": 50}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        try:
            broker = Amqtt(settings)
            await broker.start()
        except Exception as error:  # amqtt wraps what the socket said in errors of its own
            cause = error.__cause__ or error
            self._error = os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else str(cause)
            self._ready.set()
            return
        self._ready.set()
        await self._end.wait()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(broker.shutdown(), _STOP_S / 2)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
