"""What the routes share: which page it is, and a viewer's socket that fails or stands still."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed

from edge.sinks.web.app import STATIC
from edge.types import Stats
from web_server import Watcher, WebServer, failures


def test_a_page_is_another_when_a_file_of_it_is_and_the_same_in_whatever_order_they_lie(tmp_path, monkeypatch):
    def page_of(files):
        monkeypatch.setattr("edge.sinks.web.app.STATIC", SimpleNamespace(iterdir=lambda: iter(files)))
        with WebServer() as page, page.live() as live:
            return Watcher(live).kind("hello")["page"]

    files = sorted(STATIC.iterdir())
    another = tmp_path / "words.js"
    another.write_text("export {};")
    before = page_of(files)
    assert page_of([tmp_path, *reversed(files)]) == before
    assert page_of([another if file.name == another.name else file for file in files]) != before


def test_what_fails_at_a_viewers_socket_is_told_in_the_log_and_the_viewer_begins_anew(page, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("no message")

    with monkeypatch.context() as patch:
        patch.setattr("edge.sinks.web.viewers.Audience.message", broken)
        with page.live() as live, pytest.raises(ConnectionClosed) as closed:
            live.recv(timeout=5.0)
    assert closed.value.rcvd.code == 4001
    (failure,) = failures(caplog)
    assert (failure.getMessage(), str(failure.exc_info[1])) == ("page: a viewer's socket failed", "no message")
    with page.live() as live:
        Watcher(live).kind("hello")


def test_a_viewer_that_is_gone_while_it_is_told_something_is_no_failure(page, monkeypatch, caplog):
    async def gone(*_):
        raise WebSocketDisconnect(1006)

    monkeypatch.setattr("starlette.websockets.WebSocket.send_text", gone)
    with page.live() as live, pytest.raises(ConnectionClosed):
        live.recv(timeout=5.0)
    assert failures(caplog) == []


def test_the_log_holds_what_the_server_fails_at_and_not_what_it_is_asked(monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("nobody")

    caplog.set_level(logging.INFO)
    with WebServer() as page:
        with page.live() as live:
            Watcher(live).kind("hello")
        assert page.request("GET", "/session")[0] == 200
        monkeypatch.setattr("edge.sinks.web.access.Access.person", broken)
        status, headers, body = page.request("GET", "/session")
    assert (status, headers["x-frame-options"], body) == (500, "DENY", b"Internal Server Error")
    told = [(record.levelname, record.name, record.getMessage().strip()) for record in caplog.records]
    assert told == [
        ("INFO", "edge.sinks.web", f"the page is at {page.sink.url}"),
        ("ERROR", "uvicorn.error", "Exception in ASGI application"),
    ]


def test_what_is_sent_is_not_packed_which_costs_more_than_it_saves(page):
    asked = {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Version": "13", "Origin": page.origin}
    asked |= {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Extensions": "permessage-deflate"}
    status, headers, _ = page.request("GET", "/live", **asked)
    assert (status, headers["sec-websocket-extensions"]) == (101, None)


def test_a_viewer_that_takes_nothing_for_too_long_is_let_go(page, monkeypatch, caplog):
    monkeypatch.setattr("edge.sinks.web.app._SEND_S", 0.1)
    with page.live(query="?confirms") as live, pytest.raises(ConnectionClosed) as closed:
        while True:
            live.recv(timeout=5.0)
            page.sink.send(Stats(1.0, {"cpu_s": 1.0}))
    assert closed.value.rcvd.code == 4001
    assert failures(caplog) == []


@pytest.mark.parametrize("parts", [[b"\xff"], [b"\xe2", b"\x28\xa1"]])
def test_a_message_that_is_no_text_ends_its_socket_and_is_no_failure(page, caplog, parts):
    with page.live() as live, pytest.raises(ConnectionClosed) as closed:
        live.send(parts if len(parts) > 1 else parts[0], text=True)
        while True:
            live.recv(timeout=5.0)
    assert closed.value.rcvd.code == 1007
    assert failures(caplog) == []
    with page.live() as live:
        Watcher(live).kind("hello")
