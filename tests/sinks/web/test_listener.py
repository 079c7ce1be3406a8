"""Connections that ask for nothing: bounded in number and in time, so that they take no file from the monitor."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from edge.sinks import _listener
from edge.types import ConfigError
from own_certificate import certificate
from web_server import WAIT_S, Watcher, WebServer, failures, trusting

IDLE = b""
DRIPPED = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HALF_A_BODY = (
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 500\r\n\r\n" + b"{" * 20
)


def connect(page, text=IDLE):
    sock = socket.create_connection((page.host, page.port), timeout=WAIT_S)
    sock.sendall(text)
    return sock


def closed(sock):
    """Whether the server closed it, before the time is up."""
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(65536):
            pass
    return True


def is_open(sock):
    with contextlib.suppress(ConnectionResetError):
        try:
            return sock.recv(1) != b""
        except TimeoutError:
            return True
    return False


@pytest.mark.parametrize("text", [IDLE, DRIPPED, HALF_A_BODY], ids=["nothing", "half a head", "half a body"])
def test_who_never_asks_is_let_go(monkeypatch, text):
    monkeypatch.setattr(_listener, "REQUEST_S", 0.1)
    with WebServer() as page, connect(page, text) as sock:
        assert closed(sock)
        assert page.request("GET", "/")[0] == 200


@pytest.mark.parametrize("text", [IDLE, b"\x16\x03\x01"], ids=["nothing", "half a handshake"])
def test_who_never_says_who_it_is_by_tls_is_let_go(monkeypatch, tmp_path, text):
    monkeypatch.setattr(_listener, "REQUEST_S", 0.1)
    monkeypatch.setenv("PAGE_TOKENS", "view look-0123456789ab")
    with WebServer(token_env="PAGE_TOKENS", **certificate(tmp_path)) as page, connect(page, text) as sock:
        assert closed(sock)


def test_who_says_no_farewell_by_tls_is_let_go(monkeypatch, tmp_path):
    monkeypatch.setattr(_listener, "REQUEST_S", 1.0)
    monkeypatch.setenv("PAGE_TOKENS", "view look-0123456789ab")
    with WebServer(token_env="PAGE_TOKENS", **certificate(tmp_path)) as page:
        speaking = trusting().wrap_socket(connect(page))
        speaking.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with socket.socket(fileno=speaking.detach()) as sock:
            sock.settimeout(WAIT_S)
            assert closed(sock)


def test_who_goes_on_with_one_byte_at_a_time_is_let_go_too(monkeypatch):
    monkeypatch.setattr(_listener, "REQUEST_S", 0.1)
    with WebServer() as page, connect(page, DRIPPED) as sock:
        started = time.monotonic()
        with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
            while time.monotonic() - started < WAIT_S:
                sock.sendall(b"x")
                sock.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    sock.recv(1)


def test_who_looks_is_not_let_go(monkeypatch):
    monkeypatch.setattr(_listener, "REQUEST_S", 0.1)
    with WebServer() as page, page.live() as live:
        Watcher(live).kind("hello")
        began = page.clock.now()
        while json.loads(live.recv(timeout=WAIT_S))["now"] < began + 1.0:
            pass


def test_connections_are_bounded_and_room_is_made_again(caplog):
    with WebServer(max_viewers=5) as page, contextlib.ExitStack() as stack:
        before = len(os.listdir("/proc/self/fd"))
        mine = [stack.enter_context(connect(page)) for _ in range(300)]
        for sock in mine:
            sock.settimeout(0.005)
        kept, until = mine, time.monotonic() + WAIT_S
        while len(kept) > 55 and time.monotonic() < until:
            kept = [sock for sock in kept if is_open(sock)]
        assert 0 < len(kept) <= 55
        its_own = 10  # what the server opens beside: without the bound there are 300
        assert len(os.listdir("/proc/self/fd")) - before - len(mine) <= 55 + its_own
        told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert told == ["sinks.web: 55 connections are open; more are turned away"]
        for sock in mine:
            sock.close()
        while page_status(page) != 200:
            pass


def test_that_it_is_full_is_told_once_a_minute_however_many_come_and_go(monkeypatch, caplog):
    passed = [100.0]
    monkeypatch.setattr(_listener, "time", SimpleNamespace(monotonic=lambda: passed[0]), raising=False)
    told = []
    with _listener.listen("sinks.metrics", "127.0.0.1", 0, 1) as listener:
        for passed[0] in (100.0, 101.0, 159.9, 160.0):
            with socket.create_connection(listener.getsockname()), socket.create_connection(listener.getsockname()):
                accepted, _ = listener.accept()
                with accepted, pytest.raises(BlockingIOError):
                    listener.accept()
            told.append(len(caplog.messages))
    assert told == [1, 1, 1, 2]


def test_a_server_with_more_connections_than_its_viewers_need_says_that_it_is_busy():
    with WebServer(max_viewers=1) as page, contextlib.ExitStack() as stack:
        for _ in range(39):
            stack.enter_context(connect(page))
        assert page_status(page) == 200
        stack.enter_context(connect(page))
        assert page_status(page) == 503


def test_closing_does_not_wait_for_a_request_that_never_ends():
    with WebServer() as page, connect(page, HALF_A_BODY) as sock:
        assert page_status(page) == 200
        page.sink.close()
        assert "edge-web" not in {thread.name for thread in threading.enumerate()}, "before the request has ended"
        assert closed(sock)


@pytest.mark.parametrize("failure", [RuntimeError("no loop"), SystemExit(3)])
def test_a_server_that_fails_costs_the_page_only_and_refuses_whoever_comes(monkeypatch, caplog, failure):
    def broken(*_, **__):
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr("uvicorn.Server.run", broken)
        with WebServer() as page:
            for thread in threading.enumerate():
                if thread.name == "edge-web":
                    thread.join(WAIT_S)
            with pytest.raises(ConnectionRefusedError):
                connect(page)
    (told,) = failures(caplog)
    assert told.getMessage() == "the page's server failed; monitoring goes on without it"
    assert told.exc_info[1] is failure
    with WebServer(port=page.port) as again:
        assert page_status(again) == 200


def page_status(page):
    try:
        return page.request("GET", "/")[0]
    except ConnectionError:
        return None


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.168..10"])
def test_what_no_machine_is_called_is_refused_by_table_and_host(host):
    with pytest.raises(ConfigError, match=f"^sinks.metrics: host '{host}': "):
        _listener.listen("sinks.metrics", host, 0, 1)
