"""The alarm board: readings, source states and faults in, alarm transitions out; the only maker of ``Alarm``.

Event time drives physiology; ``tick`` drives only silence, states of the device, ends of pause and shelf, and re-alarm.
Pure and serialisable: ``snapshot`` at any moment, given to a new board, gives the same future, so the active set,
acknowledgements, pauses and numbers survive a restart. The same input and ``boot`` give the same occurrences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from edge.alarms.auscultation import NO_PLACE, Place
from edge.alarms.bed import NOTHING_WATCHED, Answered, Bed, evidence_of
from edge.alarms.commands import COMMANDS, asked_by, unknown
from edge.alarms.conditions import DRILL, OF_DEVICE
from edge.alarms.delivery import NOBODY, Chain
from edge.alarms.judge import judge
from edge.alarms.lifecycle import DOUBT_S, Change, Lifecycle
from edge.alarms.rules import AlarmRules
from edge.alarms.watching import alone, faulty, heard, ill_watched, silent, source_state
from edge.types import DEVICE_BED, FUSED, Alarm, BedStatus, Command, CommandResult, Fault, Reading, SourceStatus

SNAPSHOT_VERSION: Final = 1
ANSWERED_KEPT: Final = 256
COVERAGE_EVERY_S: Final = 60.0


class Board:
    """All alarm lines of all beds.

    beds: the rules of each bed (and of ``_device``, where not the shipped ones). boot: part of every occurrence's id.
    state: a ``snapshot``. With another boot its times go on from the first moment this board is told of, or are moved
    by ``shift_s``; what only the runtime can know (faults, lost sources) must then be said again within a minute.
    chain: who must confirm that alarms reached them.
    cards: model name to the SHA-256 of its card. keeps_evidence: whether each occurrence gets a recording, to be named.
    places: who lies in a bed and where its microphone sits, by the configuration.
    Raises ValueError for a state of another version or a damaged one, and for events of an unknown bed or condition.
    """

    def __init__(
        self,
        beds: Mapping[str, AlarmRules],
        *,
        boot: str = "",
        state: Mapping[str, Any] | None = None,
        shift_s: float | None = None,
        chain: Chain = NOBODY,
        cards: Mapping[str, str] | None = None,
        keeps_evidence: bool = False,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        rules = {DEVICE_BED: AlarmRules(), **beds}
        self._boot = boot
        self._t: float | None = None
        self._shift_s = shift_s
        self._doubt_until: float | None = None
        self._chain, self._cards, self._keeps_evidence = chain, dict(cards or {}), keeps_evidence
        self._places = dict(places or {})
        self._beds = {name: self._new_bed(name, rules[name]) for name in sorted(rules)}
        self._told_of = frozenset(beds) - {DEVICE_BED}
        self._saved: Mapping[str, Any] | None = None
        if state is None:
            return
        if state.get("version") != SNAPSHOT_VERSION:
            raise ValueError(f"alarm state of version {state.get('version')!r}, not {SNAPSHOT_VERSION}")
        try:
            if state["boot"] == boot:
                self._restore(state, 0.0, doubt=False)
                self._t, self._doubt_until = state["t"], state["doubt_until"]
            else:
                self._saved = state
                self._restore(state, shift_s or 0.0, doubt=True)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"alarm state is damaged: {error!r}; begin without it") from error

    def update(self, event: Reading | SourceStatus | Fault) -> list[Alarm]:
        """Take one event; the transitions it causes."""
        found = self._arrive(event.t)
        if isinstance(event, Reading):
            return found + self._reading(event)
        if isinstance(event, SourceStatus):
            return found + source_state(self._bed(event.bed), event)
        return found + faulty(self._bed(DEVICE_BED if event.condition in OF_DEVICE else event.bed), event)

    def locate(self, reading: Reading) -> Reading:
        """The reading with what is known of where its sound was heard, and without a value where nobody is in the bed; to
        be asked once, in front of ``update``."""
        bed = self._beds.get(reading.bed)
        if bed is None:
            return reading
        if bed.ignores(reading.t):
            return replace(reading, value=None, quality=0.0, reason="standby", detail={})
        return bed.auscultation.hear(reading)

    def tick(self, now: float) -> list[Alarm]:
        """Let the clock run to ``now``; the transitions of silence, device states, ends of pauses and re-alarm."""
        found = self._arrive(now)
        for bed in self._beds.values():
            bed.ticked = now
            found += silent(bed, now)
            found += _ends(bed, now)
            if now >= bed.coverage_due:
                bed.coverage_due = now + COVERAGE_EVERY_S
                found += ill_watched(bed, now)
            for line in bed.lines.values():
                silenced = bed.paused_until is not None or line.shelved_until is not None
                found += bed.tell(line, line.tick(now, silenced=silenced))
            found += bed.tell_unconfirmed(now)
        if self._doubt_until is not None and now >= self._doubt_until:
            self._doubt_until = None
            for bed, line in self._lines():
                found += bed.tell(line, line.drop_doubtful(now))
        return found

    def command(self, command: Command) -> tuple[CommandResult, list[Alarm]]:
        """Do what somebody asked for, or say why not; a repeated ``command_id`` is answered again, not done again."""
        found = self._arrive(command.t)
        bed = self._beds.get(command.bed)
        if bed is None:
            return CommandResult(command, command.t, False, f"no bed {command.bed!r} here"), found
        answer = bed.answered.get(command.command_id) if command.command_id else None
        if answer is None:
            ok, text, told = COMMANDS.get(command.name, unknown)(bed, command)
            answer = Answered(ok, text, asked_by(command))
            found += told
            if command.command_id:
                bed.answered[command.command_id] = answer
                while len(bed.answered) > ANSWERED_KEPT:
                    del bed.answered[next(iter(bed.answered))]
        elif answer.asked not in ("", asked_by(command)):
            text = f"command_id {command.command_id!r} was used for another command; nothing was done"
            return CommandResult(command, command.t, False, text), found
        return CommandResult(command, command.t, answer.ok, answer.text), found

    def active(self) -> list[Alarm]:
        """Every alarm that stands now, as a late listener must be told; no new events, no new numbers."""
        return [
            bed.alarm(line, Change("standing", line.changed_at, line.presence))
            for bed, line in self._lines()
            if line.standing
        ]

    def heartbeat(self) -> dict[str, dict[str, int | str]]:
        """By bed: the number of its last event and where numbers began, and how many alarms are standing, drills among
        them, and unconfirmed."""
        return {
            name: {
                "seq": bed.seq,
                "epoch": bed.epoch,
                "standing": sum(1 for _ in bed.standing()),
                "drills": sum(line.rule.name == DRILL for line in bed.standing()),
                "unconfirmed": bed.deliveries.unconfirmed(),
            }
            for name, bed in self._beds.items()
        }

    def statuses(self, now: float) -> list[BedStatus]:
        """Every bed of the configuration as it is now: where its microphone sits, and what silences it until when."""
        return [
            BedStatus(
                bed=name,
                t=now,
                person=bed.auscultation.person,
                site=bed.auscultation.site,
                site_since=bed.auscultation.since,
                by=bed.auscultation.by,
                paused_until=bed.paused_until,
                standby_until=self.standby_until(name, now),
            )
            for name, bed in self._beds.items()
            if name in self._told_of
        ]

    def paused_until(self, bed: str) -> float | None:
        """End of the bed's audio pause, s, or None."""
        return self._beds[bed].paused_until

    def standby_until(self, bed: str, now: float) -> float | None:
        """End of the bed's standby, s, or None when it is not in standby at ``now``."""
        found = self._beds[bed]
        return found.standby_until if found.ignores(now) else None

    def coverage(self, bed: str, now: float) -> list[dict[str, Any]]:
        """Proof of watching, for each source and metric of the bed: see ``Coverage.report``."""
        return self._beds[bed].coverage.report(now)

    def source_coverage(self, bed: str, source: str, now: float) -> dict[str, dict[str, Any]]:
        """The same of one source, by metric."""
        mine = [row for row in self.coverage(bed, now) if row["source"] == source]
        return {row["metric"]: {key: row[key] for key in ("hour", "day", "blind")} for row in mine}

    def coverage_snapshot(self) -> dict[str, Any]:
        """What ``snapshot`` leaves out without coverage, by bed; to be put back in as each bed's ``coverage``."""
        return {name: bed.coverage.snapshot() for name, bed in self._beds.items()}

    def snapshot(self, *, coverage: bool = True) -> dict[str, Any]:
        """Everything needed to go on, in JSON's types; small without coverage."""
        if self._saved is not None:
            return dict(self._saved)
        return {
            "version": SNAPSHOT_VERSION,
            "boot": self._boot,
            "t": self._t,
            "doubt_until": self._doubt_until,
            "beds": {name: bed.snapshot(coverage=coverage) for name, bed in self._beds.items()},
        }

    def _reading(self, reading: Reading) -> list[Alarm]:
        bed = self._bed(reading.bed)
        standby = bed.ignores(reading.t) or reading.reason == "standby"
        found: list[Alarm] = []
        if not reading.metric.startswith(FUSED):
            found += heard(bed, reading)
            bed.coverage.reading(reading, standby=standby)
        if standby:
            return found
        found += alone(bed, reading)
        evidence = evidence_of(reading)
        of_another = bed.of_the_one_before(reading.t)
        for rule, severe in bed.conditions_of(reading.metric):
            if of_another and rule.kind == "physiological":
                continue
            finding = judge(rule, reading)
            line = bed.line(rule, reading.source)
            change = line.observe(
                f"{reading.source}/{reading.metric}",
                reading.t,
                finding,
                None if severe is None else judge(severe, reading),
                evidence=None if finding.verdict == "unknown" else evidence,
            )
            found += bed.tell(line, change)
        return found

    def _new_bed(self, name: str, rules: AlarmRules) -> Bed:
        place = self._places.get(name, NO_PLACE)
        return Bed(name, rules, self._boot, self._chain, self._cards, keeps_evidence=self._keeps_evidence, place=place)

    def _bed(self, name: str) -> Bed:
        try:
            return self._beds[name or DEVICE_BED]
        except KeyError:
            raise ValueError(f"no bed {name!r} on this board; beds: {', '.join(self._beds)}") from None

    def _lines(self) -> Iterator[tuple[Bed, Lifecycle]]:
        for bed in self._beds.values():
            for line in bed.lines.values():
                yield bed, line

    def _arrive(self, t: float) -> list[Alarm]:
        """Note the time; the first one after a restart fixes the saved times and ends what is no longer watched."""
        found: list[Alarm] = []
        if self._saved is not None:
            saved, self._saved = self._saved, None
            if self._shift_s is None and saved["t"] is not None:
                self._restore(saved, t - saved["t"], doubt=True)
            self._doubt_until = t + DOUBT_S
            for bed, line in self._lines():
                if not line.rule.enabled:
                    found += bed.tell(line, line.end(t, "unwatched"))
                elif line.rule.kind == "physiological":
                    found += bed.tell(line, line.unwatch(partial(bed.unfed, line), t))
            for bed in self._beds.values():
                if bed.auscultation.new_person:
                    found += bed.begin_with_person(t)
            for bed, line in self._lines():
                if line.presence in ("on", "latched"):
                    bed.deliveries.join(line.id, line.priority, t)
        self._t = t if self._t is None else max(self._t, t)
        return found

    def _restore(self, state: Mapping[str, Any], shift_s: float, *, doubt: bool) -> None:
        for name, saved in state["beds"].items():
            if name not in self._beds:
                self._beds[name] = self._new_bed(name, NOTHING_WATCHED)
            self._beds[name].restore(saved, shift_s, doubt=doubt)


def _ends(bed: Bed, now: float) -> list[Alarm]:
    found: list[Alarm] = []
    if bed.paused_until is not None and now >= bed.paused_until:
        end, bed.paused_until = bed.paused_until, None
        found += bed.tell_unseen("resumed", end)
    for line in bed.lines.values():
        if line.shelved_until is not None and now >= line.shelved_until:
            end, line.shelved_until = line.shelved_until, None
            if line.has_not_sounded_since(end):
                found += bed.tell(line, line.note("unshelved", end))
    return found
