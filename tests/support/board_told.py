"""A board that is told readings and commands, and what it says, in short."""

from __future__ import annotations

import json

from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.types import Command, Reading

QUICK = {
    "brady": {"on_delay_s": 2, "severe_on_delay_s": 0, "off_delay_s": 1, "realarm_s": 100},
    "af": {"k": 1, "n": 1, "off_delay_s": 0},
    "murmur": {"k": 1, "n": 1, "off_delay_s": 0},
    "sensor_off": {"on_delay_s": 1, "off_delay_s": 0},
}


def board(rules=None, beds=("bed1",), boot="boot", **kw):
    return Board({bed: rules_from(QUICK if rules is None else rules) for bed in beds}, boot=boot, **kw)


def hr(t, value, *, bed="bed1", source="node", metric="ppg.hr", reason="", **detail):
    quality = 0.0 if value is None else 0.9
    return Reading(metric, t, value, "bpm", quality, reason, detail, bed, source)


def rates(one, values, start=0.0, **kw):
    """Feed one rate a second (None = poor signal); (t, presence, what changed) of every transition."""
    told = []
    for i, value in enumerate(values):
        told += one.update(hr(start + i, value, reason="low_quality" if value is None else "", **kw))
    return [(a.t, a.presence, a.evidence["change"]) for a in told if a.kind == "physiological"]


def say(name, t=100.0, bed="bed1", **kw):
    say.count += 1
    return Command(name, bed, t, kw.pop("command_id", f"c{say.count}"), "nurse", **kw)


say.count = 0


def standing(one):
    return {alarm.id: alarm.presence for alarm in one.active()}


def what(alarms):
    return [(a.id, a.presence, a.evidence["change"]) for a in alarms]


def through_json(one):
    return json.loads(json.dumps(one.snapshot()))
