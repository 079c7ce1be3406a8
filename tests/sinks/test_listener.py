"""Where others connect: an address that comes later than the program keeps nobody from watching."""

from __future__ import annotations

import contextlib

import pytest

from edge.sinks._listener import listen


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])  # of documents: no machine has them
def test_an_address_that_is_not_there_yet_is_listened_at_and_that_is_said(host, caplog):
    with contextlib.closing(listen("sinks.web", host, 0, 3)) as listener:
        assert listener.getsockname()[0] == host
    told = f"sinks.web: {host} is no address of this machine now; it is listened at for when it is"
    assert [record.getMessage() for record in caplog.records] == [told]


def test_of_an_address_that_is_there_nothing_is_said(caplog):
    with contextlib.closing(listen("sinks.web", "127.0.0.1", 0, 3)) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    assert caplog.records == []
