"""Faults of the program's own process, its disk and its clock."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from datetime import datetime

from campaign.of_broker import PERSISTENT
from campaign.world import NAME, World, fault


@fault("killed-9", killed=True)
def killed(world: World) -> None:
    """kill -9 at random moments during transitions (200; 15 in short); an acknowledged alarm stays acknowledged."""
    rng = random.Random(1)
    moments = int(world.pick(15, 200))
    world.device.order("fault", source="kept", on=True)
    world.expect_event("sensor_off", "on")
    world.nurse.command(NAME, "bed1", "ack", id="bed1/sensor_off/kept")
    world.expect_event("sensor_off", "ack")
    world.device.settled()
    recovered = []
    for _ in range(moments):
        world.device.order("flood", count=10_000, per_s=rng.choice([20.0, 100.0, 400.0]))
        world.wait(rng.uniform(0.0, 0.6))
        world.device.kill()
        died = world.clock.now()
        world.device.start()
        recovered.append(world.clock.now() - died)
        world.device.order("fault", source="kept", on=True)
    world.verdict.remarks.append(f"up again after {sorted(recovered)[len(recovered) // 2]:.1f} s (median of {moments})")
    world.healed()
    world.raise_and_clear("finger")
    kept = [s for s in world.device.said if s["alarm"] == "bed1/sensor_off/kept"]
    mine = [
        s["presence"] for s in kept if s["change"] != "realarmed"
    ]  # on a slow machine 200 take more than half an hour
    world.expect(mine == ["on", "ack"], f"the acknowledged alarm went through {mine}")


@fault("disk-full")
def disk_full(world: World) -> None:
    """No file may grow (RLIMIT_FSIZE); alarms go out all the same, and to disk when there is room again."""
    world.raise_and_clear("finger")
    world.device.settled()
    world.device.limit_files(1)
    for _ in range(int(world.pick(2, 50))):
        world.raise_and_clear("one", "two")
    world.expect_event("outbox_full", "on")
    world.wait(world.pick(1.0, 60.0))
    world.device.limit_files(None)
    world.healed()
    world.raise_and_clear("three")
    world.expect_event("outbox_full", "off")


@fault("disk-full-broker-away")
def disk_full_broker_away(world: World) -> None:
    """The disk is full while the broker is away: what cannot be written is held in memory, in order."""
    world.raise_and_clear("finger")
    world.expect(world.complete(), "not everything arrived before the fault")
    world.device.settled()
    world.broker.stop()
    world.device.limit_files(1)
    for _ in range(int(world.pick(3, 200))):
        world.raise_and_clear("one", "two")
    world.broker.start()
    world.healed()
    world.expect_event("outbox_full", "on")
    world.device.limit_files(None)
    world.expect_event("outbox_full", "off")


@fault("outbox-corrupted")
def outbox_corrupted(world: World) -> None:
    """The outbox is overwritten while the program is down: put aside, an alarm says so, and the numbers go on."""
    world.raise_and_clear("one", "two")
    world.expect(world.complete(), "not everything arrived before the fault")
    world.device.settled()
    world.device.stop()
    path = world.device.state / "outbox.sqlite"
    path.write_bytes(b"\xff" * path.stat().st_size)
    world.device.start()
    world.healed()
    world.expect_event("outbox_full", "on")
    world.raise_and_clear("three")
    world.expect(bool(list(world.device.state.glob("outbox.sqlite.damaged-*"))), "nothing was put aside")


@fault("outbox-page-lost", killed=True)
def outbox_page_lost(world: World) -> None:
    """A page of the outbox is overwritten while alarms wait in it: they and their numbers are read from the rest."""
    world.raise_and_clear("one")
    world.expect(world.complete(), "not everything arrived before the fault")
    world.device.settled()
    world.broker.stop()
    world.flood(int(world.pick(60, 2000)), 100.0)
    world.device.kill()
    path = world.device.state / "outbox.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
        (page,) = db.execute("select rootpage from sqlite_schema where name = 'unreadable'").fetchone()
    with path.open("rb+") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)
    world.device.start()
    world.broker.start()
    world.healed()
    world.expect_event("outbox_full", "on")
    world.raise_and_clear("two")


@fault("clock-stepped", broker=PERSISTENT)
def clock_stepped(world: World) -> None:
    """The wall clock jumps by 2 h forward and back; alarms that waited meanwhile keep their true time."""
    world.device.settled()
    world.raise_and_clear("one")
    for seconds in (7200.0, -7200.0, -7200.0, 7200.0):
        notes = len(world.device.notes)
        world.broker.stop()
        world.device.order("fault", source="two", on=True)
        world.device.order("step", seconds=seconds)
        world.expect(world.device.wait(lambda: len(world.device.notes) > notes, 10.0), "the clock was not stepped")  # noqa: B023
        world.clock.step_wall(seconds)
        world.wall_offsets.append(world.clock.wall() - world.clock.now())
        world.device.order("fault", source="two", on=False)
        world.wait(world.pick(0.5, 15.0))
        world.broker.start()
        world.healed()
        world.expect(world.complete(), "not everything arrived after a step")
        newest = max((m.fields for m in world.nurse.events() if m.fields["bed"] == "bed1"), key=lambda f: f["seq"])
        off_s = abs(datetime.fromisoformat(newest["published"]).timestamp() - world.clock.wall())
        world.expect(off_s < 20.0, f"published is {off_s:.0f} s off after a step of {seconds:+.0f} s")
    world.expect_event("clock_step", "on")
