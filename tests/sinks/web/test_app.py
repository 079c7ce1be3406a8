"""What the routes share: which page it is, and a viewer's socket that fails or stands still."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosed

from edge.sinks.web.app import STATIC
from edge.types import Stats
from web_server import Watcher, WebServer


def failures(caplog):
    return [record for record in caplog.records if record.levelname == "ERROR"]


def page_told():
    with WebServer() as page, page.live() as live:
        return Watcher(live).kind("hello")["page"]


def test_a_page_is_another_when_a_file_of_it_is_and_is_the_same_wherever_it_lies(tmp_path, monkeypatch):
    before = page_told()
    for file in sorted(STATIC.iterdir(), reverse=True):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr("edge.sinks.web.app.STATIC", tmp_path)
    assert page_told() == before
    (tmp_path / "words.js").write_text("export {};")
    assert page_told() != before


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


def test_a_viewer_that_takes_nothing_for_too_long_is_let_go(page, monkeypatch, caplog):
    monkeypatch.setattr("edge.sinks.web.app._SEND_S", 0.1)
    with page.live(query="?confirms") as live, pytest.raises(ConnectionClosed) as closed:
        while True:
            live.recv(timeout=5.0)
            page.sink.send(Stats(1.0, {"cpu_s": 1.0}))
    assert closed.value.rcvd.code == 4001
    assert failures(caplog) == []
