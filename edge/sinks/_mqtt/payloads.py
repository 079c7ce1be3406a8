"""Events as MQTT payloads and topics: names and keys of the public contract, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.clock import Clock, iso
from edge.plain import encode
from edge.types import Alarm, BedStatus, CommandResult, Heartbeat, Reading, SourceStatus, Stats

VERSION = 1
_BLIND_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of one device."""

    root: str

    @property
    def device(self) -> str:
        return self.root.rpartition("/")[2]

    @property
    def status(self) -> str:
        return f"{self.root}/status"

    @property
    def stats(self) -> str:
        return f"{self.root}/stats"

    @property
    def heartbeat(self) -> str:
        return f"{self.root}/heartbeat"

    def source(self, name: str) -> str:
        return f"{self.root}/source/{name}/status"

    def reading(self, bed: str, metric: str) -> str:
        return f"{self.root}/{bed}/reading/{metric}"

    def alarm(self, alarm: Alarm) -> str:
        bed, _, rest = alarm.id.partition("/")
        return f"{self.root}/{bed}/alarm/{rest}"

    def bed(self, bed: str) -> str:
        return f"{self.root}/{bed}/state"

    def event(self, bed: str) -> str:
        return f"{self.root}/{bed}/event"

    def result(self, bed: str) -> str:
        return f"{self.root}/{bed}/cmd/result"

    @property
    def commands(self) -> str:
        return f"{self.root}/+/cmd/+"

    def is_command(self, topic: str) -> bool:
        """Whether it is one of ``commands``, and not the status of a source that is called ``cmd``."""
        bed, _, rest = topic.removeprefix(f"{self.root}/").partition("/")
        return bed != "source" and rest.startswith("cmd/")

    @property
    def retained(self) -> tuple[str, ...]:
        """What an earlier run may have left at the broker."""
        return (f"{self.root}/+/alarm/#", f"{self.root}/+/state", self.source("+"))


class Payloads:
    """Makes payloads; both clocks and the boot id stand in each."""

    def __init__(self, clock: Clock, boot: str) -> None:
        self._clock, self._boot = clock, boot

    def stamp(self, t: float, *, key: str = "t") -> dict[str, Any]:
        """The fields every payload carries, for event time ``t`` (monotonic, s)."""
        wall = self._clock.wall() - (self._clock.now() - t)
        told = {"mono": round(t, 3), "boot": self._boot, "clock_synced": self._clock.synced()}
        return {"v": VERSION, key: iso(wall), **told}

    def now(self) -> str:
        """Wall time now, ISO 8601."""
        return iso(self._clock.wall())

    def reading(self, reading: Reading, seq: int) -> bytes:
        return encode(
            {
                **self.stamp(reading.t),
                "metric": reading.metric,
                "value": reading.value,
                "reason": reading.reason,
                "unit": reading.unit,
                "quality": round(reading.quality, 3),
                "source": reading.source,
                "model": reading.model,
                "seq": seq,
                "detail": reading.detail,
            }
        )

    def source(self, status: SourceStatus) -> bytes:
        fields: dict[str, Any] = {
            "state": status.state,
            "reason": status.reason,
            "since": self.stamp(status.since)["t"],
            "blind_s": round(status.blind_s, 3),
            "bed": status.bed,
        }
        if status.coverage is not None:
            fields["coverage"] = {metric: self._covered(row) for metric, row in status.coverage.items()}
        return encode({**self.stamp(status.t), **fields})

    def bed(self, status: BedStatus) -> bytes:
        """A bed as it is now. Who lies there is not told: a broker has many listeners."""
        times = {key: getattr(status, key) for key in ("site_since", "paused_until", "standby_until")}
        ends = {key: None if t is None else self.stamp(t)["t"] for key, t in times.items()}
        return encode({**self.stamp(status.t), "site": status.site, "by": status.by, **ends})

    def _covered(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Shares of the last hour and day, and the latest blind intervals with their causes."""
        shares = {key: None if row[key] is None else round(row[key], 4) for key in ("hour", "day")}
        blind = [
            {"start": self.stamp(b["start"])["t"], "end": self.stamp(b["end"])["t"], "cause": b["cause"]}
            for b in row["blind"][-_BLIND_SHOWN:]
        ]
        return {**shares, "blind": blind}

    def alarm(
        self, alarm: Alarm, *, wall: float | None = None, synced: bool = True, brief: bool = False, **more: Any
    ) -> bytes:
        """An alarm as event or as standing. wall, synced: when it was, by the clock of then, and what kept that, for
        one of an earlier run; brief: of its evidence only the change, for a broker that takes no more."""
        stamp = self.stamp(alarm.t)
        since = self.stamp(alarm.since)["t"]
        if wall is not None:  # the monotonic clock of another run says nothing now
            stamp |= {"t": iso(wall), "clock_synced": synced}
            since = iso(wall - (alarm.t - alarm.since))
        fields = {
            "id": alarm.id,
            "occurrence": alarm.occurrence,
            "condition": alarm.condition,
            "kind": alarm.kind,
            "priority": alarm.priority,
            "presence": alarm.presence,
            "text": alarm.text,
            "since": since,
            "value": alarm.value,
            "limit": alarm.limit,
            "bed": alarm.bed,
            "source": alarm.source,
            "seq": alarm.seq,
            "epoch": alarm.epoch,
            "evidence": {"change": alarm.evidence.get("change", "")} if brief else alarm.evidence,
            **({"delivery": alarm.delivery} if alarm.delivery else {}),
            **({"drill": True} if alarm.drill else {}),
        }
        return encode({**stamp, **fields, **more})

    def result(self, result: CommandResult) -> bytes:
        command = result.command
        fields = {"command_id": command.command_id, "command": command.name, "by": command.by, "id": command.id}
        return encode({**self.stamp(result.t), **fields, "ok": result.ok, "text": result.text})

    def stats(self, stats: Stats, more: Mapping[str, Any]) -> bytes:
        return encode({**self.stamp(stats.t), **stats.figures, **more})

    def heartbeat(self, heartbeat: Heartbeat, more: Mapping[str, Any]) -> bytes:
        return encode({**self.stamp(heartbeat.t), "interval_s": heartbeat.interval_s, "beds": heartbeat.beds, **more})
