"""States that another version recorded are refused in one line, whichever part of the program they are of."""

from __future__ import annotations

import pytest

from edge.alarms.board import SNAPSHOT_VERSION, Board
from edge.clock import ManualClock
from edge.exact_replay import Comparison, reproduce
from edge.fusion import Fusion
from edge.lane import Lane
from edge.recording import LaneState, MainState
from edge.types import SourceError
from signals import Echo

_OTHER_VERSION = "another version of the program recorded it, and its states cannot be read here"
_THEREFORE = "replay it with that version; export needs no states"


def test_a_state_of_the_board_that_another_version_recorded_is_refused_in_one_line():
    saved = {"version": SNAPSHOT_VERSION, "boot": "b"}

    def board_of(entry):
        return Board({}, boot="b", state=entry.board)

    entries = [MainState(0.0, saved, {}, None)]
    with pytest.raises(SourceError) as told:
        list(reproduce(entries, lanes=[], board_of=board_of, clock=ManualClock(), found=Comparison()))
    assert str(told.value) == f"{_OTHER_VERSION} (KeyError('beds')); {_THEREFORE}"


def test_a_state_of_the_fusion_that_another_version_recorded_is_refused_in_one_line():
    entries = [MainState(0.0, {}, {"bed1": {}}, None)]
    again = reproduce(
        entries,
        lanes=[],
        board_of=lambda _: Board({}, boot="b"),
        clock=ManualClock(),
        found=Comparison(),
        fusion=Fusion(),
    )
    with pytest.raises(SourceError) as told:
        list(again)
    assert str(told.value) == f"{_OTHER_VERSION} (KeyError('lanes')); {_THEREFORE}"


def test_a_state_of_a_lane_that_another_version_recorded_is_refused_in_one_line():
    lane = Lane(bed="bed1", source="node", primary="ppg", analyzers={"echo": Echo()})
    entries = [LaneState("node", "ppg", 0.0, {})]
    again = reproduce(
        entries, lanes=[lane], board_of=lambda _: Board({}, boot="b"), clock=ManualClock(), found=Comparison()
    )
    with pytest.raises(SourceError) as told:
        list(again)
    assert str(told.value) == f"{_OTHER_VERSION} (KeyError('streams')); {_THEREFORE}"
