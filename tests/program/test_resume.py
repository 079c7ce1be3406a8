"""The board of the run before: put back from what can be read of it, with times of this run."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from edge.alarms.board import Board
from edge.assembly import ModelShelf, build_board
from edge.clock import ManualClock
from edge.config import parse
from edge.plain import encode
from edge.program.resume import SEQ_SKIPPED, DurableBoard, resumed
from edge.sinks._outbox.copy import Copied
from edge.types import Reading

CONFIG = parse(
    '[device]\nname = "ward"\n[beds.bed1]\n[alarms.tachy]\nmetrics = ["ppg.hr"]\non_delay_s = 0\nsevere_on_delay_s = 0\n'
)
WALL = 1_800_000_000.0


class Kept:
    """An outbox that holds what it was given, and nothing else."""

    def __init__(self, board: bytes | None = None, coverage: bytes | None = None, **fields: object) -> None:
        self._entries = {"board": board, "coverage": coverage}
        self.doubtful, self.copied, self.faults = False, None, []
        vars(self).update(fields)

    def state(self, key: str = "board") -> bytes | None:
        return self._entries[key]

    def append(self, transitions, state):
        self._entries["board"] = state
        return len(transitions) == 1

    def keep(self, state, coverage):
        self._entries = {"board": state, "coverage": coverage}


def left(*rates: float, t: float = 1000.0) -> tuple[Board, ManualClock]:
    """A board told one rate a second, the last at ``t``, with its clock."""
    one = build_board(CONFIG, boot="first")
    for n, rate in enumerate(rates, start=1 - len(rates)):
        one.update(Reading("ppg.hr", t + n, rate, "bpm", 1.0, bed="bed1", source="node"))
    return one, ManualClock(t, wall=WALL)


def written(*rates: float, keep: bool = True) -> Kept:
    """What such a board left behind."""
    one, clock = left(*rates)
    outbox = Kept()
    durable = DurableBoard(outbox, one, clock, sends=True)
    assert durable.append([None]) is True
    assert outbox.state("coverage") is None, "too long to go with every transition"
    if keep:
        durable.keep()
    return outbox


def go_on(
    outbox: Kept, *, clock: ManualClock | None = None, models: ModelShelf | None = None
) -> tuple[Board, float | None]:
    return resumed(CONFIG, "second", outbox, clock or ManualClock(1000.0, wall=WALL), models or ModelShelf())


def standing(board: Board) -> list[tuple[str, str, str]]:
    return [(a.id, a.presence, a.occurrence) for a in board.active()]


def watched_since(board: Board) -> list[int]:
    """In ms, of each stream of the bed."""
    return [stream["first"] for stream in board.coverage_snapshot()["bed1"]["streams"]]


ON = [("bed1/tachy", "on", "first.bed1.tachy.1")]


def test_without_a_state_a_board_is_new():
    outbox = Kept()
    board, shift_s = go_on(outbox)
    assert (standing(board), shift_s, outbox.faults) == ([], None, [])


def test_what_stood_stands_and_what_was_watched_is_known():
    outbox = written(180.0, 180.0, 180.0)
    board, shift_s = go_on(outbox)
    assert (standing(board), shift_s, outbox.faults) == (ON, 0.0, [])
    assert watched_since(board) == [998_000]
    without = go_on(written(180.0, keep=False))[0]
    assert (standing(without), watched_since(without)) == (ON, [])


@pytest.mark.parametrize("before", [(), (60.0,)], ids=["new", "as it was left"])
def test_alarms_of_a_board_name_the_card_of_their_model_and_the_recording_around_them(before):
    models = ModelShelf(loaded={"rhythm": SimpleNamespace(card_sha256="ab" * 32)})
    board, _ = go_on(written(*before) if before else Kept(), models=models)
    told = {"bed": "bed1", "source": "node", "model": "rhythm 1.1.0 onnx-int8"}
    (tachy,) = board.update(Reading("ppg.hr", 1001.0, 180.0, "bpm", 1.0, **told))
    assert (tachy.evidence["card"], tachy.evidence["recording"]) == ("ab" * 32, f"{tachy.occurrence}.evrec")


@pytest.mark.parametrize(
    ("now", "wall", "shift_s"),
    [
        pytest.param(1060.0, WALL + 60.0, 0.0, id="the program was started again"),
        pytest.param(20.0, WALL + 60.0, -1040.0, id="so was the machine"),
        pytest.param(1060.0, WALL + 90.0, -30.0, id="the wall clock was set meanwhile"),
        pytest.param(20.0, WALL - 1.0, -980.0, id="by it the past would lie ahead"),
        pytest.param(20.0, 1000.0, -980.0, id="not set yet"),
        pytest.param(1000.0, WALL, 0.0, id="no time passed"),
    ],
)
def test_times_are_moved_by_the_wall_clock_where_it_can_be_right(now, wall, shift_s):
    board, told = go_on(written(180.0), clock=ManualClock(now, wall=wall))
    assert told == shift_s
    assert [a.t for a in board.active()] == [1000.0 + shift_s]


@pytest.mark.parametrize(
    ("machine", "now", "wall", "shift_s"),
    [
        pytest.param("first", 1300.0, WALL + 1e6, 0.0, id="the clock was set meanwhile"),
        pytest.param("first", 1000.0, WALL + 1e6, 0.0, id="so it was, and no time passed"),
        pytest.param("first", 1300.0, 1000.0, 0.0, id="the clock was set to nonsense"),
        pytest.param("first", 20.0, WALL + 60.0, -1040.0, id="by it the past would lie ahead"),
        pytest.param("second", 1300.0, WALL + 60.0, 240.0, id="the machine was started again"),
    ],
)
def test_while_the_machine_runs_its_own_clock_goes_on(machine, now, wall, shift_s):
    board, clock = left(180.0)
    clock.machine, outbox = "first", Kept()
    DurableBoard(outbox, board, clock, sends=True).append([None])
    assert go_on(outbox, clock=ManualClock(now, wall=wall, machine=machine))[1] == shift_s


@pytest.mark.parametrize(
    ("kept", "keeps", "shift_s"),
    [
        pytest.param(False, True, -980.0, id="it was set meanwhile, nobody knows by how much"),
        pytest.param(True, False, -1040.0, id="it goes on from a stop a minute ago"),
        pytest.param(False, False, -1040.0, id="a ward without a time server"),
    ],
)
def test_a_clock_that_nobody_kept_is_believed_until_somebody_sets_it(kept, keeps, shift_s):
    board, clock = left(180.0)
    clock.kept, outbox = kept, Kept()
    DurableBoard(outbox, board, clock, sends=True).append([None])
    assert go_on(outbox, clock=ManualClock(20.0, wall=WALL + 60.0, kept=keeps))[1] == shift_s


@pytest.mark.parametrize("change", [{"wall_offset": 0.0}, {"wall_offset": None}], ids=["not set then", "not written"])
def test_of_a_clock_that_was_not_set_no_time_is_thought_to_have_passed(change):
    state = msgspec.json.decode(written(180.0).state()) | change
    assert go_on(Kept(encode(state)), clock=ManualClock(20.0, wall=WALL + 60.0))[1] == -980.0


def test_a_state_of_a_version_that_did_not_write_who_keeps_its_clock_is_believed():
    state = msgspec.json.decode(written(180.0).state())
    del state["clock_synced"], state["counts_from"]
    assert go_on(Kept(encode(state)), clock=ManualClock(20.0, wall=WALL + 60.0))[1] == -1040.0


def test_a_board_that_was_told_nothing_has_no_times_to_move():
    assert go_on(written(), clock=ManualClock(20.0, wall=WALL))[1] == 0.0


def numbers(board: Board) -> tuple[str, int]:
    bed = board.snapshot()["beds"]["bed1"]
    return bed["epoch"], bed["seq"]


@pytest.mark.parametrize("doubtful", [False, True])
def test_numbers_of_a_state_that_may_not_be_the_last_begin_an_epoch_far_behind(doubtful):
    whole = written(180.0)
    state, coverage = whole.state(), whole.state("coverage")
    here = Kept(state, coverage, doubtful=doubtful)
    elsewhere = Kept(b"{", coverage, copied=Copied(1, state, certain=not doubtful), doubtful=not doubtful)
    for outbox in (here, elsewhere):
        board = go_on(outbox)[0]
        assert standing(board) == ON
        assert numbers(board) == (("second", 1 + SEQ_SKIPPED) if doubtful else ("first", 1))


BROKEN = [b"", b"\xff\x00", b"[]", b'{"version": 1}', b'{"version": 1, "t": 1.0, "beds": []}']
BROKEN += [b'{"version": 1, "t": 1%s, "beds": {}}' % (b"0" * 400), b'{"a":' * 3000]
BROKEN_WATCH = [b"", b"\xff\x00", b"[]", b'{"bed1": {"streams": 5}}']
EITHER, STATE = "the record of watching or the alarm state was", "the alarm state was"


@pytest.mark.parametrize("unwatched", BROKEN_WATCH)
@pytest.mark.parametrize("broken", BROKEN)
def test_what_can_be_read_is_taken_and_what_cannot_is_said(broken, unwatched):
    whole = written(180.0)
    state, coverage = whole.state(), whole.state("coverage")
    copied, spoilt = Copied(1, state, certain=True), Copied(1, broken, certain=True)
    for here, watched, copy, found, known, said in (
        (state, unwatched, None, ON, False, [EITHER]),
        (broken, coverage, copied, ON, True, [EITHER, STATE]),
        (broken, None, copied, ON, False, [STATE]),
        (broken, unwatched, copied, ON, False, [EITHER, STATE, EITHER]),
        (broken, coverage, None, [], False, [EITHER, STATE]),
        (broken, unwatched, spoilt, [], False, [EITHER, STATE] * 2),
    ):
        outbox = Kept(here, watched, copied=copy)
        board, shift_s = go_on(outbox)
        assert (standing(board), shift_s) == (found, 0.0 if found else None)
        assert watched_since(board) == ([1_000_000] if known else [])
        assert [fault.partition(" not readable (")[0] for fault in outbox.faults] == said


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("presence", "om"),
        ("priority", "higi"),
        ("top", None),
        ("realarms", "x"),
        ("number", {}),
        ("value", [1]),
        ("seq", "x"),
    ],
)
def test_an_alarm_that_cannot_be_told_is_left_behind_before_anybody_asks_for_it(key, wrong):
    """Else each start ends at once, or at the next alarm."""
    saved = msgspec.json.decode(written(180.0).state())
    bed = saved["beds"]["bed1"]
    (bed if key == "seq" else bed["lines"]["bed1/tachy"])[key] = wrong
    outbox = Kept(encode(saved))
    board, shift_s = go_on(outbox)
    assert (standing(board), shift_s) == ([], None)
    assert [fault.partition(" not readable (")[0] for fault in outbox.faults] == [STATE]


@pytest.mark.parametrize("key", ["first", "last", "downs", "buckets"])
def test_a_record_of_watching_that_does_not_count_is_left_behind(key):
    whole = written(180.0)
    coverage = msgspec.json.decode(whole.state("coverage"))
    coverage["bed1"]["streams"][0][key] = "x"
    outbox = Kept(whole.state(), encode(coverage))
    board, _ = go_on(outbox)
    assert standing(board) == ON
    assert [fault.partition(" not readable (")[0] for fault in outbox.faults] == [EITHER]
