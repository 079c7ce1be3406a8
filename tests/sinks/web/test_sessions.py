"""Log-ins over a restart: they last for whom they were, no longer than before, and what lies on disk opens nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.clock import ManualClock
from edge.sinks.web.access import SESSION_S, Access, parse_tokens
from edge.sinks.web.sessions import FILE, SessionFile
from edge.types import Alarm
from full_disk import full_disk
from web_server import WebServer

LOOK, ACT = "look-0123456789ab", "act-0123456789abcd"
TEXT = f"view {LOOK} screen\nacknowledge {ACT} night"
WALL = 1.8e9


def begun(folder, *, mono=0.0, wall=WALL, text=TEXT):
    """A program's door and file after a start: the monotonic clock begins anew, the other one goes on."""
    kept, tokens = SessionFile(folder, ManualClock(mono, wall)), parse_tokens(text, "t")
    door = Access(
        tokens=tokens, local_role="view", hosts=(), loopback=True, secure=False,
        sessions=kept.load(tokens), keep=kept.save,
    )  # fmt: skip
    return door, kept


def alarm(condition):
    return Alarm(f"_device/{condition}", "o1", "technical", "low", "on", 500.0, "Set", condition, "_device", seq=1)


def logged_in(folder, token=LOOK, **more):
    door, kept = begun(folder, **more)
    session = door.login(token, more.get("mono", 0.0))
    kept.close()
    return session


def after(folder, session, at=0.0, **more):
    door, kept = begun(folder, **more)
    kept.close()
    return door.person(session, more.get("mono", 0.0) + at)


def test_a_log_in_lasts_over_a_restart_for_the_same_person_and_to_the_same_end(tmp_path):
    session = logged_in(tmp_path, mono=500.0)
    assert after(tmp_path, session, mono=7.0, wall=WALL + SESSION_S - 10.0).name == "screen"
    assert after(tmp_path, session, at=9.0, wall=WALL + SESSION_S - 10.0).name == "screen"
    assert after(tmp_path, session, at=10.0, wall=WALL + SESSION_S - 10.0) is None
    assert after(tmp_path, session, wall=WALL + SESSION_S) is None


def test_a_clock_that_was_set_back_makes_no_log_in_longer_than_a_new_one(tmp_path):
    session = logged_in(tmp_path)
    assert after(tmp_path, session, at=SESSION_S - 1.0, wall=0.0).name == "screen"
    assert after(tmp_path, session, at=SESSION_S, wall=0.0) is None


def test_a_screen_that_logged_in_before_the_clock_was_set_is_logged_in_after_a_restart(tmp_path, monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", TEXT.replace("\n", ","))
    clock, settings = ManualClock(500.0, wall=300.0), {"token_env": "PAGE_TOKENS", "state_dir": tmp_path}
    with WebServer(clock=clock, **settings) as server:
        cookie = server.cookie(LOOK)
    with WebServer(clock=clock, **settings, port=server.port) as server:  # which has nothing new to keep
        clock.step_wall(WALL)
        server.sink.send(alarm(condition="clock_step"))
    with WebServer(clock=clock, **settings, port=server.port) as server:
        assert server.request("GET", "/session", Cookie=cookie)[0] == 200


@pytest.mark.parametrize(
    ("tokens", "event"),
    [
        ({}, alarm(condition="clock_step")),
        ({"token_env": "PAGE_TOKENS"}, alarm(condition="drill")),
        ({"token_env": "PAGE_TOKENS"}, replace(alarm(condition="clock_step"), presence="off")),
    ],
)
def test_nothing_is_written_where_nobody_logs_in_or_no_clock_was_set(tmp_path, monkeypatch, tokens, event):
    monkeypatch.setenv("PAGE_TOKENS", TEXT.replace("\n", ","))
    with WebServer(**tokens, state_dir=tmp_path) as server:
        server.sink.send(event)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [f"view {ACT} screen", f"view {LOOK}x screen"])
def test_a_log_in_is_over_when_its_token_is_gone(tmp_path, text):
    session = logged_in(tmp_path)
    assert after(tmp_path, session, text=text) is None


def test_a_token_of_another_role_now_has_that_role(tmp_path):
    session = logged_in(tmp_path)
    assert after(tmp_path, session, text=f"acknowledge {LOOK} screen").role == "acknowledge"


def test_who_logged_out_stays_out(tmp_path):
    session = logged_in(tmp_path)
    door, kept = begun(tmp_path)
    door.logout(session)
    kept.close()
    assert after(tmp_path, session) is None


def test_what_lies_on_disk_opens_no_door_and_is_for_nobody_else(tmp_path):
    session = logged_in(tmp_path)
    file = tmp_path / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [FILE]
    text = file.read_text()
    assert LOOK not in text
    assert session not in text
    door, kept = begun(tmp_path)
    kept.close()
    assert not [word for word in text.replace('"', " ").split() if door.person(word, 0.0)]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "null", '{"v":1}', '{"sessions":[["zz","00",1e12]]}', '{"sessions":[[1,2,3]]}', "\x00", '{"sessions":7}',
     "[" * 3000, '{"sessions":[["00","00",1' + "0" * 400 + "]]}"],
)  # fmt: skip
def test_a_damaged_file_costs_the_log_ins_and_nothing_else(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    session = logged_in(tmp_path)
    assert after(tmp_path, session).name == "screen"


def test_where_nothing_can_be_written_people_log_in_all_the_same(tmp_path, caplog):
    session = logged_in(tmp_path / "none")
    assert "not kept over a restart" in caplog.text
    assert after(tmp_path / "none", session) is None


def test_a_full_disk_costs_none_of_those_who_are_logged_in_and_leaves_nothing_behind(tmp_path, caplog):
    session = logged_in(tmp_path)
    with full_disk():
        assert after(tmp_path, logged_in(tmp_path, ACT)) is None
    assert "not kept over a restart: [Errno 27] File too large" in caplog.text
    assert after(tmp_path, session).name == "screen"
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


def test_a_screen_gets_its_page_again_from_the_next_run_of_the_device(tmp_path, monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", TEXT.replace("\n", ","))
    with WebServer(token_env="PAGE_TOKENS", state_dir=tmp_path) as server:
        cookie = server.cookie(LOOK)
    with WebServer(token_env="PAGE_TOKENS", state_dir=tmp_path, port=server.port) as server:
        assert server.request("GET", "/session", Cookie=cookie)[0] == 200
        assert server.request("POST", "/logout", Cookie=cookie, Origin=server.origin)[0] == 204
    with WebServer(token_env="PAGE_TOKENS", state_dir=tmp_path, port=server.port) as server:
        assert server.request("GET", "/session", Cookie=cookie)[0] == 401
