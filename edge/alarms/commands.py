"""What may be asked of the board: ack, pause, shelve, standby, reset, site, received and drill, each of one bed.

Every function answers (done, one line why or what, transitions). Nothing here silences more than was named: ack is of
one occurrence, shelving of one alarm line, pause of one bed's sound and standby of one bed, the last three with an end.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from edge.alarms.auscultation import SITES
from edge.alarms.bed import Bed
from edge.alarms.conditions import DRILL
from edge.alarms.judge import Finding
from edge.alarms.lifecycle import Lifecycle
from edge.types import DEVICE_BED, Alarm, Command

Answer = tuple[bool, str, list[Alarm]]
_PERSON_LONGEST: Final = 64


def asked_by(command: Command) -> str:
    """All that makes a command what it is but its time: a repeat has the same."""
    said = (command.name, command.by, command.id, command.occurrence, command.site, command.person, command.role)
    answers = () if command.seq is None else (command.seq,)
    return f"{zlib.crc32(repr((said, command.seconds, *answers)).encode()):08x}"


def acknowledge(bed: Bed, command: Command) -> Answer:
    """Acknowledge the named occurrence, or the one standing now of the named alarm, or the only one unacknowledged."""
    line, refusal = _meant(bed, command)
    if line is None or (refusal := _outdated(line, command)):
        return False, refusal, []
    change = line.acknowledge(command.t)
    if change is None:
        return True, f"{line.id} was acknowledged already", []
    return True, f"{line.id} acknowledged", bed.tell(line, change, command)


def pause(bed: Bed, command: Command) -> Answer:
    """Pause the bed's sound for ``seconds`` (0 ends it); presence stays as it is."""
    seconds, refusal = _seconds(command, bed.rules.pause_max_s)
    if refusal:
        return False, refusal, []
    if seconds == 0:
        if bed.paused_until is None:
            return True, "was not paused", []
        bed.paused_until = None
        return True, "pause ended", bed.tell_unseen("resumed", command.t, command)
    bed.paused_until = command.t + seconds
    return True, f"sound paused for {seconds:g} s", bed.tell_unseen("paused", command.t, command)


def shelve(bed: Bed, command: Command) -> Answer:
    """Silence one alarm line for ``seconds`` (0 ends it); presence stays as it is."""
    seconds, refusal = _seconds(command, bed.rules.shelve_max_s)
    line = bed.lines.get(command.id)
    if refusal or line is None:
        return False, refusal or f"no alarm {command.id!r} to shelve", []
    if seconds == 0 and line.shelved_until is None:
        return True, f"{line.id} was not shelved", []
    line.shelved_until = command.t + seconds if seconds else None
    what = "shelved" if seconds else "unshelved"
    return True, f"{line.id} {what}", bed.tell(line, line.note(what, command.t), command)


def standby(bed: Bed, command: Command) -> Answer:
    """Ignore the bed's readings for ``seconds`` (0 ends it); what they had raised is over, states of sources stay."""
    if bed.name == DEVICE_BED:
        return False, "the device itself is no bed that can be empty", []
    seconds, refusal = _seconds(command, bed.rules.standby_max_s)
    if refusal:
        return False, refusal, []
    if seconds == 0:
        if not bed.ignores(command.t):
            return True, "was not in standby", []
        bed.standby_until = command.t
        return True, "standby ended", []
    bed.standby_until = command.t + seconds
    found: list[Alarm] = []
    for line in bed.lines.values():
        found += bed.tell(line, line.end(command.t, "standby", keep_clocked=True), command)
    return True, f"standby for {seconds:g} s", found


def reset(bed: Bed, command: Command) -> Answer:
    """End latched occurrences: the named one, or all of the bed."""
    meant = [
        line for line in bed.standing() if command.id in ("", line.id) and command.occurrence in ("", line.occurrence)
    ]
    named = command.id or command.occurrence
    if named and not meant:
        return False, f"{named} does not stand", []
    if named and any(line.presence != "latched" for line in meant):
        return False, f"{named} is still present: acknowledge it instead", []
    found: list[Alarm] = []
    for line in meant:
        found += bed.tell(line, line.reset(command.t), command)
    return True, f"{len(found)} latched reset", found


