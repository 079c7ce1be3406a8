"""A disk that is full when the service starts: beds are watched all the same, and it says what it cannot do."""

from __future__ import annotations

import logging

from full_disk import full_disk
from service_runs import CONFIG, fast

from edge.config import parse
from edge.service import build_service
from source_and_sink import Kept

EVERYTHING = (
    CONFIG
    + """
[sinks.journal]
[sinks.recorder]
keep_free_mb = 0
"""
)


def test_alarms_are_raised_and_the_full_disk_is_one_until_there_is_room(folder, clock, outbox_after, caplog):
    sink = Kept()
    with full_disk():
        service = build_service(
            parse(EVERYTHING.format(folder=folder)), clock=clock, console=False, sinks=[sink], record=folder / "a.evrec"
        )
        main = service.runtime.main
        main.mailbox.put(fast(clock))

        def turn(seconds):
            while not main.mailbox.empty():
                main.handle(main.mailbox.get())
            main.commit()
            clock.advance(seconds)
            main.tick(clock.now())
            service.runtime._on_tick(main.readers)

        turn(1.0)
        (said,) = sink.alarms("outbox_full")
        assert (said.bed, said.presence) == ("_device", "on")
        assert said.text == "alarms cannot be written to disk (File too large); they are sent all the same"
        assert [a.presence for a in sink.alarms("tachy")] == ["on"]
        turn(30.0)
        assert [a.presence for a in sink.alarms("outbox_full")] == ["on"]
    for _ in range(4):
        turn(6.0)
    assert [a.presence for a in sink.alarms("outbox_full")] == ["on", "off"]
    with service.opened:
        main.finish()
        main.close()
    assert {row.alarm.condition for row in outbox_after().waiting()} >= {"outbox_full", "tachy"}
    said = [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]
    for part in ("evidence: ", "recorder: ", "a.evrec: the recording ends here: "):
        assert any(part in line and "File too large" in line for line in said)
