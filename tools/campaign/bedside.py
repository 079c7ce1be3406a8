"""The program under attack: the service of a configuration as it ships, in a process of its own.

    python bedside.py CONFIG.toml CLOCK-AS-JSON

Lines of JSON on stdin say what is to happen; lines on stdout tell every alarm transition as the sinks get it, which is
the truth that a subscriber's record is held against. Nothing of the product is replaced but its clock, which can be
stepped, and a model's engine while it is told to stall or to crash.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from campaign.scaled_clock import ScaledClock

_TELL_LOCK = threading.Lock()


def tell(**fields: Any) -> None:
    """One line to whoever started this."""
    with _TELL_LOCK:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


class Told:
    """A sink that tells every transition."""

    def send(self, event: Any) -> None:
        from edge.types import Alarm

        if isinstance(event, Alarm):
            tell(
                alarm=event.id,
                bed=event.bed,
                seq=event.seq,
                occurrence=event.occurrence,
                presence=event.presence,
                change=event.evidence["change"],
                t=event.t,
                boot=os.environ["CAMPAIGN_BOOT"],
            )

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - a pipe answers at once
        return True

    def close(self) -> None:
        """Nothing to let go of."""


class Engine:
    """A model's engine that can be told to stall or to crash."""

    def __init__(self, real: Any, clock: ScaledClock) -> None:
        self._real, self._clock = real, clock
        self.stall_s, self.crashes = 0.0, 0

    def __call__(self, inputs: Any) -> Any:
        stall_s, self.stall_s = self.stall_s, 0.0
        if stall_s:
            self._clock.sleep(stall_s)
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("the model crashed, as it was told to")
        return self._real(inputs)


class Orders:
    """Does what stdin says, in a thread of its own."""

    def __init__(self, service: Any, clock: ScaledClock) -> None:
        self._service, self._clock = service, clock
        self._engines = []
        for model in service.models.loaded.values():
            model._engine = Engine(model._engine, clock)
            self._engines.append(model._engine)
        for reader in service.runtime.main.readers:  # each analyzer has a handle of its own on its models
            for lane in reader.lanes:
                lane.ask(service.models.loaded)

    def listen(self) -> None:
        """Until stdin ends."""
        for line in sys.stdin:
            order = json.loads(line)
            getattr(self, f"_{order.pop('do')}")(**order)
        self._service.runtime.stop()

    def _fault(self, source: str, on: bool, bed: str = "bed1", condition: str = "sensor_off") -> None:
        from edge.types import Fault

        self._service.runtime.post(Fault(condition, self._clock.now(), on, "campaign", bed, source))

    def _flood(self, count: int, per_s: float, lines: int = 20, beds: int = 1) -> None:
        """``count`` transitions: alarm lines take turns, each is raised, then cleared. per_s: 0 = as fast as it goes."""
        flood = threading.Thread(
            target=self._flooding, name="campaign-flood", args=(count, per_s, lines, beds), daemon=True
        )
        flood.start()

    def _flooding(self, count: int, per_s: float, lines: int, beds: int) -> None:
        begin = time.monotonic()
        for n in range(count):
            if per_s:
                time.sleep(max(0.0, begin + n / per_s - time.monotonic()))
            self._fault(f"line{n % lines}", n // lines % 2 == 0, f"bed{n % beds + 1}")
        tell(flooded=count, took_s=time.monotonic() - begin)

    def _step(self, seconds: float) -> None:
        self._clock.step_wall(seconds)
        tell(stepped=seconds)

    def _stall(self, seconds: float) -> None:
        for engine in self._engines:
            engine.stall_s = seconds

    def _crash(self, times: int) -> None:
        for engine in self._engines:
            engine.crashes = times


def main() -> int:
    """Run until stdin ends or SIGTERM."""
    import logging

    from edge.config import load
    from edge.program.service import build_service

    clock = ScaledClock(**json.loads(sys.argv[2]))
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(name)s %(message)s"
    )
    boot = os.environ["CAMPAIGN_BOOT"]
    service = build_service(load(sys.argv[1]), clock=clock, console=False, sinks=[Told()], boot=boot)
    signal.signal(signal.SIGTERM, lambda *_: service.runtime.stop())
    threading.Thread(target=Orders(service, clock).listen, name="campaign-orders", daemon=True).start()
    tell(ready=boot)
    return service.run()


if __name__ == "__main__":
    sys.exit(main())
