"""What a subscriber's record must show, whatever happened: everything once, in order, with honest times, nothing stale."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from campaign.nurse import Message

HISTORICAL_AFTER_S = 10.0
_T_OFF_S = 0.1
_T_OFF_OTHER_RUN_S = 3.0  # such an event has the time at which it was written: it may have waited for the disk
_STALE_READING_S = 12.0
_TRANSIT_S = 5.0  # through the client, the broker and a busy machine
_GROWTH_KB = 40_000
_FILES = 64


@dataclass(slots=True)
class Verdict:
    """One row of the table. wrong: what did not hold, in words; latency_ms: event to subscriber, of those that were
    not late."""

    name: str
    told: int = 0
    received: int = 0
    repeated: int = 0
    lost: int = 0
    late: int = 0
    recovery_s: float | None = None
    rss_mb: tuple[float, float] = (0.0, 0.0)
    files: int = 0
    latency_ms: tuple[float, float] | None = None
    wrong: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def demand(self, held: bool, text: str) -> None:
        if not held:
            self.wrong.append(text)


def judge_events(
    verdict: Verdict,
    said: Sequence[Mapping[str, Any]],
    events: Sequence[Message],
    *,
    wall_offsets: Sequence[float],
    killed: bool,
    speed: float = 1.0,
) -> None:
    """Hold what arrived against what was said.

    wall_offsets: wall minus monotonic time, every value it had. killed: a run may have ended between the durable write
    and saying so, so more may arrive than was said. speed: of the clock; what this machine takes for anything is so much
    longer by it.
    """
    told = {(one["occurrence"], one["seq"]): one for one in said}
    first: dict[tuple[str, int], Message] = {}
    for message in events:
        assert message.fields is not None
        first.setdefault((message.fields["occurrence"], message.fields["seq"]), message)
    verdict.told, verdict.received = len(told), len(first)
    verdict.repeated = len(events) - len(first)
    missing = [key for key in told if key not in first]
    verdict.lost = len(missing)
    verdict.demand(not missing, f"{len(missing)} transitions lost, the first {missing[:1]}")
    more = [key for key in first if key not in told]
    verdict.demand(killed or not more, f"{len(more)} transitions that never were, the first {more[:1]}")
    wrong = [k for k, one in told.items() if k in first and _differs(one, first[k].fields or {})]
    verdict.demand(not wrong, f"{len(wrong)} transitions changed on the way, the first {wrong[:1]}")
    _judge_order(verdict, list(first.values()))
    _judge_times(verdict, told, list(first.values()), wall_offsets, HISTORICAL_AFTER_S + _TRANSIT_S * speed)


def _differs(said: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    return (said["alarm"], said["bed"], said["presence"]) != (got["id"], got["bed"], got["presence"])


def _judge_order(verdict: Verdict, first: Sequence[Message]) -> None:
    by_bed: dict[str, list[int]] = {}
    for message in first:
        assert message.fields is not None
        by_bed.setdefault(message.fields["bed"], []).append(message.fields["seq"])
    for bed, seqs in by_bed.items():
        steps = [b - a for a, b in itertools.pairwise(seqs)]
        wrong = [s for s in steps if s != 1]
        verdict.demand(seqs[0] == 1 and not wrong, f"{bed}: seq is not gapless and in order: {wrong[:3]}")


def _judge_times(
    verdict: Verdict,
    told: Mapping[tuple[str, int], Mapping[str, Any]],
    first: Sequence[Message],
    wall_offsets: Sequence[float],
    surely_late_s: float,
) -> None:
    boots = [one["boot"] for one in told.values()]
    last_boot = boots[-1] if boots else ""
    lies: list[str] = []
    latencies: list[float] = []
    for message in first:
        fields = message.fields or {}
        key = (fields["occurrence"], fields["seq"])
        if key not in told:
            continue
        happened = told[key]["t"]
        delay_s = message.at - happened
        t = datetime.fromisoformat(fields["t"]).timestamp()
        off_s = min(abs(t - happened - offset) for offset in wall_offsets)
        same_run = abs(fields["mono"] - happened) < 0.01
        if not same_run or off_s > (_T_OFF_S if fields["boot"] == last_boot else _T_OFF_OTHER_RUN_S):
            lies.append(f"{key}: t is {off_s:.2f} s off")
        if delay_s > surely_late_s and not fields["historical"]:
            lies.append(f"{key}: {delay_s:.1f} s late and not historical")
        if fields["historical"]:
            verdict.late += 1
        else:
            latencies.append(delay_s)
    verdict.demand(not lies, f"{len(lies)} dishonest times, the first {lies[:1]}")
    if len(latencies) > 1:
        latencies.sort()
        verdict.latency_ms = (
            1e3 * statistics.median(latencies),
            1e3 * latencies[math.ceil(0.95 * (len(latencies) - 1))],
        )


def judge_standing(
    verdict: Verdict, said: Sequence[Mapping[str, Any]], retained: Mapping[str, Mapping[str, Any]], root: str
) -> None:
    """The retained topics say exactly what is true now."""
    last = {one["alarm"]: one for one in said}
    true = {
        f"{root}/{a.partition('/')[0]}/alarm/{a.partition('/')[2]}": (one["occurrence"], one["presence"])
        for a, one in last.items()
        if one["presence"] != "off"
    }
    kept = {t: (f["occurrence"], f["presence"]) for t, f in retained.items() if "/alarm/" in t}
    verdict.demand(kept == true, f"retained alarms are stale: {_difference(kept, true)}")
    state = retained.get(f"{root}/status", {}).get("state")
    verdict.demand(state == "online", f"the retained status says {state}")


def _difference(kept: Mapping[str, Any], true: Mapping[str, Any]) -> str:
    names = sorted({t for t in {*kept, *true} if kept.get(t) != true.get(t)})
    return "; ".join(f"{t}: kept {kept.get(t)}, true {true.get(t)}" for t in names[:3])


def judge_readings(verdict: Verdict, readings: Sequence[Message], *, speed: float = 1.0) -> None:
    """No reading arrives long after its window ended, and none without value lacks a reason."""
    limit_s = _STALE_READING_S * max(1.0, speed / 2)
    ages = [m.at - m.fields["mono"] for m in readings if m.fields and m.fields["value"] is not None]
    verdict.demand(max(ages, default=0.0) <= limit_s, f"a reading arrived {max(ages, default=0.0):.1f} s old")
    bare = [m for m in readings if m.fields and m.fields["value"] is None and not m.fields["reason"]]
    verdict.demand(not bare, f"{len(bare)} readings without value and without reason")


def judge_memory(verdict: Verdict, settled_kb: int, peak_kb: int, files: int) -> None:
    """Memory and open files stay bounded."""
    verdict.rss_mb, verdict.files = (settled_kb / 1024, peak_kb / 1024), files
    verdict.demand(peak_kb - settled_kb < _GROWTH_KB, f"memory grew by {(peak_kb - settled_kb) / 1024:.0f} MB")
    verdict.demand(files < _FILES, f"{files} files are open")
