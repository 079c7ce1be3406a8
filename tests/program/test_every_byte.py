"""Whatever byte of the state folder is spoilt: the service starts, and what it reads is what was written, or it says so."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.config import parse
from edge.program.service import build_service
from service_runs import CONFIG, command, fast

CLOCK = ManualClock(1000.0, wall=1_800_000_000.0)
STRIDE = 487  # a prime, so that the parts of every record have their turn


def service_in(folder):
    return build_service(parse(CONFIG.format(folder=folder)), clock=CLOCK, console=False)


@pytest.fixture(scope="module", params=["stopped", "killed"])
def left(request, tmp_path_factory):
    """A state folder with events that wait, an alarm that stands and one that was acknowledged."""
    folder = tmp_path_factory.mktemp("left") / "state"
    service = service_in(folder)
    main = service.runtime.main
    with service.opened:
        for item in (fast(CLOCK), fast(CLOCK, "bed2"), command("ack", CLOCK, id="bed1/tachy")):
            main.handle(item)
            main.commit()
        if request.param == "killed":
            killed = folder.with_name("killed")
            shutil.copytree(folder, killed, ignore=shutil.ignore_patterns("*-shm"))
        main.finish()
        main.close()
    return folder if request.param == "stopped" else killed


@pytest.fixture(scope="module")
def read(left, tmp_path_factory):
    """What a service finds in a copy of the folder in which a bit of a file is another."""
    folder = tmp_path_factory.mktemp("spoilt") / "state"

    def found(name="", at=0, bit=0):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(left, folder)
        if name:
            content = bytearray((folder / name).read_bytes())
            content[at] ^= 1 << bit
            (folder / name).write_bytes(content)
        service = service_in(folder)
        with service.opened:
            durable = service.runtime.main._out._durable
            outbox, board = durable._outbox, durable._board
            waiting = [(row.alarm.id, row.alarm.seq, row.alarm.presence, row.alarm.text) for row in outbox.waiting()]
            standing = sorted((one.id, one.presence, one.occurrence) for one in board.active())
            numbers = {name: (bed["seq"], bed["epoch"]) for name, bed in board.heartbeat().items()}
            service.runtime.main.close()
            return waiting, standing, numbers, list(outbox.faults)

    return found


def judge(whole, spoilt):
    waiting, standing, numbers, faults = spoilt
    if not faults:
        assert (waiting, standing) == whole[:2]
    assert set(waiting) <= set(whole[0])
    for name, (seq, epoch) in numbers.items():
        before, began = whole[2][name]
        assert epoch != began or seq == before


def places(left):
    return [(path.name, at) for path in sorted(left.iterdir()) if path.is_file() for at in range(path.stat().st_size)]


def test_any_byte(left, read):
    whole = read()
    assert (len(whole[0]), whole[3]) == (3, [])

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(places(left)), st.integers(0, 7))
    def any_of_them(place, bit):
        judge(whole, read(*place, bit))

    any_of_them()


@pytest.mark.slow
def test_bytes_all_over(left, read):
    whole = read()
    for number, (name, at) in enumerate(places(left)[::STRIDE]):
        judge(whole, read(name, at, number % 8))
