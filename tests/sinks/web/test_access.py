"""Tokens, sessions, the limit of log-ins, and where requests may come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sinks.web.access import SESSION_S, Access, LoginLimit, is_loopback, load_tokens, parse_tokens
from edge.types import ConfigError

TOKEN = "0123456789abcdef-look"
TEXT = f"view {TOKEN}\nacknowledge 0123456789abcdef-ack night # the night shift\n\nconfigure 0123456789abcdef-conf it\n"


def access(**more):
    settings = {"tokens": parse_tokens(TEXT, "t"), "local_role": "configure", "hosts": (), "loopback": True}
    return Access(**{**settings, "secure": False, **more})


def test_tokens_have_roles_and_names():
    people = sorted((p.role, p.name) for p in parse_tokens(TEXT, "t").values())
    assert people == [("acknowledge", "night"), ("configure", "it"), ("view", "view")]


def test_a_token_may_hold_the_sign_that_begins_a_note():
    door = access(tokens=parse_tokens("view 0123456789abcdef#1 # a note\n#view 0123456789abcdef-off", "t"))
    assert door.login("0123456789abcdef#1", 0.0)
    assert not door.login("0123456789abcdef", 0.0)
    assert not door.login("0123456789abcdef-off", 0.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no token"),
        ("# nothing\n", "no token"),
        ("admin 0123456789abcdef", "role"),
        ("view short", "16"),
        ("view 0123456789abcdef a b", "entry 1"),
        ("view 0123456789abcdef <b>", "name"),
    ],
)
def test_a_file_of_tokens_that_is_wrong_says_where(text, said):
    with pytest.raises(ConfigError, match=said) as error:
        parse_tokens(text, "tokens.txt")
    assert "tokens.txt" in str(error.value)
    assert "0123456789abcdef" not in str(error.value)


def test_tokens_come_from_a_file_that_others_cannot_read_and_from_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "tokens"
    file.write_text(f"view {TOKEN}\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod"):
        load_tokens(str(file), None)
    file.chmod(0o600)
    monkeypatch.setenv("PAGE_TOKENS", "configure 0123456789abcdef-env,view 0123456789abcdef-env2")
    assert len(load_tokens(str(file), "PAGE_TOKENS")) == 3
    with pytest.raises(ConfigError, match="no NOT_THERE"):
        load_tokens(None, "NOT_THERE")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_tokens(str(tmp_path / "none"), None)


def test_a_session_belongs_to_its_token_lasts_while_it_is_used_and_ends():
    door = access()
    session = door.login(TOKEN, 100.0)
    assert door.person(session, 100.0).role == "view"
    used = 100.0 + SESSION_S - 1
    assert door.person(session, used).role == "view"
    assert door.person(session, used + SESSION_S - 1).role == "view"
    over = used + 2 * SESSION_S - 1
    assert door.person(session, over) is None
    assert door.person(session, used) is None, "a session that ended stays ended"


def test_sessions_are_kept_whenever_they_change_and_not_at_every_use():
    kept = []
    door = access(keep=lambda sessions: kept.append(dict(sessions)))
    session = door.login(TOKEN, 0.0)
    door.person(session, 3600.0)
    assert [[until for _, until in sessions.values()] for sessions in kept] == [[SESSION_S]]
    door.person(session, 3601.0)
    assert [until for _, until in kept[1].values()] == [3601.0 + SESSION_S]
    assert access(sessions=kept[1]).person(session, 3602.0).role == "view"
    door.logout(session)
    door.logout(session)
    assert kept[2:] == [{}]


def test_logging_out_ends_the_session_at_once():
    door = access()
    session = door.login(TOKEN, 0.0)
    door.logout(session)
    assert door.person(session, 0.0) is None


@given(st.text(max_size=60))
def test_nothing_but_a_token_opens_a_session(guess):
    door = access()
    assert (door.login(guess, 0.0) is not None) == (guess in TEXT.split() and len(guess) > 16)
    assert door.person(guess, 0.0) is None


def test_sessions_are_bounded_and_the_newest_stay():
    door = access()
    sessions = [door.login(TOKEN, 0.0) for _ in range(600)]
    alive = [s for s in sessions if door.person(s, 1.0)]
    assert len(alive) == 500
    assert alive[-1] == sessions[-1]


def test_a_screen_that_is_looked_at_is_not_logged_out_by_however_many_log_in_after_it():
    door = access()
    screen = door.login(TOKEN, 0.0)
    for hour in range(1, 1000):
        door.login(TOKEN, 3601.0 * hour)
        assert door.person(screen, 3601.0 * hour) is not None


def test_five_failures_a_minute_then_the_address_waits_and_no_other():
    limit = LoginLimit()
    for second in range(5):
        assert limit.wait_s("10.0.0.1", float(second)) == 0.0
        limit.failed("10.0.0.1", float(second))
    assert limit.wait_s("10.0.0.1", 5.0) == 55.0
    assert limit.wait_s("10.0.0.2", 5.0) == 0.0
    assert limit.wait_s("10.0.0.1", 60.0) == 0.0


def test_many_addresses_together_are_limited_too_and_take_bounded_memory():
    limit = LoginLimit()
    for number in range(5000):
        limit.failed(f"10.0.{number // 256}.{number % 256}", number / 1000)
    assert limit.wait_s("192.0.2.1", 5.0) == pytest.approx(59.9)
    assert len(limit._failed) <= 1024


def test_of_many_addresses_that_is_forgotten_which_has_not_failed_for_longest(monkeypatch):
    monkeypatch.setattr("edge.sinks.web.access._ADDRESSES", 2)
    limit = LoginLimit()
    for address in ("a", "b", "a", "a", "a", "a", "c", "c", "c", "c", "c"):
        limit.failed(address, 0.0)
    assert [limit.wait_s(address, 1.0) for address in ("a", "c")] == [59.0, 59.0]
    limit.failed("b", 1.0)
    assert [limit.wait_s(address, 1.0) for address in ("a", "b", "c")] == [0.0, 0.0, 59.0]


@pytest.mark.parametrize(
    ("host", "loopback", "network"),
    [
        ("localhost:8080", True, True),
        ("127.0.0.1", True, True),
        ("[::1]:8080", True, True),
        ("192.0.2.7:8080", False, True),
        ("[2001:db8::7]", False, True),
        ("monitor.ward.example", True, True),
        ("MONITOR.ward.example.:443", True, True),
        ("evil.example", False, False),
        ("localhost.evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("", False, False),
        ("[", False, False),
        ("a@localhost.evil.example", False, False),
    ],
)
def test_the_host_must_be_this_server(host, loopback, network):
    assert access(hosts=("monitor.ward.example",)).host_ok(host) is loopback
    assert access(hosts=("Monitor.ward.example",), loopback=False).host_ok(host) is network


@pytest.mark.parametrize(
    ("origin", "ok"),
    [
        ("http://localhost:8080", True),
        ("HTTP://localhost:8080", False),
        ("https://localhost:8080", False),
        ("http://localhost:8081", False),
        ("http://localhost", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_the_origin_must_be_the_page(origin, ok):
    assert access().origin_ok(origin, "localhost:8080") is ok


def test_loopback_is_known():
    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "192.0.2.1", "host")] == [
        *(True, True, True, False, False, False, False)
    ]
