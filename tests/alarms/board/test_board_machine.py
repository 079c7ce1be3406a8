"""The board as a state machine: random readings, states, commands and restarts against the rules of the life cycle."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from board_rules import BEDS, BY_A_PERSON, BY_THE_CLOCK, HELD, NEXT, OF_DELIVERY, SETTINGS, SOURCES
from edge.alarms.auscultation import SITES, Place
from edge.alarms.bed import SETTLED_S
from edge.alarms.board import Board
from edge.alarms.conditions import PER_SOURCE
from edge.alarms.delivery import Chain, Role
from edge.alarms.rules import rules_from
from edge.dsp.pcg.decision import FEATURES, Calibration
from edge.types import PRIORITIES, Alarm, Command, Fault, Reading, SourceStatus

LINE = (1.0, 0.0, 0.0, 0.5)
WEIGHTS = np.zeros((3, len(FEATURES) + 1))
WEIGHTS[0, 0], WEIGHTS[2, 0] = 1.0, -1.0  # the loudest site decides
CALIBRATION = Calibration(LINE, LINE, LINE, 0.5, 0.5, np.zeros(len(FEATURES)), np.ones(len(FEATURES)), WEIGHTS)
PLACES = {bed: Place("p1", "MV", CALIBRATION) for bed in BEDS}
CHAIN = Chain((Role("station", 3.0), Role("charge", 5.0)))


class Life(RuleBasedStateMachine):
    @initialize(boot=st.sampled_from(["a", "b-1"]))
    def begin(self, boot):
        self.rules = {bed: rules_from(SETTINGS) for bed in BEDS}
        self.boot = boot
        self.board = Board(self.rules, boot=boot, chain=CHAIN, places=PLACES)
        self.shadow = None
        self.lies = dict.fromkeys(BEDS, "p1")
        self.t = 0.0
        self.number = self.runs = 0
        self.seq = {}
        self.shown: dict[str, Alarm] = {}
        self.top: dict[str, str] = {}
        self.over = set()
        self.seen_occurrences = set()

    # what happens

    @rule(dt=st.sampled_from([0.25, 1.0, 1.0, 1.0, 2.0, 7.0, 30.0]))
    def time_passes(self, dt):
        self.t += dt
        told = self._both(lambda board: board.tick(self.t))
        for alarm in told:
            assert alarm.evidence["change"] in BY_THE_CLOCK
            if alarm.evidence["change"] == "realarmed":
                assert self.board.paused_until(alarm.bed) is None
                assert "shelved_until" not in alarm.evidence
            if alarm.kind == "physiological":
                assert alarm.evidence["change"] in OF_DELIVERY, "event time drives physiology"

    @rule(
        bed=st.sampled_from(BEDS),
        bpm=st.sampled_from([30.0, 43.0, 46.0, 70.0, 140.0]),
        times=st.integers(1, 6),
        quality=st.sampled_from([0.1, 0.9, 0.9]),
    )
    def heart_rate(self, bed, bpm, times, quality):
        for _ in range(times):
            self.t += 1.0
            told = self._update(Reading("ppg.hr", self.t, bpm, "bpm", quality, bed=bed, source="node"))
            if quality < 0.2:
                self._nothing_physiological(told)

    @rule(bed=st.sampled_from(BEDS), word=st.sampled_from(["af", "af", "sinus"]), times=st.integers(1, 4))
    def rhythm(self, bed, word, times):
        for _ in range(times):
            self.t += 1.0
            self._update(Reading("ppg.rhythm", self.t, word, "", 0.8, bed=bed, source="node"))

    @rule(
        bed=st.sampled_from(BEDS),
        metric=st.sampled_from(["ppg.hr", "ppg.rhythm", "pcg.murmur", "camera.hr"]),
        reason=st.sampled_from(["motion", "low_quality", "sensor_off", "gap", "warming_up", "model_fault", "standby"]),
        times=st.integers(1, 6),
    )
    def nothing_known(self, bed, metric, reason, times):
        source = "cam" if metric == "camera.hr" else "node"
        for _ in range(times):
            self.t += 1.0
            told = self._update(Reading(metric, self.t, None, "", 0.0, reason, bed=bed, source=source))
            self._nothing_physiological(told)

    @rule(bed=st.sampled_from(BEDS), murmur=st.sampled_from([-5.0, 5.0]), times=st.integers(1, 7))
    def heart_sound(self, bed, murmur, times):
        scores = {"murmur": murmur, "unknown": -5.0, "foreign": -5.0, "periodicity": 0.8, "low": -0.3, "high": -3.0}
        for _ in range(times):
            self.t += 1.0
            detail = {"scores": scores, "complete": True, "decision": "absent"}
            heard = Reading("pcg.murmur", self.t, 0.5, "", 0.9, "", detail, bed, "node")
            self._both(lambda board, heard=heard: board.update(board.locate(heard)))

    @rule(bed=st.sampled_from(BEDS), site=st.sampled_from([*SITES, "none"]), person=st.sampled_from(["", "p1", "p2"]))
    def microphone(self, bed, site, person):
        result, told = self._command("site", bed, site=site, person=person)
        assert result.ok, result.text
        if person in ("", self.lies[bed]):
            assert told == [], "to move the microphone raises and ends nothing"
            return
        self.lies[bed] = person
        assert all(a.kind == "technical" for a in self.shown.values() if a.bed == bed), (
            "what was somebody else's is over"
        )
        for _ in range(round(SETTLED_S)):
            self._rate(bed, 30.0)
        assert f"{bed}/brady" not in self.shown, "what was still on its way may be somebody else's"

    @rule(bed=st.sampled_from(BEDS), source=st.sampled_from(SOURCES), state=st.sampled_from(["online", "offline"]))
    def source(self, bed, source, state):
        self._update(SourceStatus(source, bed, self.t, state))

    @rule(condition=st.sampled_from(["overload", "outbox_full", "clock_step"]), present=st.booleans())
    def fault(self, condition, present):
        self._update(Fault(condition, self.t, present))

    @rule(pick=st.integers(0, 20), stale=st.booleans(), by_id=st.booleans())
    def acknowledge(self, pick, stale, by_id):
        known = sorted(self.over) if stale else sorted(a.occurrence for a in self.shown.values())
        if not known:
            return
        named = known[pick % len(known)]
        alarm = next((a for a in self.shown.values() if a.occurrence == named), None)
        bed = alarm.bed if alarm else named.split(".")[1]
        alarm_id = alarm.id if alarm and by_id else ""
        before = dict(self.shown)
        result, told = self._command("ack", bed, id=alarm_id, occurrence="" if alarm_id else named)
        assert result.ok == (alarm is not None), result.text
        if alarm is not None:
            now = self.shown.get(alarm.id)
            assert now is None if alarm.presence == "latched" else now.presence == "ack"
        for transition in told:
            assert transition.occurrence == named, "acknowledging one leaves the others"
        for alarm_id, was in before.items():
            if was.occurrence != named:
                assert self.shown[alarm_id].presence == was.presence

    @rule(bed=st.sampled_from(BEDS))
    def acknowledge_all_one_by_one(self, bed):
        for alarm in [a for a in self.shown.values() if a.bed == bed]:
            self._command("ack", bed, occurrence=alarm.occurrence)
        assert {a.presence for a in self.shown.values() if a.bed == bed} <= {"ack"}

    @rule(bed=st.sampled_from(BEDS), bpm=st.sampled_from([38.0, 43.0]))
    def an_acknowledged_alarm_ends(self, bed, bpm):
        for rate in [bpm] * 5:
            self._rate(bed, rate)
            for alarm in [a for a in self.shown.values() if a.id == f"{bed}/brady"]:
                self._command("ack", bed, occurrence=alarm.occurrence)
        for rate in [None] + [70.0] * 4:
            self._rate(bed, rate)
        assert f"{bed}/brady" not in self.shown, "what was acknowledged ends with its condition"

    @rule(bed=st.sampled_from(BEDS))
    def a_severe_spell_nobody_sees(self, bed):
        self._command("standby", bed, seconds=0)
        for rate in [30.0] * 3:
            self._rate(bed, rate)
        seen = self.shown[f"{bed}/brady"].presence == "ack"
        for rate in [70.0] * 4:
            self._rate(bed, rate)
        left = self.shown.get(f"{bed}/brady")
        assert (left is None) if seen else (left.presence == "latched")

    @rule(bed=st.sampled_from(BEDS), holes=st.lists(st.integers(0, 3), min_size=3, max_size=3))
    def poor_signal_only_pauses(self, bed, holes):
        self._command("standby", bed, seconds=0)
        for hole in holes:
            for rate in [43.0, 43.0] + [None] * hole:
                self._rate(bed, rate)
        assert self.shown[f"{bed}/brady"].presence in ("on", "ack"), "3 s of slow beats were seen"

    def _rate(self, bed, rate):
        self.t += 1.0
        quality, reason = (0.0, "motion") if rate is None else (0.9, "")
        self._update(Reading("ppg.hr", self.t, rate, "bpm", quality, reason, bed=bed, source="node"))

    @rule(bed=st.sampled_from(BEDS), seconds=st.sampled_from([0, 5, 30, 700, -1, None]))
    def pause(self, bed, seconds):
        before = {a: x.presence for a, x in self.shown.items()}
        result, _ = self._command("pause", bed, seconds=seconds)
        assert result.ok == (seconds in (0, 5, 30))
        assert {a: x.presence for a, x in self.shown.items()} == before

    @rule(bed=st.sampled_from(BEDS), seconds=st.sampled_from([0, 5, 30, None]))
    def standby(self, bed, seconds):
        self._command("standby", bed, seconds=seconds)
        if seconds:
            assert self.board.standby_until(bed, self.t) == self.t + seconds
            left = [a for a in self.shown.values() if a.bed == bed and a.kind == "physiological"]
            assert left == []
        elif seconds == 0:
            assert self.board.standby_until(bed, self.t) is None

    @precondition(lambda self: self.shown)
    @rule(pick=st.integers(0, 20), seconds=st.sampled_from([0, 5, 30]))
    def shelve(self, pick, seconds):
        alarm = self.shown[sorted(self.shown)[pick % len(self.shown)]]
        before = {a: x.presence for a, x in self.shown.items()}
        result, told = self._command("shelve", alarm.bed, id=alarm.id, seconds=seconds)
        assert result.ok
        assert {a.id for a in told} <= {alarm.id}
        assert {a: x.presence for a, x in self.shown.items()} == before

    @precondition(lambda self: self.shown)
    @rule(pick=st.integers(0, 20), role=st.sampled_from(["station", "charge", "nobody"]), stale=st.booleans())
    def receive(self, pick, role, stale):
        alarm = self.shown[sorted(self.shown)[pick % len(self.shown)]]
        named = "long ago" if stale else alarm.occurrence
        result, told = self._command("received", alarm.bed, id=alarm.id, occurrence=named, role=role)
        assert result.ok == (role != "nobody" and not stale)
        assert len(told) == (result.ok and self._waits(alarm))
        if result.ok:
            assert not self._waits(self.shown[alarm.id]), "received once is received"

    @rule(bed=st.sampled_from((*BEDS, "_device")), seconds=st.sampled_from([None, None, 0]))
    def drill(self, bed, seconds):
        before = {a: x.presence for a, x in self.shown.items() if a != f"{bed}/drill"}
        result, told = self._command("drill", bed, seconds=seconds)
        assert result.ok
        assert all(a.drill and a.id == f"{bed}/drill" for a in told)
        assert {a: x.presence for a, x in self.shown.items() if a != f"{bed}/drill"} == before
        assert (f"{bed}/drill" in self.shown) == (seconds is None)

    @staticmethod
    def _waits(alarm):
        told = alarm.delivery
        return bool(told) and not told["received"] and (told["annunciator"] or alarm.presence != "ack")

    @rule(bed=st.sampled_from(BEDS))
    def reset(self, bed):
        latched = {a for a, x in self.shown.items() if x.bed == bed and x.presence == "latched"}
        _, told = self._command("reset", bed)
        assert {a.id for a in told} == latched

    @precondition(lambda self: self.number > 0)
    @rule(pick=st.integers(1, 50))
    def repeat_a_command(self, pick):
        """Whatever was asked before, asked again under its own id, does nothing."""
        number = self.number - pick % min(self.number, 20)
        for bed in BEDS:
            if f"c{number}" in json.loads(json.dumps(self.board.snapshot()))["beds"][bed]["answered"]:
                command = Command("ack", bed, self.t, f"c{number}", "x")
                assert self._both(lambda board, command=command: board.command(command))[1] == []

    @rule()
    def restart(self):
        """From here on a second board, made from what the first one saved, must tell the same."""
        self.shadow = Board(self.rules, boot=self.boot, state=self._saved(), chain=CHAIN, shift_s=0.0, places=PLACES)

    @rule()
    def restart_for_good(self):
        self.board = Board(self.rules, boot=self.boot, state=self._saved(), chain=CHAIN, shift_s=0.0, places=PLACES)

    @rule()
    def restart_as_another_run(self):
        """What only the last run could know is in doubt for a minute; everything else stands as it stood."""
        self.runs += 1
        self.boot, self.shadow = f"r{self.runs}", None
        self.board = Board(self.rules, boot=self.boot, state=self._saved(), chain=CHAIN, shift_s=0.0, places=PLACES)

    def _saved(self):
        return json.loads(json.dumps(self.board.snapshot()))

    # what must hold

    def _both(self, call):
        told = call(self.board)
        if self.shadow is not None:
            assert call(self.shadow) == told
        transitions = told[1] if isinstance(told, tuple) else told
        for alarm in transitions:
            self._check(alarm)
        return told

    def _update(self, event):
        return self._both(lambda board: board.update(event))

    def _command(self, name, bed, **kw):
        self.number += 1
        command = Command(name, bed, self.t, f"c{self.number}", "x", **kw)
        result, told = self._both(lambda board: board.command(command))
        assert all(a.evidence["change"] in BY_A_PERSON for a in told)
        assert all(a.bed == bed for a in told)
        return result, told

    def _nothing_physiological(self, told):
        assert [a for a in told if a.kind == "physiological"] == [], "no value neither raises nor clears"

    def _check(self, alarm):
        assert alarm.seq == self.seq.get(alarm.bed, 0) + 1, "numbers have no gaps"
        self.seq[alarm.bed] = alarm.seq
        assert alarm.id.split("/")[0] == alarm.bed
        assert (len(alarm.id.split("/")) == 3) == (alarm.condition in PER_SOURCE)
        assert alarm.since <= alarm.t <= self.t
        json.dumps(alarm.evidence)
        change, was = alarm.evidence["change"], self.shown.get(alarm.id)
        froms, tos = NEXT[change]
        assert (was.presence if was else "") in froms, (change, was)
        assert alarm.presence in tos
        if change == "raised":
            assert alarm.occurrence not in self.seen_occurrences, "a new occurrence has a new id"
            self.seen_occurrences.add(alarm.occurrence)
            self.top[alarm.id] = alarm.priority
        else:
            assert alarm.occurrence == was.occurrence
            assert alarm.t >= was.t, "the story of an occurrence goes forward"
        rank = PRIORITIES.index
        if change == "unconfirmed":
            assert alarm.delivery["annunciator"], "nobody answered: the place itself is told"
            assert not was.delivery["received"]
        if change in ("raised", "returned", "escalated", "realarmed", "widened"):
            asked = alarm.drill or rank(alarm.priority) >= rank("medium")
            assert not asked or self._waits(alarm), "whoever is alarmed again is asked again"
        assert alarm.drill == (alarm.condition == "drill")
        if change == "escalated":
            assert rank(alarm.priority) > rank(was.priority)
        if change in HELD:
            assert alarm.presence == was.presence
        if change == "deescalated":
            assert rank(alarm.priority) < rank(was.priority)
        self.top[alarm.id] = max(self.top[alarm.id], alarm.priority, key=rank)
        if change == "latched":
            assert self.top[alarm.id] == "high"
        if change == "cleared" and was.presence == "on":
            assert self.top[alarm.id] != "high", "a high alarm does not go away unseen"
        if alarm.presence == "off":
            del self.shown[alarm.id]
            self.over.add(alarm.occurrence)
        else:
            assert alarm.occurrence not in self.over
            self.shown[alarm.id] = alarm

    @invariant()
    def what_stands_is_what_was_told(self):
        if not hasattr(self, "board"):
            return
        standing = {a.id: (a.occurrence, a.presence, a.priority, a.delivery) for a in self.board.active()}
        assert standing == {a: (x.occurrence, x.presence, x.priority, x.delivery) for a, x in self.shown.items()}

    @invariant()
    def what_is_acknowledged_or_received_rings_nowhere(self):
        if hasattr(self, "board"):
            for alarm in self.shown.values():
                if alarm.presence == "ack" or alarm.delivery.get("received"):
                    assert not alarm.delivery.get("annunciator")

    def teardown(self):
        if hasattr(self, "board"):
            assert len(json.dumps(self.board.snapshot())) < 200_000, "state is bounded"


QUICK = settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


def test_life_cycle_in_random_stories():
    run_state_machine_as_test(Life, settings=settings(QUICK, derandomize=True))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_life_cycle_in_two_thousand_random_stories(part):
    """In four parts, for two cores."""
    run_state_machine_as_test(Life, settings=settings(QUICK, max_examples=500, stateful_step_count=50))
