"""Faults of sensors: the source is lost or worthless, which must be said, and no number may outlive its signal."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from campaign.of_broker import CLIP
from campaign.world import World, fault

_CAMERA = '[sources.camera]\nkind = "camera"\ndevice = "{url}"\nanalyzers = ["camera_pulse"]\n'


def _known(metric: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda r: r["metric"] == metric and r["value"] is not None


def _lose_and_find(world: World, lose: Callable[[], None], find: Callable[[], None], *, text: str) -> None:
    world.expect_reading(_known("ppg.hr"))
    world.device.settled()
    for _ in range(int(world.pick(1, 10))):
        lost_at = world.clock.now()
        lose()
        since = len(world.nurse.messages)
        world.expect_event("source_lost", "on", since=since)
        found_at = world.clock.now()
        silent = [m for m in world.nurse.messages[since:] if m.topic.endswith("reading/ppg.hr") and m.fields["value"]]
        late = [m for m in silent if m.fields["mono"] > lost_at + world.speed]
        world.expect(not late, f"{len(late)} heart rates while {text}")
        since = len(world.nurse.messages)
        find()
        world.healed()
        world.expect_event("source_lost", "off", since=since)
        world.expect_reading(lambda r: _known("ppg.hr")(r) and r["mono"] > found_at, since=since)  # noqa: B023
    wrong = [m.fields["value"] for m in world.nurse.readings("ppg.hr") if m.fields["value"] is not None]
    wrong = [v for v in wrong if abs(v - world.finger.rate_bpm) > 4.0]
    world.expect(not wrong, f"{len(wrong)} wrong heart rates: {wrong[:3]}")


@fault("serial-unplugged", speed=6.0, sources=CLIP)
def serial_unplugged(world: World) -> None:
    """The serial device is unplugged, and plugged in again as another terminal."""
    _lose_and_find(world, world.port.unplug, world.port.replug, text="unplugged")


@fault("serial-noise", speed=6.0, sources=CLIP)
def serial_noise(world: World) -> None:
    """The serial line is flooded with random bytes."""

    def flood() -> None:
        world.line.noise = lambda: os.urandom(2048)

    def quiet() -> None:
        world.line.noise = None

    _lose_and_find(world, flood, quiet, text="the line was noise")


@fault("serial-moved", speed=6.0, sources=CLIP)
def serial_moved(world: World) -> None:
    """The serial device is moved to another port, again and again, too fast to be an alarm."""
    world.expect_reading(_known("ppg.hr"))
    world.device.settled()
    for _ in range(int(world.pick(2, 20))):
        since = len(world.nurse.messages)
        world.port.unplug()
        world.port.replug()
        moved_at = world.clock.now()
        world.healed()
        world.expect_reading(lambda r: _known("ppg.hr")(r) and r["mono"] > moved_at + 10.0, since=since)  # noqa: B023


@fault("camera-frozen", speed=2.0, sources=_CAMERA)
def camera_frozen(world: World) -> None:
    """A network camera repeats one picture, then hangs: no heart rate from either, and it finds back."""
    pictures = world.pictures
    world.expect_reading(_known("camera.hr"))
    world.device.settled()
    for mode, gone in (("repeating", None), ("hanging", "source_lost")):
        since = len(world.nurse.messages)
        pictures.mode = mode
        frozen_at = world.clock.now()
        if gone:
            world.expect_event(gone, "on", since=since)
        else:
            world.expect_reading(lambda r: r["metric"] == "camera.hr" and r["value"] is None, since=since)
        world.wait(12.0)
        late = [
            m for m in world.nurse.readings("camera.hr") if m.fields["value"] and m.fields["mono"] > frozen_at + 6.0
        ]
        world.expect(not late, f"{len(late)} heart rates from a {mode} camera")
        since = len(world.nurse.messages)
        pictures.mode = "live"
        world.healed()
        world.expect_reading(_known("camera.hr"), since=since)