def site(bed: Bed, command: Command) -> Answer:
    """The microphone sits at another site from now on, or at none; with another ``person`` all begins anew."""
    if bed.name == DEVICE_BED:
        return False, "nobody lies in the device itself", []
    wanted, person = command.site.upper(), command.person.strip()
    listens = bed.auscultation.place.calibration is not None
    if not listens and not (wanted == "NONE" and person):
        return False, f"nothing listens to a heart in {bed.name}: site none, with a person, is all that can be said", []
    if wanted not in (*SITES, "NONE"):
        return False, f"site needs 'site', one of {', '.join(SITES)} or none, not {command.site!r}", []
    if command.person and not person:
        return False, "'person' is blank", []
    if len(person) > _PERSON_LONGEST or not person.isprintable():
        return False, f"'person' has at most {_PERSON_LONGEST} printable characters", []
    another = bool(person) and person != bed.auscultation.person
    bed.auscultation.move("" if wanted == "NONE" else wanted, command.t, by=command.by, person=person)
    found = bed.begin_with_person(command.t, command) if another else []
    if not listens:
        return True, "another person lies there" if another else "the same person lies there", found
    where = "listening at no named site" if wanted == "NONE" else f"listening at {wanted}"
    return True, f"{where}, to another person" if another else where, found


def received(bed: Bed, command: Command) -> Answer:
    """A role of the chain has the named occurrence; whoever else is asked need not be any more."""
    chain = bed.deliveries.chain
    if command.role not in chain.names:
        return False, f"no role {command.role!r} here; roles: {', '.join(chain.names) or 'none'}", []
    line = next((line for line in bed.standing() if line.occurrence == command.occurrence), None)
    if line is None or command.id not in ("", line.id):
        return False, f"occurrence {command.occurrence or '(none named)'} does not stand", []
    if refusal := _outdated(line, command):
        return False, refusal, []
    if not bed.deliveries.receive(line.id, command.role, command.by):
        return True, f"{line.id} needs no confirmation", []
    return True, f"{line.id} received by {command.role}", bed.tell(line, line.note("received", command.t), command)


def drill(bed: Bed, command: Command) -> Answer:
    """Raise the bed's test alarm, which ends by itself; 0 seconds end it now."""
    rule = bed.rules[DRILL]
    if not rule.enabled:
        return False, "drills are disabled here", []
    line, ends = bed.line(rule), command.seconds == 0
    if line.standing is not ends:
        return True, f"{line.id} is over" if ends else f"{line.id} stands already", []
    text = f"{rule.text}: asked for by {command.by}"
    finding = Finding("no" if ends else "yes")
    change = line.observe(DRILL, command.t, finding, evidence={"by": command.by}, text=text, clocked=True)
    return True, f"{line.id} {'over' if ends else 'raised'}", bed.tell(line, change, command)


def unknown(_bed: Bed, command: Command) -> Answer:
    """Refuse what is no command about alarms."""
    return False, f"{command.name!r} is not one of {', '.join(COMMANDS)}", []


COMMANDS: Final[Mapping[str, Callable[[Bed, Command], Answer]]] = {
    "ack": acknowledge,
    "pause": pause,
    "shelve": shelve,
    "standby": standby,
    "reset": reset,
    "site": site,
    "received": received,
    "drill": drill,
}


def _meant(bed: Bed, command: Command) -> tuple[Lifecycle | None, str]:
    standing = list(bed.standing())
    if command.occurrence:
        for line in standing:
            if line.occurrence == command.occurrence and command.id in ("", line.id):
                return line, ""
        return None, f"occurrence {command.occurrence} does not stand"
    if command.id:
        named = [line for line in standing if line.id == command.id]
        of_sources = [line for line in standing if line.id.count("/") == 2 and line.id.rpartition("/")[0] == command.id]
        standing = named or of_sources  # whoever knows no sources may say the condition alone
        if len(standing) < 2:
            return (standing[0], "") if standing else (None, f"{command.id} does not stand")
    unseen = [line for line in standing if line.presence != "ack"]
    if len(unseen) > 1:
        return None, f"several alarms stand, name one: {', '.join(sorted(line.id for line in unseen))}"
    return (unseen[0], "") if unseen else (None, "no alarm stands unacknowledged")


def _outdated(line: Lifecycle, command: Command) -> str:
    """Why nobody who answers that event, or answered then, can have seen what stands now; "" where they can."""
    if command.seq is None:
        return f"{line.id} has sounded since: look at it as it is now" if line.sounded_at > command.t else ""
    if command.seq >= line.sounded_seq:
        return ""
    return f"{line.id} has sounded again since event {command.seq}: look at it as it is now"


def _seconds(command: Command, longest_s: float) -> tuple[float, str]:
    seconds = command.seconds
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return 0.0, f"{command.name} needs an end: seconds, 0 to {longest_s:g}"
    if seconds > longest_s:
        return 0.0, f"{command.name} of {seconds:g} s is too long: at most {longest_s:g} s"
    return float(seconds), ""
