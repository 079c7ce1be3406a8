"""Trying to get in: other pages, other names, guessed tokens, stolen or ended sessions, crooked requests."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from edge.clock import ManualClock
from edge.kinds import check
from edge.types import ConfigError, Reading
from own_certificate import certificate
from web_server import WAIT_S, Watcher, WebServer, failures

LOOK = "look-0123456789ab"
POLICY_HEADERS = {
    "content-security-policy": "default-src 'self'",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture
def guarded(monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK}")
    with WebServer(token_env="PAGE_TOKENS", clock=ManualClock(1000.0)) as server:
        yield server


def raw(page, text):
    """Bytes to the port, bytes back."""
    with socket.create_connection((page.host, page.port), timeout=WAIT_S) as sock:
        sock.sendall(text)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := sock.recv(65536):
                answer += chunk
                if len(answer) > 1_000_000:
                    break
        return answer


def refused(page, **headers):
    with pytest.raises(InvalidStatus) as answer, page.live(**headers):
        pass
    return answer.value.response.status_code


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://localhost", "http://127.0.0.1:1"])
def test_a_socket_of_another_page_is_refused(page, origin):
    assert refused(page, origin=origin) == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "", "127.0.0.1@evil.example"]
)
def test_another_name_for_this_machine_is_refused(page, host):
    status, headers, _ = page.request("GET", "/", Host=host)
    assert status in (400, 403)
    if status == 403:
        assert (headers["x-frame-options"], headers["content-type"]) == ("DENY", "text/plain; charset=utf-8")
    status, _, body = page.request("GET", "/session", Host=host)
    assert status in (400, 403)
    assert b"role" not in body


def test_two_hosts_or_none_are_refused(page):
    for head in (b"Host: localhost\r\nHost: evil.example", b"X: y"):
        answer = raw(page, b"GET / HTTP/1.1\r\n" + head + b"\r\nConnection: close\r\n\r\n")
        assert answer.split()[1] in (b"400", b"403")


@pytest.mark.parametrize("path", ["/", "/alarms", "/login", "/static/page.css", "/static/none", "/none", "/session"])
def test_every_answer_carries_the_policy(page, path):
    _, headers, _ = page.request("GET", path)
    for name, value in POLICY_HEADERS.items():
        assert headers[name].startswith(value), (path, name)
    assert not {"server", "date", "strict-transport-security"} & {name.lower() for name in headers}


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../__init__.py", "/static/..%2f__init__.py", "/static/%2e%2e/app.py", "/static//etc/passwd"),
        *("/static/....//app.py", "/static/index.html%00.css", "/static/", "/../../etc/passwd", "/static/..\\app.py"),
    ],
)
def test_no_path_leads_out_of_the_pages_files(page, path):
    status, headers, body = page.request("GET", path)
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert b"import" not in body
    assert b"root:" not in body


def test_without_a_session_there_is_a_log_in_and_nothing_else(guarded):
    for page in ("/", "/?bed=X", "/alarms"):
        status, _, body = guarded.request("GET", page)
        assert (status, b"<title>edge-vitals: log in</title>" in body, b"/static/main.js" in body) == (200, True, False)
    assert guarded.request("GET", "/session")[0] == 401
    assert refused(guarded) == 403


@pytest.mark.parametrize("asked", ["", "?bed=X", "?next=//elsewhere.example"])
def test_where_the_log_in_once_stood_leads_to_the_page_and_nowhere_else(guarded, asked):
    status, headers, _ = guarded.request("GET", f"/login{asked}")
    assert (status, headers["location"]) == (303, f"/{asked}")


@pytest.mark.parametrize(
    "cookie", ["edge_vitals_session=", f"edge_vitals_session={LOOK}", "edge_vitals_session=" + "A" * 43]
)
def test_a_guessed_session_is_nobodys(guarded, cookie):
    assert guarded.request("GET", "/session", Cookie=cookie)[0] == 401
    assert refused(guarded, cookie=cookie) == 403


def test_a_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(guarded):
    status, headers, _ = guarded.login(LOOK)
    assert status == 204
    cookie = headers["set-cookie"]
    assert {"httponly", "samesite=strict", "path=/", "max-age=34560000"} <= {
        part.strip().lower() for part in cookie.split(";")
    }
    assert LOOK not in cookie
    status, _, body = guarded.request("GET", "/session", Cookie=cookie.split(";")[0])
    assert (status, json.loads(body)) == (200, {"role": "view", "name": "view"})
    assert guarded.login(LOOK, Cookie=cookie.split(";")[0])[0] == 204
    assert guarded.request("GET", "/session", Cookie=cookie.split(";")[0])[0] == 401, (
        "who logs in anew leaves none open"
    )


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_another_page_cannot_log_in_or_out(guarded, origin):
    assert guarded.login(LOOK, Origin=origin)[0] == 403
    cookie = guarded.cookie(LOOK)
    assert guarded.request("POST", "/logout", Cookie=cookie, Origin=origin)[0] == 403
    assert guarded.request("GET", "/session", Cookie=cookie)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b'{"token":null}',
        b'{"token":{"$ne":""}}',
        b'{"token":""}',
        b"\xff\xfe",
        b"x" * 100_000,
    ],
)
def test_crooked_log_ins_fail_like_wrong_ones(guarded, body):
    status, headers, said = guarded.request("POST", "/login", body, Origin=guarded.origin)
    assert (status, json.loads(said)) == (403, {"error": "this token is not known here"})
    assert "set-cookie" not in headers


def test_a_body_longer_than_any_log_in_is_refused_before_it_has_come(guarded):
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 1000000000\r\n\r\n"
    with socket.create_connection((guarded.host, guarded.port), timeout=WAIT_S) as sock:
        sock.sendall(head.encode() + b"{" * 3000)
        assert sock.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_guessing_is_slowed_and_even_the_right_token_waits_its_turn(guarded):
    assert [guarded.login(f"wrong-{n}")[0] for n in range(6)] == [403] * 5 + [429]
    guarded.clock.advance(0.5)
    status, headers, said = guarded.login(LOOK)
    assert (status, headers["retry-after"]) == (429, "60")
    assert json.loads(said) == {"error": "too many attempts; try again in 60 s"}
    another = http.client.HTTPConnection(guarded.host, guarded.port, WAIT_S, source_address=("127.0.0.2", 0))
    with contextlib.closing(another):
        another.request("POST", "/login", json.dumps({"token": LOOK}), {"Origin": guarded.origin})
        assert another.getresponse().status == 204, "nobody else waits"
    guarded.clock.advance(59.0)
    _, headers, said = guarded.login(LOOK)
    assert (headers["retry-after"], json.loads(said)["error"][-3:]) == ("1", "1 s")
    guarded.clock.advance(1.0)
    assert guarded.login(LOOK)[0] == 204


def test_log_ins_that_were_begun_together_are_no_more_than_others(guarded):
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 13\r\nExpect: 100-continue\r\n\r\n"
    with contextlib.ExitStack() as opened:
        begun = [
            opened.enter_context(socket.create_connection((guarded.host, guarded.port), timeout=WAIT_S))
            for _ in range(8)
        ]
        for sock in begun:
            sock.sendall(head.encode())
        for sock in begun:  # the server says that it waits for the body
            assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        statuses = []
        for sock in begun:
            sock.sendall(b'{"token":"x"}')
            statuses.append(sock.recv(65536).split()[1])
    assert statuses == [b"403"] * 5 + [b"429"] * 3


@pytest.mark.parametrize("rest", [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"])
def test_a_log_in_that_is_broken_off_is_one_line_in_the_log(guarded, caplog, rest):
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
    with socket.create_connection((guarded.host, guarded.port), timeout=WAIT_S) as sock:
        sock.sendall(head + rest)
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
    guarded.sink.close()  # by then everything is told
    assert [r.getMessage() for r in caplog.records] == ["page: log-in from 127.0.0.1 refused"]


def test_a_log_in_has_a_longest_body(guarded):
    body = json.dumps({"token": LOOK})
    statuses = [
        guarded.request("POST", "/login", body.ljust(length), Origin=guarded.origin)[0] for length in (2048, 2049)
    ]
    assert statuses == [204, 403]


def test_an_address_in_a_header_is_not_believed_without_a_proxy(guarded):
    statuses = [guarded.login(f"wrong-{n}", X_Forwarded_For=f"10.0.0.{n}")[0] for n in range(6)]
    assert statuses[-1] == 429


def test_behind_a_proxy_each_client_is_limited_by_what_the_proxy_appended(monkeypatch, caplog):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK}")
    with WebServer(token_env="PAGE_TOKENS", behind_proxy=True, hosts=("ward.example",)) as page:
        named = {"Host": "ward.example", "Origin": "https://ward.example"}
        for n in range(5):
            assert page.login("wrong", X_Forwarded_For=f"1.1.1.{n}, 10.0.0.1", **named)[0] == 403
        assert page.login("wrong", X_Forwarded_For="9.9.9.9, 10.0.0.1", **named)[0] == 429
        assert caplog.messages.count("page: log-in from 10.0.0.1 refused") == 5
        status, headers, _ = page.login(LOOK, X_Forwarded_For="9.9.9.9, 10.0.0.2", **named)
        assert status == 204
        assert "secure" in headers["set-cookie"].lower()


def test_a_proxy_that_appends_a_line_of_its_own_is_believed_and_not_what_the_client_wrote_above_it(monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK}")
    head = "POST /login HTTP/1.1\r\nHost: ward.example\r\nOrigin: https://ward.example\r\nContent-Length: 2\r\n"
    with WebServer(token_env="PAGE_TOKENS", behind_proxy=True, hosts=("ward.example",)) as page:
        statuses = []
        for n in range(6):
            lines = f"X-Forwarded-For: 1.1.1.{n}\r\nX-Forwarded-For: 10.0.0.1\r\nConnection: close\r\n\r\n{{}}"
            statuses.append(raw(page, (head + lines).encode()).split()[1])
    assert statuses == [b"403"] * 5 + [b"429"]


def test_an_open_socket_ends_with_its_session(guarded):
    cookie = guarded.cookie(LOOK)
    with guarded.live(cookie=cookie) as live:
        Watcher(live).kind("hello")
        assert guarded.request("POST", "/logout", Cookie=cookie, Origin=guarded.origin)[0] == 204
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                live.recv(timeout=5.0)
    assert closed.value.rcvd.code == 4001
    assert refused(guarded, cookie=cookie) == 403


def test_who_has_logged_out_is_obeyed_no_longer(guarded, caplog):
    cookie = guarded.cookie(LOOK)
    with guarded.live(cookie=cookie) as live:
        Watcher(live).kind("hello")
        assert guarded.request("POST", "/logout", Cookie=cookie, Origin=guarded.origin)[0] == 204
        with pytest.raises(ConnectionClosed) as closed:
            live.send('{"command":"ack","command_id":"c","bed":"bed1"}')
            while True:
                assert '"c"' not in live.recv(timeout=5.0)
    assert closed.value.rcvd.code == 4001
    assert failures(caplog) == []
    assert guarded.commands.empty()


def test_who_logs_out_leaves_no_cookie_behind(guarded):
    cookie = guarded.cookie(LOOK)
    status, headers, _ = guarded.request("POST", "/logout", Cookie=cookie, Origin=guarded.origin)
    name, *parts = headers["set-cookie"].split("; ")
    assert (status, name) == (204, 'edge_vitals_session=""')
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=0"} <= set(parts)


def test_a_session_is_over_after_its_time(guarded):
    cookie = guarded.cookie(LOOK)
    guarded.clock.advance(12 * 3600.0)
    assert guarded.request("GET", "/session", Cookie=cookie)[0] == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT"])
def test_other_methods_do_nothing(page, method):
    assert page.request(method, "/", Origin=page.origin)[0] in (400, 404, 405)
    assert page.request("HEAD", "/")[0] == 200, "which only looks"


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 100 + b"x\r\n\r\n",
    ],
)
def test_crooked_requests_are_refused_and_the_next_is_served(page, text):
    answer = raw(page, text.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    assert b" 200 " not in answer.split(b"\r\n", 1)[0]
    assert page.request("GET", "/")[0] == 200


def test_a_head_longer_than_any_is_refused_before_it_has_come(page):
    assert raw(page, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 17_000).startswith(b"HTTP/1.1 400 ")


def test_names_and_texts_of_the_patient_reach_the_browser_as_text_only():
    from edge.sinks.web.app import STATIC

    for file in STATIC.glob("*.js"):
        text = file.read_text(encoding="utf-8")
        for danger in ("innerHTML", "outerHTML =", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert danger not in text, (file.name, danger)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "0.0.0.0"}, "open to the network"),
        ({"host": "192.0.2.1", "token_env": "PAGE_TOKENS"}, "open to the network"),
        ({"host": "::", "behind_proxy": True}, "needs tokens"),
        ({"behind_proxy": True}, "needs tokens"),
        ({"cert_file": "a.pem"}, "key_file"),
        (
            {"host": "0.0.0.0", "cert_file": "/none.pem", "key_file": "/none.key", "token_env": "PAGE_TOKENS"},
            "certificate",
        ),
        ({"host": "no such host.invalid", "behind_proxy": True, "token_env": "PAGE_TOKENS"}, "host"),
    ],
)
def test_a_page_open_to_the_network_needs_tls_or_a_proxy_and_tokens(monkeypatch, settings, said):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK}")
    with pytest.raises(ConfigError, match=said) as error:
        WebServer(**settings)
    assert "\n" not in str(error.value)


def test_by_tls_everything_works_and_cookies_are_secure(tmp_path, monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK}")
    with WebServer(token_env="PAGE_TOKENS", **certificate(tmp_path)) as page:
        assert page.sink.url.startswith("https://")
        status, headers, _ = page.login(LOOK)
        assert status == 204
        assert "secure" in headers["set-cookie"].lower()
        assert headers["strict-transport-security"]
        with page.live(cookie=headers["set-cookie"].split(";")[0]) as live:
            page.sink.send(Reading("ppg.hr", 1.0, 60.0, "bpm", 0.9, bed="bed1", source="node"))
            Watcher(live).kind("hello")
        assert page.login(LOOK, Origin=page.origin.replace("https", "http"))[0] == 403
        _, headers, _ = page.request("POST", "/logout", Origin=page.origin)
        assert "secure" in headers["set-cookie"].lower()


def test_a_page_that_is_open_to_the_network_by_tls_needs_tokens_too(tmp_path, monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK}")
    settings = {"host": "0.0.0.0", **certificate(tmp_path)}
    with pytest.raises(ConfigError, match="needs tokens"):
        WebServer(**settings)
    check("web", {**settings, "token_env": "PAGE_TOKENS"}, {}, where=("sinks", "web"))


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path):
    with pytest.raises(ConfigError, match=r"^sinks\.web\.key_file: the key has a passphrase"):
        WebServer(**certificate(tmp_path, b"secret"))


def statuses(page):
    names = ("ward-7", "ward-7.local", "ward-8", "192.0.2.7", "localhost")
    return [page.request("GET", "/", Host=name)[0] for name in names]


def test_the_names_of_this_machine_and_any_address_are_right_where_others_reach_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "ward-7")
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK}")
    with WebServer(token_env="PAGE_TOKENS") as page:
        assert statuses(page) == [403, 403, 403, 403, 200]
    with WebServer(token_env="PAGE_TOKENS", behind_proxy=True) as page:
        assert statuses(page) == [200, 200, 403, 200, 200]
    monkeypatch.setattr("edge.sinks.web.is_loopback", lambda _: False)
    with WebServer(token_env="PAGE_TOKENS", **certificate(tmp_path)) as page:
        assert statuses(page) == [200, 200, 403, 200, 200]
