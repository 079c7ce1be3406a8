"""The page's server, for real, on loopback: what a viewer is told, what it may ask, what fifty of them cost nobody."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from edge.clock import ManualClock
from edge.sinks.web.access import TOKEN_MIN
from edge.types import Alarm, Block, Command, CommandResult, ConfigError, Reading, SourceStatus, Stats
from web_server import Watcher, WebServer, failures

LOOK, ACT, RULE = "look-0123456789ab", "acts-0123456789ab", "rule-0123456789ab"
assert len(LOOK) >= TOKEN_MIN


@pytest.fixture
def guarded(monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK},acknowledge {ACT} night,configure {RULE}")
    with WebServer(token_env="PAGE_TOKENS") as server:
        yield server


def af(presence="on", seq=1, t=0.0):
    return Alarm("bed1/af", "o1", "physiological", "medium", presence, t, "AF likely", "af", "bed1", seq=seq)


def heart_rate(t, value=70.0):
    return Reading("ppg.hr", t, value, "bpm", 0.9, bed="bed1", source="node")


def test_a_viewer_gets_a_snapshot_and_then_what_changes(page):
    page.sink.send(heart_rate(1.0))
    page.sink.send(SourceStatus("node", "bed1", 1.0, "online"))
    with page.live() as live:
        watcher = Watcher(live)
        hello = watcher.kind("hello")
        assert (hello["device"], hello["role"], hello["by"], hello["login"]) == ("dev", "configure", "page", False)
        assert (hello["v"], hello["boot"], hello["version"], hello["hops"]) == (1, "b1", "1.2.3", {"ppg.hr": 1.0})
        assert re.fullmatch("[0-9a-f]{16}", hello["page"]), "by which a page knows that it is of an older version"
        assert hello["layout"]["bed1"]["sources"] == {"node": "serial_port", "cam": "camera"}
        assert {item["k"] for item in hello["latest"]} == {"r", "s"}
        page.sink.send(Reading("ppg.hr", 2.0, None, "bpm", reason="motion", bed="bed1", source="node"))
        assert watcher.kind("r")["why"] == "motion"
        page.sink.send(af())
        assert watcher.kind("a")["text"] == "AF likely"
        page.sink.send(Stats(3.0, {"cpu_s": 1.0}))
        assert watcher.kind("t")["figures"] == {"cpu_s": 1.0}
        page.sink.observe(Block("node/ppg", 0, 3.0, 100.0, np.arange(10.0)[:, None]))
        (chunk,) = watcher.kind("w")["w"]
        assert (chunk["s"], chunk["t"], len(chunk["v"])) == ("node/ppg", 3.0, 10)


def test_a_viewer_is_told_what_stood_before_the_start_what_is_watched_and_the_channel_that_is_read():
    beds = {"bed1": {"paused_until": None, "standby_until": 5.0, "coverage": []}}
    header = {"config": "[analyzers.pulse]\nchannel = 1"}
    rows = np.stack([np.zeros(10), np.arange(10.0)], axis=1)
    with WebServer(standing=[af()], watching=lambda _: beds, header=lambda: header) as page, page.live() as live:
        watcher = Watcher(live)
        assert [alarm["id"] for alarm in watcher.kind("hello")["alarms"]] == ["bed1/af"]
        page.sink.send(heart_rate(1.0))
        assert watcher.kind("b")["beds"] == beds
        page.sink.observe(Block("node/ppg", 0, 3.0, 100.0, rows))
        assert np.ptp(watcher.kind("w")["w"][0]["v"]) > 0


def test_a_page_is_reached_by_an_address_of_ipv6_too():
    try:
        server = WebServer(host="::1")
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    with server as page:
        assert page.sink.url == f"http://[::1]:{page.port}/"
        assert page.request("GET", "/")[0] == 200


def test_an_alarm_reaches_the_page_without_a_beat_and_a_late_viewer_sees_it_standing(page, monkeypatch):
    """How soon, ``test_viewers`` proves by the server's own clock."""
    monkeypatch.setattr("edge.sinks.web.viewers.BEAT_S", 1000.0)
    with page.live() as live:
        watcher = Watcher(live)
        watcher.kind("hello")
        for seq in range(5):
            page.sink.send(af("on", seq))
            watcher.wait(lambda item, seq=seq: item["k"] == "a" and item["seq"] == seq)
        assert [[item["k"] for item in envelope["m"]] for envelope in watcher.envelopes] == [["hello"], *[["a"]] * 5]
    with page.live() as live:
        assert [a["id"] for a in Watcher(live).kind("hello")["alarms"]] == ["bed1/af"]


