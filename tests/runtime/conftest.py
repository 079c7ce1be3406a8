"""What tests of the runtime share."""

from __future__ import annotations

import pytest


@pytest.fixture
def board_answers_at_once(monkeypatch):
    """It is asked by the thread that looks, so that a tick of a clock moved by hand has its answer."""
    monkeypatch.setattr("edge.runtime.overload.load.beside", lambda task: task())
