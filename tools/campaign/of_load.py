"""Faults of load: models that stall or crash, a processor that has no time, alarms by the thousand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from campaign.world import SYNTHETIC, World, fault

_WITH_MODEL = SYNTHETIC.replace('["pulse"]', '["rhythm"]')
_BUSY = "while True: pass"


def _rhythm(reading: Mapping[str, Any]) -> bool:
    return reading["metric"] == "ppg.rhythm" and reading["value"] is not None


@fault("model-stalls", speed=4.0, sources=_WITH_MODEL)
def model_stalls(world: World) -> None:
    """A model takes 5 s for one answer: the others' time goes by, alarms go on, and it finds back."""
    world.expect_reading(_rhythm)
    world.device.settled()
    for _ in range(int(world.pick(2, 30))):
        since = len(world.nurse.messages)
        world.device.order("stall", seconds=5.0)
        stalled_at = world.clock.now()
        world.wait(2.0)
        world.raise_and_clear("finger")
        world.healed()
        world.expect_reading(lambda r: _rhythm(r) and r["mono"] > stalled_at + 6.0, since=since)  # noqa: B023


@fault("model-crashes", speed=4.0, sources=_WITH_MODEL, tracebacks=True)
def model_crashes(world: World) -> None:
    """A model raises an exception on every window for a while: an alarm says so, and ends with it."""
    world.expect_reading(_rhythm)
    world.device.settled()
    for _ in range(int(world.pick(1, 20))):
        since = len(world.nurse.messages)
        world.device.order("crash", times=3)
        world.expect_reading(lambda r: r["metric"] == "ppg.rhythm" and r["reason"] == "model_fault", since=since)
        world.expect_event("model_fault", "on", since=since)
        world.healed()
        world.expect_event("model_fault", "off", since=since)
        world.expect_reading(_rhythm, since=since)


@fault("none", alone=True)
def none(world: World) -> None:
    """Nothing fails: the time from an alarm to its subscriber, with the durable write."""
    world.device.settled()
    world.flood(int(world.pick(60, 600)), 20.0)


@fault("cpu-saturated", alone=True)
def cpu_saturated(world: World) -> None:
    """Two busy processes for every core while alarms come and go."""
    world.raise_and_clear("finger")
    world.device.settled()
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        world.flood(int(world.pick(100, 6000)), 20.0)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    world.healed()


@fault("flood-10000-a-minute", beds=4, alone=True)
def flood(world: World) -> None:
    """10,000 alarms raised and cleared in a minute (short: 5 s of that), while the broker is away for half of it."""
    seconds = world.pick(5.0, 60.0)
    count, per_s = int(20_000 / 60 * seconds), 20_000 / 60
    world.raise_and_clear("finger")
    world.device.settled()
    since = len(world.device.notes)
    world.broker.stop()
    world.flood(count, per_s, wait=False, lines=100, beds=4)
    world.wait(seconds / 2)
    world.broker.start()
    world.healed()
    took_s = world.flooded(since, seconds).get("took_s", 1e9)
    world.verdict.remarks.append(f"{count} transitions were made in {took_s:.1f} s, {count / took_s:.0f} a second")
    world.expect(took_s < world.pick(3.0, 1.2) * seconds, f"they should have taken {seconds:.0f} s")


@fault("sustained-500-a-second", beds=4, alone=True)
def sustained(world: World) -> None:
    """500 transitions a second are asked of the device; the rate at which they reached the subscriber is printed."""
    world.raise_and_clear("finger")
    world.device.settled()
    seconds = world.pick(6.0, 60.0)
    first = len(world.nurse.events())
    since, cpu_s = len(world.device.notes), world.device.cpu_s()
    world.flood(int(500 * seconds), 500.0, wait=False, lines=100, beds=4)
    made_s = world.flooded(since, seconds).get("took_s", 1e9)
    world.expect(world.complete(), "not everything arrived")
    at = [m.at for m in world.nurse.events()[first:]]
    rate = (len(at) - 1) / (at[-1] - at[0])
    made, cpu_ms = 500 * seconds / made_s, 1e3 * (world.device.cpu_s() - cpu_s) / (500 * seconds)
    world.verdict.remarks.append(
        f"{made:.0f} transitions a second were made, {rate:.0f} reached the subscriber; {cpu_ms:.2f} ms of processor each"
    )
    world.expect(rate > world.pick(50.0, 450.0), "fewer than should be")  # CI has other work on the same cores