def test_a_quiet_page_still_beats_and_a_busy_one_says_no_more_than_twenty_messages_a_second(page):
    with page.live() as live:
        watcher = Watcher(live)
        watcher.kind("hello")
        live.recv(timeout=2.0)
        started, messages = time.monotonic(), 0
        seq = 0
        while time.monotonic() - started < 1.0:
            page.sink.observe(Block("node/ppg", seq, seq / 100, 100.0, np.zeros((5, 1))))
            page.sink.send(heart_rate(seq / 100))
            seq += 5
            with contextlib.suppress(TimeoutError):
                live.recv(timeout=0.01)
                messages += 1
        assert 1 <= messages <= 20 * (time.monotonic() - started) + 1


def ask(live, command, **fields):
    live.send(json.dumps({"command": command, "command_id": "c1", "bed": "bed1", **fields}))


def test_a_command_goes_the_way_of_every_command_and_its_answer_comes_back(page):
    with page.live() as live:
        watcher = Watcher(live)
        watcher.kind("hello")
        ask(live, "ack", id="bed1/af", occurrence="o1", seq=7)
        command = page.commands.get(timeout=5.0)
        assert (command.name, command.bed, command.id, command.occurrence) == ("ack", "bed1", "bed1/af", "o1")
        assert command.seq == 7
        assert (command.command_id, command.by, command.seconds) == ("c1", "page:page", None)
        page.sink.send(CommandResult(command, 1.0, True, "bed1/af acknowledged"))
        answer = watcher.kind("c")
        assert (answer["command_id"], answer["ok"], answer["text"]) == ("c1", True, "bed1/af acknowledged")
        ask(live, "pause", seconds=120)
        assert page.commands.get(timeout=5.0).seconds == 120


@pytest.mark.parametrize(
    ("token", "may"),
    [
        (LOOK, set()),
        (ACT, {"ack", "pause", "reset", "site"}),
        (RULE, {"ack", "pause", "reset", "site", "standby", "shelve"}),
    ],
)
def test_a_role_is_kept_by_the_server_whatever_the_page_shows(guarded, token, may):
    with guarded.live(cookie=guarded.cookie(token)) as live:
        watcher = Watcher(live)
        watcher.kind("hello")
        for name in ("ack", "pause", "reset", "standby", "shelve", "site", "reboot"):
            live.send(json.dumps({"command": name, "command_id": name, "bed": "bed1", "seconds": 5}))
            if name in may:
                assert guarded.commands.get(timeout=5.0).name == name
            else:
                answer = watcher.wait(lambda i, name=name: i["k"] == "c" and i["command_id"] == name)
                assert not answer["ok"]
                assert "may not" in answer["text"]
    assert guarded.commands.empty()


@pytest.mark.parametrize(
    ("text", "command_id", "why"),
    [
        *((text, "", "not JSON") for text in ("", "{", "[" * 3000)),
        (b'{"command":"ack","command_id":"c"}', "", "not JSON"),  # in a binary message
        *((text, "", "not a JSON object") for text in ("null", "[]", '"ack"', "1e999")),
        ('{"command":"ack"}', "", "needs 'command_id', a text"),
        ('{"command":1,"command_id":"c"}', "c", "needs 'command', a text"),
        ('{"command":"pause","command_id":"c","bed":"bed1","seconds":true}', "c", "'seconds' must be a number"),
        ('{"command":"pause","command_id":"c","bed":"bed1","seconds":"9"}', "c", "'seconds' must be a number"),
        ('{"command":"pause","command_id":"c","bed":"bed1","seconds":NaN}', "", "not JSON"),
        ('{"command":"pause","command_id":"c","bed":"bed1","seconds":0,"seconds":9}', "", "not JSON"),
        (
            '{"command":"received","command_id":"c","bed":"bed1","seq":1.5}',
            "c",
            "'seq' must be the whole number of an event",
        ),
        ('{"command":"ack","command_id":"c","seq":-1}', "c", "'seq' must be the whole number of an event"),
        ('{"command":"ack","command_id":"c","bed":["bed1"]}', "c", "'bed' must be a text"),
        (json.dumps({"command": "ack", "command_id": "c" * 300}), "", "'command_id' has at most 200 characters"),
        (json.dumps({"command": "ack", "command_id": "\ud800"}), "", "'command_id' has at most 200 characters"),
    ],
)
def test_what_is_no_command_is_answered_with_the_reason_and_does_nothing(page, text, command_id, why):
    with page.live() as live:
        watcher = Watcher(live)
        watcher.kind("hello")
        live.send(text)
        answer = watcher.kind("c")
        assert (answer["ok"], answer["command_id"]) == (False, command_id)
        assert answer["text"].startswith(why)
    assert page.commands.empty()


