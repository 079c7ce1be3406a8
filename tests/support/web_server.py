"""A page's server on loopback and raw clients of it, for tests: nothing of a browser's good manners."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import ssl
import time
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import connect

from edge.clock import SystemClock
from edge.kinds import construct

WAIT_S = 10.0
LAYOUT = {"bed1": {"person": "", "site": "MV", "sources": {"node": "serial_port", "cam": "camera"}}}


class WebServer:
    """The sink with its surroundings; commands arrive in ``commands``."""

    def __init__(self, clock=None, standing=(), watching=None, history=None, header=dict, **settings):
        self.commands = queue.Queue()
        self.clock = clock or SystemClock()
        injected = {
            "device_name": "dev",
            "clock": self.clock,
            "boot": "b1",
            "on_command": self.commands.put,
            "version": "1.2.3",
            "hops": {"ppg.hr": 1.0},
            "standing": standing,
            "layout": LAYOUT,
            "watching": watching,
            "history": history,
            "header": header,
        }
        self.sink = construct("sinks", "web", {"port": 0, **settings}, injected)
        parts = urlsplit(self.sink.url)
        self.host, self.port, self.tls = parts.hostname, parts.port, parts.scheme == "https"
        self.origin = f"{parts.scheme}://{parts.netloc}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sink.close()

    def request(self, method, path, body=None, **headers):
        """(status, headers, body); header names are written with ``_`` for ``-``."""
        connection = (
            http.client.HTTPSConnection(self.host, self.port, timeout=WAIT_S, context=trusting())
            if self.tls
            else http.client.HTTPConnection(self.host, self.port, timeout=WAIT_S)
        )
        with contextlib.closing(connection):
            sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def login(self, token, **headers):
        """(status, headers, body) of a log-in as the page does it."""
        return self.request("POST", "/login", json.dumps({"token": token}), **{"Origin": self.origin, **headers})

    def cookie(self, token):
        """The cookie of a session for a token."""
        status, headers, _ = self.login(token)
        assert status == 204
        return headers["set-cookie"].split(";")[0]

    def live(self, *, origin="", cookie=None, query="", **more):
        """A socket, as a context manager."""
        headers = {"Cookie": cookie} if cookie else {}
        scheme = "wss" if self.tls else "ws"
        return connect(
            f"{scheme}://{self.host}:{self.port}/live{query}",
            origin=self.origin if origin == "" else origin,
            additional_headers=headers,
            compression=None,
            open_timeout=WAIT_S,
            ssl=trusting() if self.tls else None,
            **more,
        )


def trusting():
    """A TLS context that takes the test's own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Watcher:
    """Reads a socket's items until one is as wanted."""

    def __init__(self, socket):
        self.socket, self.items, self.envelopes = socket, [], []

    def wait(self, found):
        for item in self.items:
            if found(item):
                return item
        until = time.monotonic() + WAIT_S  # of all of them: a live page is never silent
        while True:
            message = json.loads(self.socket.recv(timeout=max(0.0, until - time.monotonic())))
            self.envelopes.append(message)
            self.items += message["m"]
            for item in message["m"]:
                if found(item):
                    return item

    def kind(self, kind):
        return self.wait(lambda item: item["k"] == kind)


def failures(caplog):
    """What the log tells as an error."""
    return [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.fixture
def page():
    """A page that everybody on this machine may use."""
    with WebServer() as server:
        yield server
