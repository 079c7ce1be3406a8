"""Another person lies in a bed: what was heard of the one before is in no window, and speaks for none."""

from __future__ import annotations

import pytest

from edge import inference
from edge.alarms.auscultation import Place
from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.analyzers import rhythm
from edge.clock import ManualClock
from edge.dsp.pcg.decision import Calibration
from edge.exact_replay import Comparison, reproduce
from edge.lane import Lane
from edge.recording import MainState
from edge.runtime.main_thread import MainThread
from edge.runtime.reader import Reader
from edge.runtime.threads import Runtime
from edge.types import BedStatus, Block, Command, Reading
from signals import blocks, pulse
from source_and_sink import Kept, Playback

BEDS = ("bed1", "bed2")
CHANGED_S = 60.0


class Changing(Playback):
    """Gives blocks, and does in between what stands among them."""

    def read(self):
        first, *_ = self.feed or [None]
        if callable(first):
            self.feed.pop(0)()
            return []
        return super().read()


def lanes(bed):
    analyzer = rhythm.build(models=inference.load)
    return [Lane(bed=bed, source=f"{bed}-node", primary="ppg", analyzers={"rhythm": analyzer})]


def board(state=None, *, listens=True):
    place = Place("p1", "MV", Calibration.from_card(inference.load("murmur").card) if listens else None)
    return Board(
        dict.fromkeys(BEDS, rules_from({"silent_s": 0})), boot="b", places=dict.fromkeys(BEDS, place), state=state
    )


def heard_around(*, listens=True, **said):
    """What was kept of two beds with sinus rhythm, where something is said of the first in between."""
    kept, sink = [], Kept()

    def say():
        runtime.post(Command("site", "bed1", CHANGED_S, "c1", "nurse", **said))
        sink.wait(lambda event: isinstance(event, BedStatus) and event.by == "nurse")

    def of(bed, between):
        feed = list(blocks(pulse(70.0, seconds=CHANGED_S + 40.0), stream=f"{bed}-node/ppg", chunk=100))
        feed[round(CHANGED_S) : round(CHANGED_S)] = between
        return Reader(f"{bed}-node", bed, Changing(feed), lanes(bed), can_wait=True)

    readers = [of("bed1", [say]), of("bed2", [])]
    runtime = Runtime(
        MainThread(readers=readers, board=board(listens=listens), sinks=[sink], clock=ManualClock(), tap=kept.append)
    )
    assert runtime.run() == 0
    return kept


def rhythms(kept, bed):
    return [e for e in kept if isinstance(e, Reading) and (e.metric, e.bed) == ("ppg.rhythm", bed)]


@pytest.fixture(scope="module", params=[True, False], ids=["a microphone", "a pulse sensor alone"])
def listens(request):
    return request.param


@pytest.fixture(scope="module")
def changed(listens):
    return heard_around(site="MV" if listens else "none", listens=listens, person="p2")


def test_windows_and_the_rhythm_of_the_last_minutes_begin_anew(changed):
    before, after = ([r for r in rhythms(changed, "bed1") if (r.t > CHANGED_S) is late] for late in (False, True))
    assert before[-1].detail["before_s"] > 40.0
    told = [r for r in after if r.value is not None]
    assert {r.reason for r in after if r.t < CHANGED_S + 10.0} == {"warming_up"}
    assert (told[0].t, told[0].detail["before_s"]) == (CHANGED_S + 10.0, 0.0)
    assert [r.detail["before_s"] > 0.0 for r in told] == [False] * 5 + [True] * (len(told) - 5)


def test_who_lies_in_another_bed_is_heard_on(changed):
    told = [r for r in rhythms(changed, "bed2") if r.value is not None]
    assert told[-1].detail["before_s"] > 80.0
    assert {e.epoch for e in changed if isinstance(e, Block) and e.stream == "bed2-node/ppg"} == {0}


@pytest.mark.parametrize("said", [{"site": "AV"}, {"site": "AV", "person": "p1"}])
def test_the_same_person_is_heard_on_though_the_microphone_is_moved(said):
    told = [r for r in rhythms(heard_around(**said), "bed1") if r.value is not None]
    assert told[-1].detail["before_s"] > 80.0


def test_it_is_made_again_from_the_recording_bit_for_bit(changed, listens):
    found = Comparison()

    def of(state: MainState) -> Board:
        return board(dict(state.board), listens=listens)

    list(reproduce(changed, lanes=[*lanes("bed1"), *lanes("bed2")], board_of=of, clock=ManualClock(), found=found))
    assert found.same, found.line()
    assert found.readings == sum(isinstance(e, Reading) for e in changed)