def test_who_sent_a_command_is_told_by_the_session_and_by_nothing_in_it(page):
    with page.live() as live:
        watcher = Watcher(live)
        watcher.kind("hello")
        for name, text in {"by": "somebody else", "role": "charge-nurse", "person": "p2"}.items():
            ask(live, "ack", **{name: text})
            watcher.wait(lambda i, name=name: i["k"] == "c" and f"unknown field {name!r}" in i["text"])
        ask(live, "ack", _by="somebody else", v=1, boot="b")
        command = page.commands.get(timeout=5.0)
        assert (command.by, command.role, command.person) == ("page:page", "", "")


def test_a_page_that_confirms_gets_two_messages_ahead_and_then_the_newest(page):
    with page.live(query="?confirms") as live:
        watcher = Watcher(live)
        watcher.kind("hello")
        page.sink.send(heart_rate(1.0, 61.0))
        watcher.kind("r")
        assert len(watcher.envelopes) == 2
        for value in (62.0, 63.0, 64.0):
            page.sink.send(heart_rate(2.0, value))
        with pytest.raises(TimeoutError):
            live.recv(timeout=0.5)
        live.send(str(watcher.envelopes[-1]["now"]))
        watcher.wait(lambda i: i["k"] == "r" and i["v"] == 64.0)
        assert [i["v"] for i in watcher.items if i["k"] == "r"] == [61.0, 64.0]
        assert not [i for i in watcher.items if i["k"] == "c"], "to confirm is no command"


def test_commands_come_at_a_bounded_rate_and_go_on_after_it():
    with WebServer(clock=ManualClock(1000.0)) as page, page.live() as live:
        watcher = Watcher(live)
        watcher.kind("hello")

        def asked(command, times, refused):
            for _ in range(times):
                ask(live, command)
            watcher.wait(lambda _: [i["k"] for i in watcher.items].count("c") == refused)

        ask(live, "pause")
        assert page.commands.get(timeout=5.0).name == "pause"
        page.clock.advance(1.0)
        asked("ack", times=29, refused=10)
        page.clock.advance(8.5)
        asked("ack", times=1, refused=11)
        page.clock.advance(0.5)  # the first is ten seconds old, and no other
        asked("reset", times=2, refused=12)
        assert [page.commands.get(timeout=5.0).name for _ in range(20)] == ["ack"] * 19 + ["reset"]
        answers = {(i["command_id"], i["text"]) for i in watcher.items if i["k"] == "c"}
        assert answers == {("", "too many commands at once")}, "without a name: it was not even read"


def test_a_message_that_is_too_long_ends_the_connection(page):
    with page.live() as live:
        Watcher(live).kind("hello")
        live.send("x" * 10_000)
        with pytest.raises(ConnectionClosed):
            while True:
                live.recv(timeout=5.0)


def test_fifty_look_and_the_next_is_told_that_there_are_too_many(page):
    with contextlib.ExitStack() as stack:
        watchers = [Watcher(stack.enter_context(page.live(ping_interval=None))) for _ in range(50)]
        for watcher in watchers:
            watcher.kind("hello")
        with page.live() as live, pytest.raises(ConnectionClosed) as closed:
            live.recv(timeout=5.0)
        assert closed.value.rcvd.code == 4013
        page.sink.send(af())
        for watcher in watchers:
            watcher.kind("a")
    with page.live() as live:
        Watcher(live).kind("hello")


