"""Payloads of a device that keeps the public contract, for tests to send or to change."""

from __future__ import annotations

from datetime import UTC, datetime

ROOT = "vitals/dev"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def stamp(**more):
    return {"v": 1, "t": NOW.isoformat(), "mono": 5.0, "boot": "b", "clock_synced": True, **more}


def reading(seq=1, **more):
    base = {"value": 61.0, "unit": "bpm", "quality": 0.9, "source": "node", "model": "", "seq": seq, "reason": ""}
    return stamp(**{**base, **more})


def event(seq=1, **more):
    base = {
        "id": "bed1/af", "occurrence": "o1", "kind": "physiological", "priority": "medium", "presence": "on",
        "since": NOW.isoformat(), "text": "AF", "seq": seq, "published": NOW.isoformat(), "delay_s": 0.1,
        "historical": False,
    }  # fmt: skip
    return stamp(**{**base, **more})


STATUS = stamp(state="online", version="1", models={})
