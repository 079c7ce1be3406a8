"""JSON that others wrote: what it says, or one kind of refusal, whatever is wrong with it."""

from __future__ import annotations

import pytest

from edge.plain import json_of, object_of

NO_JSON = [b"", b"{", b'{"a": NaN}', b"-Infinity", b"\xff", b"[" * 100_000, b"1" + b" " * 2**20]


@pytest.mark.parametrize("payload", NO_JSON)
def test_what_is_no_json_is_refused(payload):
    with pytest.raises(ValueError, match=r".+"):
        json_of(payload)
    assert object_of(payload) is None


@pytest.mark.parametrize("payload", [b'{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]'])
def test_a_name_that_stands_twice_is_refused_where_it_may_stand_once(payload):
    json_of(payload)
    with pytest.raises(ValueError, match="a name stands twice"):
        json_of(payload, names_once=True)
    assert json_of('[{"a": 1}, {"a": 2}]', names_once=True) == [{"a": 1}, {"a": 2}]


def test_the_longest_that_is_read_has_a_megabyte():
    assert json_of(b"1" + b" " * (2**20 - 1)) == 1


def test_only_an_object_is_one():
    assert object_of(b'{"a": [1, null]}') == {"a": [1, None]}
    assert [object_of(payload) for payload in (b"[]", b"1", b'"a"', b"null")] == [None] * 4
