"""What a command may say is read once, whether it is obeyed or refused, and what is too long for its id at most."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge.clock import ManualClock, iso
from edge.plain import json_of
from edge.sinks import _command_fields
from edge.sinks._mqtt.commands import CommandInbox
from edge.sinks._mqtt.payloads import Topics

WALL = 1_800_000_000.0


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str | bytes]:
    """Every payload that is parsed, as often as it is."""
    found: list[str | bytes] = []

    def counted(payload: str | bytes, **how: Any) -> Any:
        found.append(payload)
        return json_of(payload, **how)

    monkeypatch.setattr(_command_fields, "json_of", counted)
    return found


@pytest.mark.parametrize(
    ("name", "payload", "retained", "obeyed", "refused"),
    [
        ("ack", f'{{"command_id": "c", "by": "n", "t": "{iso(WALL)}"}}', False, ["c"], []),
        ("ack", '{"command_id": "c", "by": "n", "t": "2026-01-01T00:00:00Z"}', False, [], ["c"]),
        ("ack", '{"command_id": "c", "t": 5}', False, [], ["c"]),
        ("ack", '{"command_id": "c"', False, [], [""]),
        ("ack", '["command_id"]', False, [], [""]),
        ("explode", '{"command_id": "c", "by": "n"}', False, [], ["c"]),
        ("ack", '{"command_id": "c", "by": "n"}', True, [], ["c"]),
    ],
)
def test_a_command_is_parsed_once(
    parsed: list[str | bytes], name: str, payload: str, retained: bool, obeyed: list[str], refused: list[str]
) -> None:
    commands: list[Any] = []
    answers: list[Any] = []
    clock = ManualClock(wall=WALL)
    inbox = CommandInbox(
        Topics("vitals/dev"), clock, commands.append, lambda _, said, __: answers.append(json_of(said))
    )
    raw = payload.encode()
    inbox.message(SimpleNamespace(topic=f"vitals/dev/bed1/cmd/{name}", payload=raw, retain=retained, properties=None))
    assert parsed == [raw]
    assert [command.command_id for command in commands] == obeyed
    assert [answer["command_id"] for answer in answers] == refused


@pytest.mark.parametrize("text", ['{"command": "ack", "command_id": "c"}', '{"command": 1, "command_id": "c"}', "{"])
def test_a_command_of_the_page_is_parsed_once(parsed: list[str | bytes], text: str) -> None:
    pytest.importorskip("starlette")
    from edge.sinks.web import access, app

    app._command(text, 0.0, access.Person("view", "p"))
    assert parsed == [text]


def long_one(length: int) -> bytes:
    """A command of so many bytes whose id stands last."""
    head, tail = b'{"id": "', b'", "command_id": "c", "by": "n"}'
    return head + b"a" * (length - len(head) - len(tail)) + tail


@pytest.mark.parametrize(
    ("payload", "command_id", "refusal"),
    [
        (long_one(4096), "c", ""),
        (long_one(4097), "c", "too long: at most 4096 bytes"),
        (long_one(16384), "c", "too long: at most 4096 bytes"),
        (long_one(16385), "", "too long: at most 4096 bytes; of more than 16384 the command_id is not read"),
        (b"[" * 10_000, "", "too long: at most 4096 bytes"),
        (b"[" + b"1," * 4000 + b"1]", "", "too long: at most 4096 bytes"),
        (long_one(8000)[:-1] + b', "command_id": "d"}', "", "too long: at most 4096 bytes"),
    ],
)
def test_of_what_is_too_long_the_id_is_read_and_nothing_obeyed(
    parsed: list[str | bytes], payload: bytes, command_id: str, refusal: str
) -> None:
    said = _command_fields.read(payload)
    assert (said.text("command_id"), said.refusal) == (command_id, refusal)
    assert parsed == ([payload] if len(payload) <= 16384 else [])
    if refusal:
        with pytest.raises(_command_fields.RefusedCommandError, match=f"^{refusal}$"):
            said.fields(needs=("command_id",), may=("id",))
