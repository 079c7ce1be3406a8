"""The rungs of the degradation ladder on this program's parts: camera rate, model variant, camera off, in that order.

A patient's contact sensors are never given up: they are what alarms rest on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy

from edge.inference import Model
from edge.runtime.overload.ladder import Rung
from edge.runtime.reader import Reader

THINNED = 2


def rungs(readers: Sequence[Reader], loaded: Mapping[str, Model], faster: Mapping[str, Model]) -> list[Rung]:
    """What can be given up. loaded: the models in use; faster: variants that this machine runs faster, by model."""
    lanes = [lane for reader in readers for lane in reader.lanes]
    cameras = [reader for reader in readers if "video" in {kind for lane in reader.lanes for kind in lane.kinds}]
    before: dict[str, Model] = {}

    def thin(cause: str) -> bool:
        for reader in cameras:
            reader.keep_every, reader.weak = THINNED, f"half the pictures: {cause}"
        return bool(cameras)

    def thicken() -> None:
        for reader in cameras:
            reader.keep_every, reader.weak = 1, ""

    def speed_up(_cause: str) -> bool:
        before.update({name: copy(loaded[name]) for name in faster})
        become(faster)
        return bool(faster)

    def slow_down() -> None:
        become(before)

    def become(models: Mapping[str, Model]) -> None:
        for name, model in models.items():
            loaded[name].become(model)  # what the program says it runs
        for lane in lanes:
            lane.ask(models)

    def switch_off(cause: str) -> bool:
        for reader in cameras:
            reader.off = f"switched off: {cause}"
        return bool(cameras)

    def switch_on() -> None:
        for reader in cameras:
            reader.off = ""

    steps: list[tuple[str, str, Callable[[str], bool], Callable[[], None]]] = [
        ("camera_rate", "camera at half rate", thin, thicken),
        ("model_variant", "fastest variant of each model", speed_up, slow_down),
        ("camera_off", "camera off", switch_off, switch_on),
    ]
    return [Rung(*step) for step in steps]
