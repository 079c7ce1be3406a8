"""The board against a small model, written from docs/alarms.md alone: after every step the same alarms stand, in the same
presence, priority and occurrence, and the same have sounded."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.types import Command, Reading, SourceStatus

ON_S, SEVERE_S, OFF_S, AGAIN_S, LOST_S = 3.0, 1.0, 2.0, 20.0, 3.0
RULES = {
    "bed1": rules_from(
        {
            "brady": {"on_delay_s": ON_S, "severe_on_delay_s": SEVERE_S, "off_delay_s": OFF_S, "realarm_s": AGAIN_S},
            "source_lost": {"on_delay_s": LOST_S, "off_delay_s": LOST_S, "realarm_s": 0},
            "silent_s": 0,
        }
    )
}
SAYS = {42.0: ("yes", "no"), 38.0: ("yes", "yes"), 46.0: ("no", "no"), 70.0: ("no", "no"), None: ("", "")}
"""By rate: past the limit of 45, past the severe one of 40. Back within 3 bpm of a limit is neither."""
WITHIN = {46.0: 0, 42.0: 1}


class Delay:
    """Seconds of one thing said without a break; what is not known stops the watch and turns nothing back."""

    def __init__(self, on_s, off_s):
        self.on_s, self.off_s = on_s, off_s
        self.there, self.counted, self.last = False, None, ""

    def hear(self, said, step_s):
        wanted = "no" if self.there else "yes"
        if said == wanted:
            self.counted = 0.0 if self.counted is None else self.counted + (step_s if self.last == said else 0.0)
            if self.counted >= (self.off_s if self.there else self.on_s):
                self.there, self.counted = not self.there, None
        elif said == ("yes" if self.there else "no") or (said == "within" and self.there):
            self.counted = None
        self.last = said


class Model:
    """What stands of one bed's brady and of its source."""

    def __init__(self):
        self.limit, self.severe = Delay(ON_S, OFF_S), Delay(SEVERE_S, OFF_S)
        self.brady, self.high, self.was_high, self.number = "", False, False, 0
        self.heard_at = self.sounded = self.empty_until = self.quiet_until = 0.0
        self.lost, self.is_lost, self.lost_number = "", False, 0
        self.says_lost, self.said_at = False, None
        self.sounds = []

    def rate(self, t, bpm):
        if t < self.empty_until:
            return
        step_s, self.heard_at = t - self.heard_at, t
        for i, one in enumerate((self.limit, self.severe)):
            one.hear("within" if WITHIN.get(bpm) == i else SAYS[bpm][i], step_s)
        there, high = self.limit.there or self.severe.there, self.severe.there
        if not there and self.brady in ("on", "ack"):
            self.brady = "latched" if self.brady == "on" and self.was_high else ""
        elif there and (self.brady in ("", "latched") or high > self.high):
            self.number += self.brady == ""
            self.was_high = high or (self.was_high and self.brady != "")
            self.brady, self.high = "on", high
            self._sound("brady", t)
        elif there:
            self.high = high

    def source(self, t, lost):
        if lost != self.says_lost:
            self.says_lost, self.said_at = lost, t

    def clock(self, t):
        if self.said_at is not None and t >= self.said_at + LOST_S and self.is_lost != self.says_lost:
            self.is_lost = self.says_lost
            self.lost = "on" if self.is_lost else ""
            self.lost_number += self.is_lost
            if self.is_lost:
                self.sounds.append("source_lost")
        if self.quiet_until and t >= self.quiet_until:  # the end of a pause sounds what nobody has acknowledged
            self.sounded = max(self.sounded, self.quiet_until if self.brady == "on" else 0.0)
            self.quiet_until = 0.0
        if not self.quiet_until and self.brady in ("on", "ack") and t >= self.sounded + AGAIN_S:
            self.brady = "on"
            self._sound("brady", t)

    def _sound(self, which, t):
        self.sounded = t
        self.sounds.append(which)

    def command(self, t, name):
        if name == "ack":
            self.sounded = t if self.brady == "on" else self.sounded
            self.brady = {"on": "ack", "latched": ""}.get(self.brady, self.brady)
        elif name == "ack source":
            self.lost = "ack" if self.lost else ""
        elif name == "reset":
            self.brady = "" if self.brady == "latched" else self.brady
        elif name == "pause":
            self.quiet_until = t + 10.0
        elif name == "standby":
            self.empty_until = t + 10.0
            self.limit, self.severe, self.brady = Delay(ON_S, OFF_S), Delay(SEVERE_S, OFF_S), ""


