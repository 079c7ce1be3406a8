"""A bit that fell over is found, and whoever knows nothing of the seal reads the same object."""

from __future__ import annotations

import json

import pytest

from edge.sinks._outbox.seal import is_broken, sealed

CONTENT = b'{"id":"bed1/af","presence":"on","t":12.5}'


def test_it_is_the_same_object_with_one_key_more():
    found = json.loads(sealed(CONTENT))
    assert len(found.pop("crc")) == 8
    assert found == json.loads(CONTENT)


def test_every_bit_behind_the_seal_is_watched():
    whole = sealed(CONTENT, "beside")
    assert not is_broken(whole, "beside")
    assert is_broken(whole, "besides")
    body = whole.index(b'",') + 2
    for at in range(body, len(whole)):
        for bit in range(8):
            spoilt = bytearray(whole)
            spoilt[at] ^= 1 << bit
            assert is_broken(bytes(spoilt), "beside")


def test_a_seal_that_is_damaged_itself_never_changes_what_is_read():
    whole = sealed(CONTENT)
    for at in range(whole.index(b'",') + 2):
        for bit in range(8):
            spoilt = bytearray(whole)
            spoilt[at] ^= 1 << bit
            try:
                found = json.loads(bytes(spoilt))
            except ValueError:
                continue
            assert is_broken(bytes(spoilt)) or {k: found[k] for k in ("id", "presence", "t")} == json.loads(CONTENT)


@pytest.mark.parametrize("content", [b"", b"{}", b"state", CONTENT, sealed(CONTENT)])
def test_what_was_never_sealed_is_taken_and_nothing_is_sealed_twice(content):
    assert not is_broken(content)
    assert sealed(sealed(content)) == sealed(content)
    if content.startswith(b"{"):
        assert {**json.loads(sealed(content)), "crc": ""} == {**json.loads(content), "crc": ""}
    else:
        assert sealed(content) == content