def test_one_who_does_not_read_slows_nobody_and_gets_every_alarm_when_he_reads_again(page, monkeypatch):
    monkeypatch.setattr("edge.sinks.web.viewers.WAVES_KEPT", 3)
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    own.connect((page.host, page.port))
    rounds, blocks = 15, 60
    with page.live(ping_interval=None, max_queue=1, sock=own) as slow, page.live(max_size=None) as quick:
        watcher = Watcher(quick)
        watcher.kind("hello")
        noise = np.random.default_rng(1).normal(size=(4000, 1)) * 1e5
        seq = 0
        for number in range(rounds):  # all of them while the other reads nothing
            page.sink.send(af("on", number))
            for _ in range(blocks):
                page.sink.observe(Block("node/pcg", seq, seq / 4000, 4000.0, noise))
                seq += 4000
            watcher.wait(lambda i, number=number: i["k"] == "a" and i["seq"] == number)
        late = Watcher(slow)
        late.wait(lambda i: i["k"] == "a" and i["seq"] == rounds - 1)
        assert [i["seq"] for i in late.items if i["k"] == "a"] == list(range(rounds))
        assert chunks(watcher) > chunks(late) > 0


def test_one_for_whom_more_waits_than_can_be_kept_is_to_begin_anew(page, monkeypatch):
    monkeypatch.setattr("edge.sinks.web.viewers.URGENT_KEPT", 3)
    with page.live() as live:
        Watcher(live).kind("hello")
        for number in range(200):
            page.sink.send(af("on", number))
        with pytest.raises(ConnectionClosed):
            while True:
                live.recv(timeout=5.0)


def test_who_leaves_or_finds_no_room_or_is_not_logged_in_is_no_failure(monkeypatch, caplog):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK}")
    with WebServer(max_viewers=1, token_env="PAGE_TOKENS") as page:
        cookie = page.cookie(LOOK)
        with page.live(cookie=cookie) as live:
            Watcher(live).kind("hello")
            with page.live(cookie=cookie) as another, pytest.raises(ConnectionClosed):
                another.recv(timeout=5.0)
        with pytest.raises(InvalidStatus), page.live():
            pass
    assert failures(caplog) == []


def chunks(watcher):
    return sum(len(i["w"]) for i in watcher.items if i["k"] == "w")


def test_closing_ends_with_somebody_looking_and_the_port_is_free_again(page):
    with page.live() as live:
        Watcher(live).kind("hello")
        assert page.sink.flush(0.0), "nobody is waited for"
        page.sink.close()
        page.sink.close()
        assert "edge-web" not in {thread.name for thread in threading.enumerate()}
        with pytest.raises(ConnectionClosed):
            while True:
                live.recv(timeout=5.0)
    with WebServer(port=page.port) as again, again.live() as live:
        Watcher(live).kind("hello")


def test_a_port_that_is_taken_is_a_configuration_error(page):
    with pytest.raises(ConfigError, match="set another port"):
        WebServer(port=page.port)


def test_the_page_is_whole_small_and_needs_nothing_from_elsewhere(page):
    status, headers, body = page.request("GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    seen, waiting, total = set(), set(re.findall(r'(?:src|href)="(/[^"]+)"', body.decode())), len(body)
    while waiting - seen:
        path = (waiting - seen).pop()
        seen.add(path)
        status, headers, body = page.request("GET", path)
        assert status == 200, path
        total += len(body)
        if path.endswith(".js"):
            assert headers["content-type"].startswith("text/javascript")
            waiting |= {f"/static/{name}" for name in re.findall(r'from "\./([^"]+)"', body.decode())}
        assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", body), path
    assert len(seen) > 10
    assert total < 150_000


def test_markup_has_no_script_or_style_of_its_own():
    from edge.sinks.web.app import STATIC

    for file in STATIC.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), file.name
        assert len(re.findall(r"<script", text)) == len(
            re.findall(r'<script type="module" src="[^"]+"></script>', text)
        )


def test_nothing_of_the_page_is_imported_without_its_table_in_the_configuration():
    code = (
        "import sys, edge.cli.run, edge.program.service, edge.sinks.mqtt\n"
        "from edge.config import parse\n"
        "from edge.kinds import kinds\n"
        'parse(\'[mqtt]\\nhost = "127.0.0.1"\\n[sources.a]\\nkind = "synthetic"\')\n'
        "assert 'web' in kinds('sinks')\n"
        "print([m for m in ('starlette','uvicorn','websockets','edge.sinks.web') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_commands_of_the_page_are_commands_of_the_board(page):
    from edge.alarms.board import Board
    from edge.alarms.rules import AlarmRules

    with page.live() as live:
        Watcher(live).kind("hello")
        ask(live, "standby", seconds=60)
        command = page.commands.get(timeout=5.0)
    assert isinstance(command, Command)
    result, _ = Board({"bed1": AlarmRules()}, boot="b").command(command)
    assert result.ok
