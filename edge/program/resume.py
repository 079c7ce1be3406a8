"""The alarm board across runs: written with every transition, and put back as far as it can be read and trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, Final

import msgspec

from edge.alarms.board import Board
from edge.assembly import ModelShelf, build_board, keeps_evidence
from edge.clock import SET_AFTER, Clock, wall_offset
from edge.config import Config
from edge.plain import encode
from edge.sinks.outbox import Outbox
from edge.types import Alarm

SEQ_SKIPPED: Final = 1_000_000
"""No bed has so many events in the half minute after which a power cut loses none."""


UNSENT_KEPT: Final = 10_000
"""Events kept for a broker that the configuration does not name: some weeks of a ward, read at the start in a moment."""
_UNSENT_AT_ONCE: Final = 1000


class DurableBoard:
    """Writes transitions into the outbox with the state of the board they lead to, as ``resumed`` reads it.

    sends: somebody takes them out again; else the oldest go beyond ``UNSENT_KEPT``.
    """

    def __init__(self, outbox: Outbox, board: Board, clock: Clock, *, sends: bool) -> None:
        self._outbox, self._board, self._clock, self._sends = outbox, board, clock, sends

    def append(self, transitions: Sequence[Alarm]) -> bool | None:
        """Write in one commit; whether it is on disk, None where that is not known so soon."""
        written = self._outbox.append(transitions, self._state())
        if not self._sends and len(self._outbox) > UNSENT_KEPT:
            self._outbox.remove([row.row for row in self._outbox.waiting(limit=_UNSENT_AT_ONCE)])
        return written

    def keep(self) -> None:
        """Write the state with the record of watching, which is too long to go with every transition."""
        self._outbox.keep(self._state(), encode(self._board.coverage_snapshot()))

    def _state(self) -> bytes:
        clock = {
            "wall_offset": wall_offset(self._clock),
            "clock_synced": self._clock.synced(),
            "counts_from": self._clock.counts_from(),
        }
        return encode({**clock, **self._board.snapshot(coverage=False)})


def resumed(config: Config, boot: str, outbox: Outbox, clock: Clock, models: ModelShelf) -> tuple[Board, float | None]:
    """The board as it was left, and by how much its times were moved; what cannot be read is left behind, and said to be."""
    new = partial(build_board, config, boot=boot, models=models, keeps_evidence=keeps_evidence(config))
    state, coverage = outbox.state(), outbox.state("coverage")
    if state is None:
        return new(), None
    found = [(state, outbox.doubtful)]
    if outbox.copied is not None:
        found.append((outbox.copied.state, not outbox.copied.certain))
    for (state, doubtful), watched in product(found, dict.fromkeys((coverage, None))):
        try:
            saved = msgspec.json.decode(state, type=dict[str, Any])
            shift_s = _shift_s(saved, clock)
            _put_back(saved, watched)
            if doubtful:
                _count_anew(saved, boot)
            board = new(state=saved, shift_s=shift_s)
            board.active()  # an alarm that stands and cannot be told is not readable either
            return board, shift_s
        except Exception as error:  # whatever the state holds, the watching begins
            lost = "the alarm state was" if watched is None else "the record of watching or the alarm state was"
            outbox.faults.append(f"{lost} not readable ({error}); it begins anew, or from the second copy")
    return new(), None


def _put_back(saved: Mapping[str, Any], coverage: bytes | None) -> None:
    """The record of watching into the state it was written with, where there is one."""
    if coverage is not None:
        kept = msgspec.json.decode(coverage, type=dict[str, Any])
        for name, bed in saved["beds"].items():
            bed["coverage"] = kept.get(name, bed["coverage"])


def _count_anew(saved: Mapping[str, Any], boot: str) -> None:
    """Numbers of a state that may not be the last: a new epoch, and beyond any that could have been given away."""
    for bed in saved["beds"].values():
        bed["epoch"], bed["seq"] = boot, bed["seq"] + SEQ_SKIPPED


def _shift_s(saved: Mapping[str, Any], clock: Clock) -> float:
    """What makes monotonic times of the run that saved this times of this run, s.

    0 where the machine has not started anew: its monotonic clock went on. Else by the wall clock, so that a pause ends
    when it was said to; as if no time had passed where that clock cannot be right: not set, or the past would lie ahead,
    or what went by since is also what it was wrong by.
    """
    now, last, offset = clock.now(), saved["t"], saved.get("wall_offset")
    if last is None:
        return 0.0
    if clock.counts_from() and saved.get("counts_from") == clock.counts_from() and last <= now:
        return 0.0
    corrected = clock.synced() and not saved.get("clock_synced", True)  # absent in states of older versions
    if offset is not None and not corrected and min(clock.wall(), last + offset) > SET_AFTER:
        shift_s = float(offset - (clock.wall() - now))
        if last + shift_s <= now:
            return shift_s
    return float(now - last)
