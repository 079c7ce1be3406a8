"""Faults of the broker and of the way to it."""

from __future__ import annotations

from campaign.world import World, fault

PERSISTENT = "allow_anonymous true\npersistence true\npersistence_location {folder}/\n"
CLIP = '[sources.node]\nkind = "serial_port"\nport = "{folder}/usb-clip"\nanalyzers = ["pulse"]\nsilence_s = 6.0\n'
_ALL = "topic readwrite #\n"
QUICK_RATES = '[alarms.brady]\nmetrics = ["ppg.hr"]\non_delay_s = 2\noff_delay_s = 2\n'


@fault("broker-killed", speed=6.0, sources=CLIP, alarms=QUICK_RATES)
def broker_killed(world: World) -> None:
    """The broker is killed (10 min); a slow pulse, a pulled plug and a fallen sensor come and go meanwhile."""
    world.expect_reading(lambda r: r["metric"] == "ppg.hr" and r["value"] is not None)
    world.device.settled()
    began = world.clock.now()
    world.broker.stop(kill=True)
    world.finger.rate_bpm = 42.0
    world.expect_said("bed1/brady", "on")
    world.finger.rate_bpm = 72.0
    world.expect_said("bed1/brady", "off")
    world.port.unplug()
    world.expect_said("bed1/source_lost/node", "on")
    world.port.replug()
    world.expect_said("bed1/source_lost/node", "off")
    world.raise_and_clear("finger")
    world.wait(max(0.0, began + world.pick(60.0, 600.0) - world.clock.now()))
    world.broker.start()
    world.healed()


@fault("broker-restarts-keeping", broker=PERSISTENT)
def broker_restarts_keeping(world: World) -> None:
    """A broker with persistence is restarted three times while alarms come and go."""
    _restarts(world, kill=False)


@fault("broker-restarts-forgetting", forgetful=True)
def broker_restarts_forgetting(world: World) -> None:
    """A broker without persistence is killed and restarted three times while alarms come and go."""
    _restarts(world, kill=True)


def _restarts(world: World, *, kill: bool) -> None:
    world.raise_and_clear("finger")
    world.device.settled()
    since = len(world.device.notes)
    count, per_s = int(world.pick(240, 6000)), 40.0
    world.flood(count, per_s, wait=False)
    for _ in range(3):
        world.wait(count / per_s / 5)
        world.broker.stop(kill=kill)
        world.wait(world.pick(0.3, 10.0))
        world.broker.start()
    world.healed()
    world.flooded(since, count / per_s)


@fault("network-stalled", wire=True)
def network_stalled(world: World) -> None:
    """The network stops carrying anything and tells nobody (half-open), then works for new connections."""
    world.raise_and_clear("finger")
    world.device.settled()
    since = len(world.device.notes)
    stalled_s = world.pick(7.0, 120.0)
    world.flood(int(10 * stalled_s), 10.0, wait=False)
    world.relay.stall()
    world.wait(stalled_s)
    world.relay.heal()
    world.healed()
    world.flooded(since, stalled_s)


@fault("network-slow", wire=True, keepalive_s=15)
def network_slow(world: World) -> None:
    """The way to the broker carries 6 kB/s."""
    world.device.settled()
    world.relay.bytes_per_s = 6000.0
    world.flood(int(world.pick(40, 600)), 4.0)
    world.healed()


@fault("broker-refuses", wire=True, broker=PERSISTENT)
def broker_refuses(world: World) -> None:
    """Connections are cut off at once, then the broker authorizes nobody, then everybody again."""
    world.device.settled()
    world.relay.refusing = True
    world.broker.stop()
    world.raise_and_clear("finger")
    world.wait(world.pick(2.0, 60.0))
    world.broker.configure(PERSISTENT.replace("true", "false", 1).format(folder=world.folder / "broker"))
    world.broker.start()
    world.relay.refusing = False
    world.raise_and_clear("finger")
    world.wait(world.pick(2.0, 60.0))
    said = world.device.wait(lambda: "not authorized" in world.device.log(), 30.0)
    world.expect(said, "the log does not say that the broker refused")
    world.broker.stop()
    world.broker.configure(PERSISTENT.format(folder=world.folder / "broker"))
    world.broker.start()
    world.healed()


@fault("broker-denies-events", broker="allow_anonymous true\nacl_file {folder}/acl\n")
def broker_denies_events(world: World) -> None:
    """The broker's access rules refuse alarm events (PUBACK 0x87), and allow them again."""
    acl = world.folder / "broker" / "acl"
    acl.write_text(f"{_ALL}topic deny vitals/+/+/event\n", encoding="utf-8")
    world.broker.reload()
    world.device.settled()
    world.raise_and_clear("one", "two")
    world.wait(world.pick(2.0, 60.0))
    world.expect(not world.nurse.events(), "an event came through although it was refused")
    acl.write_text(_ALL, encoding="utf-8")
    world.broker.reload()
    world.healed()


@fault("broker-over-quota", wire=True)
def broker_over_quota(world: World) -> None:
    """Alarm events are refused with "quota exceeded" (PUBACK 0x97) for a while."""
    world.raise_and_clear("finger")
    world.device.settled()
    world.relay.over_quota = True
    world.flood(int(world.pick(60, 2000)), 30.0)
    world.relay.over_quota = False
    world.healed()