def board(boot="a", state=None):
    return Board(RULES, boot=boot, state=state, shift_s=0.0)


DONE = ["offline", "online", "ack", "ack", "ack source", "reset", "pause", "standby", "restart", "wait"]
STEPS = st.one_of(
    st.tuples(st.sampled_from([42.0, 38.0, 46.0, 70.0, None]), st.integers(1, 4)),
    st.tuples(st.sampled_from([42.0, 38.0, 70.0]), st.sampled_from([3, 12, 25])),
    st.tuples(st.sampled_from(DONE), st.just(1)),
).map(lambda step: [step[0]] * step[1])


@pytest.mark.parametrize("restarts", ["as the same run", "as another run"])
@settings(max_examples=100, deadline=None, derandomize=True)
@example(steps=[[38.0] * 2, ["ack"], [70.0] * 3, [38.0] * 2])  # the next occurrence sounds though that was acknowledged
@example(steps=[[38.0] * 2, ["ack"], [70.0] * 3, [42.0] * 4, [70.0] * 3])  # and latches for its own priority alone
@example(steps=[[42.0] * 9, ["ack"], [42.0] * 30])  # it sounds again so long after it was acknowledged
@example(steps=[[42.0] * 4, [70.0], [46.0], [70.0], [42.0] * 4])  # what is near the limit again is not over
@example(steps=[["offline"], ["wait"] * 4, ["ack source"], ["online"], ["wait"], ["offline"], ["wait"]])  # a loose plug
@given(steps=st.lists(STEPS, min_size=5, max_size=20))
def test_what_stands_and_what_sounds_is_what_the_documents_say(restarts, steps):
    one, model, sounds, t, runs = board(), Model(), [], 0.0, 0

    def hear(told):
        changes = ("raised", "returned", "escalated", "realarmed", "widened")
        sounds.extend(alarm.condition for alarm in told if alarm.evidence["change"] in changes)

    for number, step in enumerate(step for run in steps for step in run):
        t += 1.0
        if step in ("offline", "online"):
            model.source(t, step == "offline")
            hear(one.update(SourceStatus("node", "bed1", t, step)))
        elif step == "restart":
            state = json.loads(json.dumps(one.snapshot()))
            runs += restarts == "as another run"
            one = board(f"r{runs}", state)
            hear(one.update(SourceStatus("node", "bed1", t, "offline" if model.says_lost else "online")))
        elif isinstance(step, str) and step != "wait":
            name, _, of_source = step.partition(" ")
            seconds = {"pause": 10.0, "standby": 10.0}.get(name)
            alarm_id = {"ack": "bed1/source_lost/node" if of_source else "bed1/brady"}.get(name, "")
            model.command(t, step)
            hear(one.command(Command(name, "bed1", t, f"c{number}", "x", id=alarm_id, seconds=seconds))[1])
        elif step != "wait":
            model.rate(t, step)
            quality, reason = (0.0, "motion") if step is None else (0.9, "")
            hear(one.update(Reading("ppg.hr", t, step, "bpm", quality, reason, bed="bed1", source="node")))
        model.clock(t)
        hear(one.tick(t))
        stands = {a.condition: (a.presence, a.priority, a.occurrence) for a in one.active()}
        brady, lost = stands.get("brady", ("", "", "")), stands.get("source_lost", ("", "", ""))
        assert (brady[0], brady[1] == "high") == (model.brady, model.high and model.brady != ""), (t, step)
        assert lost[0] == model.lost, (t, step)
        assert sounds == model.sounds, (t, step)
        for (presence, _, occurrence), times in ((brady, model.number), (lost, model.lost_number)):
            assert not presence or occurrence.rpartition(".")[2] == str(times), (t, step)
