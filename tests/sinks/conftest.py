"""Fixtures of more than one file here."""

import pytest

from edge.clock import ManualClock
from kept_evidence import evidence  # noqa: F401
from outbox_on_disk import open_box  # noqa: F401
from web_server import page  # noqa: F401


@pytest.fixture
def clock():
    """Moved by hand; files that need a wall clock too have one of their own."""
    return ManualClock(100.0)
