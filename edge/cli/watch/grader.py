"""Judges a device by what it publishes, against the public contract. Pure: messages in, findings out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import Any

from edge.cli.watch.grade_ack import AckTrial
from edge.cli.watch.grade_discovery import faults_of
from edge.cli.watch.grade_fields import ALARM, EVENT, READING, STAMP, STATUS, WILL, known, unix, wrong
from edge.plain import object_of
from edge.types import SOURCE_STATES

MAX_AGE_S = 30.0  # a reading older than this when it arrives is stale
MAX_SKEW_S = 5.0
DEAD_S = 25.0  # a device silent for so long is gone: one and a half keep-alives of 15 s, and some
SETTLED_S = 2.0  # an alarm that changed so short ago may still be on its way to its topic


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check: ``ok``, ``FAIL`` or ``skip`` (nothing to judge it by)."""

    check: str
    state: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.state:<4} {self.check:<28} {self.text}".rstrip()


@dataclass(slots=True)
class Grader:
    """Feed it every message of a device, and what a late listener finds; ``verdicts`` at the end.

    After ``cut_at`` the device is expected to be gone: from then on only its will is judged.
    """

    root: str
    discovery_topic: str
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _reading_seq: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    _event_seq: dict[str, tuple[Any, Any, int]] = field(default_factory=dict)
    _events: set[tuple[str, int]] = field(default_factory=set)
    answers: dict[str, bool] = field(default_factory=dict)
    beds: set[str] = field(default_factory=set)
    last_live: float | None = None
    state: str = ""
    trial: AckTrial | None = None
    cut_at: float | None = None
    offline_at: float | None = None
    _ages: list[tuple[float, str]] = field(default_factory=list)
    _newest: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    _skews: list[float] = field(default_factory=list)
    _synced: bool = True
    _presence: dict[str, tuple[str, float]] = field(default_factory=dict)
    _sources: set[str] = field(default_factory=set)
    _late: dict[str, bytes] | None = None
    _discovered: bytes | None = None

    def feed(self, topic: str, payload: bytes, *, retain: bool, qos: int, arrival: float) -> None:
        """Take one message; arrival: Unix time, s."""
        if topic == self.discovery_topic:
            self._discovered = payload
            return
        if not topic.startswith(f"{self.root}/"):
            return
        parts = topic.removeprefix(f"{self.root}/").split("/")
        ours = "cmd" in parts and parts[-1] != "result"  # commands, the grader's own among them
        if not retain and not ours and parts != ["status"]:
            self.last_live = arrival
        if not payload or ours:
            return
        fields = self._load(topic, payload)
        if fields is None:
            return
        if parts == ["status"]:
            self._status(fields, qos, arrival)
        elif parts[0] == "source" and parts[-1] == "status":
            self._sources.add(topic)
            self._note("source status", fields.get("state") in SOURCE_STATES, f"state {fields.get('state')!r}")
        elif len(parts) == 3 and parts[1] == "reading":
            self.beds.add(parts[0])
            self._reading(parts[0], parts[2], fields, retain=retain, qos=qos, arrival=arrival)
        elif len(parts) >= 3 and parts[1] == "alarm":
            self._alarm("/".join((parts[0], *parts[2:])), fields, qos)
        elif len(parts) == 2 and parts[1] == "event":
            self._event(parts[0], fields, retain=retain, qos=qos, arrival=arrival)
        elif retain:
            return  # judged by what a late listener finds
        elif parts[-2:] == ["cmd", "result"]:
            self.answers[str(fields.get("command_id"))] = bool(fields.get("ok"))
            self._clock(fields, "t", arrival)
        elif parts in (["stats"], ["heartbeat"]):
            self._note(parts[0], qos == 0, f"QoS {qos}")
            self._clock(fields, "t", arrival)

    def late(self, topic: str, payload: bytes) -> None:
        """A retained message that somebody finds who subscribes only now."""
        self._late = self._late or {}
        self._late[topic] = payload

    def judge_late(self, now: float) -> None:
        """All that is retained was told by ``late``: is it what has to be, and nothing else?"""
        late = self._late or {}
        for topic in (f"{self.root}/status", *sorted(self._sources)):
            self._note("retained", topic in late, f"{topic} is not retained")
        alarms = set()
        for topic in late:
            parts = topic.removeprefix(f"{self.root}/").split("/")
            if len(parts) >= 3 and parts[1] == "alarm":
                alarms.add("/".join((parts[0], *parts[2:])))
            elif parts[-1] != "status" and not (len(parts) == 2 and parts[1] == "state"):
                self._note("retained", False, f"{topic} is retained")
        for alarm_id, (presence, at) in self._presence.items():
            if now - at >= SETTLED_S:
                ok = (alarm_id in alarms) is (presence != "off")
                self._note(
                    "retained",
                    ok,
                    f"{alarm_id} is {presence} and its topic is {'empty' if presence != 'off' else 'not'}",
                )

    def verdicts(self, *, asked: str = "", replied: bool = False) -> list[Verdict]:
        """All checks. asked: id of a command sent; replied: it was answered on its response topic."""
        self._judge_ages()
        self._judge_skew()
        if self._discovered is not None:
            faults = faults_of(self._discovered, self.root, self.beds)
            self._note("discovery", not faults, "; ".join(faults))
        names = (
            "payload", "status", "source status", "reading", "reading value", "reading age", "reading seq",
            "alarm", "event", "event seq", "stats", "heartbeat", "retained", "clock skew", "discovery",
        )  # fmt: skip
        found = [self._verdict(name) for name in names]
        if asked:
            ok = self.answers.get(asked) is False and replied
            text = "" if ok else "no answer" if asked not in self.answers else "an unknown alarm was acknowledged"
            text = text or ("" if replied else "no answer on the response topic")
            found.append(Verdict("command answered", "ok" if ok else "FAIL", text))
        else:
            found.append(Verdict("command answered", "FAIL", "no bed to send one to"))
        return [*found, self._ack_round_trip(), self._will()]

    def _verdict(self, name: str) -> Verdict:
        faults, seen = self.faults.get(name, []), self.seen.get(name, 0)
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            return Verdict(name, "FAIL", faults[0] + more)
        if seen:
            return Verdict(name, "ok", f"{seen} judged")
        if name == "clock skew" and not self._synced:
            return Verdict(name, "skip", "the device says that no time server keeps its clock")
        must = name in ("payload", "status", "reading", "discovery")
        return Verdict(name, "FAIL" if must else "skip", "nothing was published")

    def _ack_round_trip(self) -> Verdict:
        if self.trial is None:
            return Verdict("ack round trip", "skip", "--drill tries it with a test alarm")
        lacking = self.trial.lacking
        if not lacking:
            return Verdict("ack round trip", "ok", ", ".join(self.trial.STEPS))
        text = f"a drill was not {lacking[0]}" + (f": {self.trial.answer}" if self.trial.answer else "")
        return Verdict("ack round trip", "FAIL", text)

    def _will(self) -> Verdict:
        if self.cut_at is None:
            faults = self.faults.get("will")
            return Verdict("will", "FAIL", faults[0]) if faults else Verdict("will", "skip", "--cut COMMAND tries it")
        if self.offline_at is None:
            return Verdict("will", "FAIL", f"cut off, and {DEAD_S:g} s later its status still says {self.state!r}")
        faults = self.faults.get("will")
        if faults:
            return Verdict("will", "FAIL", faults[0])
        return Verdict("will", "ok", f"offline {self.offline_at - self.cut_at:.1f} s after it was cut off")

    def judge_silence(self, now: float) -> None:
        """At the end: a device that fell silent while its status says online left no will."""
        silent_s = 0.0 if self.last_live is None else now - self.last_live
        if self.state == "online" and silent_s >= DEAD_S:
            self.faults["will"].append(f"nothing was heard for {silent_s:.0f} s, yet its status says online")

    def judge_will(self, retained: bytes | None) -> None:
        """After a cut: the status that a late listener finds."""
        fields = object_of(retained or b"") or {}
        if fields.get("state") != "offline":
            self.faults["will"].append("the offline status is not retained")

    def _note(self, check: str, ok: bool, text: str) -> None:
        self.seen[check] += 1
        if not ok:
            self.faults[check].append(text)

    def _load(self, topic: str, payload: bytes) -> dict[str, Any] | None:
        fields = object_of(payload)
        if fields is None:
            self._note("payload", False, f"{topic}: not a JSON object")
            return None
        why = wrong(fields, WILL if "connected_at" in fields else STAMP)
        self._synced = self._synced and fields.get("clock_synced") is not False
        self._note("payload", not why, f"{topic}: {why}")
        return fields

    def _status(self, fields: dict[str, Any], qos: int, arrival: float) -> None:
        self.state = state = str(fields.get("state"))
        if state == "offline" and "connected_at" not in fields:
            self.faults["will"].append("an offline status without connected_at")
        if self.cut_at is not None:
            if state == "offline" and self.offline_at is None:
                self.offline_at = arrival
            return
        why = wrong(fields, STATUS)
        ok = not why and qos == 1 and state == "online"
        self._note("status", ok, f"state {state!r}, QoS {qos}{why and f', {why}'}")

    def _reading(
        self, bed: str, metric: str, fields: dict[str, Any], *, retain: bool, qos: int, arrival: float
    ) -> None:
        why = "retained" if retain else f"QoS {qos}" if qos else wrong(fields, READING)
        self._note("reading", not why, f"{bed}/{metric}: {why}")
        value, reason = fields.get("value"), fields.get("reason")
        what = "null" if value is None else "a value"
        self._note("reading value", known(value, reason), f"{bed}/{metric}: {what} with reason {reason!r}")
        key, boot, t = (bed, metric), str(fields.get("boot")), str(fields.get("t"))
        lane = (f"{bed}/{metric}", str(fields.get("source")))
        if not retain:
            age = (arrival - unix(fields.get("t")), f"{bed}/{metric}")
            self._ages = [min([*self._ages, age]), max([*self._ages, age])]
            again = self._newest.get(lane) == (boot, t)
            self._note("reading age", not again, f"{bed}/{metric}: the reading of {t} was sent again")
            self._newest[lane] = (boot, t)
        seq = fields.get("seq")
        if isinstance(seq, int):
            before = self._reading_seq.get(key)
            if before is not None and before[0] == boot:
                self._note("reading seq", seq == before[1] + 1, f"{bed}/{metric}: {before[1]} then {seq}")
            self._reading_seq[key] = (boot, seq)

    def _clock(self, fields: dict[str, Any], key: str, arrival: float) -> None:
        """A stamp made when the message was sent."""
        skew_s = arrival - unix(fields.get(key))
        if abs(skew_s) != inf:
            self._skews.append(skew_s)

    def _judge_skew(self) -> None:
        if not self._skews:
            return
        skew_s = min(self._skews)  # a message may wait on its way; none arrives before it is sent
        right = abs(skew_s) <= MAX_SKEW_S
        if right or self._synced:
            self._note("clock skew", right, f"its clock is {-skew_s:+.1f} s from the one here")

    def _judge_ages(self) -> None:
        skew_s = median(self._skews) if self._skews else 0.0
        for age_s, what in self._ages:
            true_s = age_s - skew_s
            self._note("reading age", -MAX_SKEW_S <= true_s <= MAX_AGE_S, f"{what}: {true_s:.1f} s old on arrival")

    def _alarm(self, alarm_id: str, fields: dict[str, Any], qos: int) -> None:
        why = wrong(fields, ALARM) or ("" if fields["id"] == alarm_id else f"its id is {fields['id']!r}")
        what = f"presence {fields.get('presence')!r}, QoS {qos}{why and f', {why}'}"
        self._note("alarm", not why and fields["presence"] != "off" and qos == 1, f"{alarm_id}: {what}")

    def _event(self, bed: str, fields: dict[str, Any], *, retain: bool, qos: int, arrival: float) -> None:
        why = wrong(fields, EVENT) or ("" if fields["id"].startswith(f"{bed}/") else f"its id is {fields['id']!r}")
        late_s = 0.0 if why or fields["historical"] else unix(fields["published"]) - unix(fields.get("t"))
        why = why or (f"sent {late_s:.0f} s late, and not historical" if MAX_AGE_S < late_s < inf else "")
        ok = not why and not retain and qos == 1
        self._note("event", ok, f"{bed}: retained {retain}, QoS {qos}{why and f', {why}'}")
        seq, occurrence = fields.get("seq"), str(fields.get("occurrence"))
        if not isinstance(seq, int) or (occurrence, seq) in self._events:
            return  # at least once: the same again is allowed
        self._events.add((occurrence, seq))
        self._presence[str(fields.get("id"))] = (str(fields.get("presence")), arrival)
        self._clock(fields, "published", arrival)
        before, epoch, boot = self._event_seq.get(bed), fields.get("epoch"), fields.get("boot")
        if before is not None:
            anew = epoch != before[0] and boot != before[1]  # numbers are lost with a run, never within one
            self._note("event seq", seq == before[2] + 1 or anew, f"{bed}: {before[2]} then {seq}")
        self._event_seq[bed] = (epoch, boot, seq)
