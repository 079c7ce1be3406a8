"""One stream's path from blocks to readings: transforms, windows, analyzers. Pure: no thread, no clock.

A lane has one primary stream and the companions its analyzers name. Each analyzer has its own grid of hops, which
starts at the primary's first sample of an epoch: the k-th window ends at ``first + k * hop_s``. A hop is computed
when the primary has reached its end and every present companion has too, or once the primary is 250 ms and a block
of each past it: how either stream was chunked must not decide what a window holds.
A lane emits at every hop while blocks arrive, full window or not, so that silence means one thing only: no blocks. Of a
silence of the primary of over three seconds nothing is said afterwards: it would be old when it was said.
A new epoch of the primary resets everything; a new epoch of a companion resets that companion's window. What no window
to come can hold is forgotten, so a lane's state never asks for more than that: not for a companion that fell silent.

An analyzer that raises is a bug in the analyzer: its readings of that hop become None with ``model_fault``, the
error is kept for ``take_faults``, and the other analyzers go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge.inference import HeldModels, Model
from edge.types import Analyzer, Block, Reading, Transform, Window
from edge.window import Windower

COMPANION_WAIT_S = 0.25
_SILENT_S = 3.0


@dataclass(slots=True)
class _Schedule:
    """When an analyzer is due next; hops are counted, not added up, so that rounding cannot drift."""

    name: str
    analyzer: Analyzer
    hop: int = 1
    companions: tuple[str, ...] = ()

    def due(self, first_t: float) -> float:
        return round(first_t + self.hop * self.analyzer.hop_s, 9)


@dataclass(slots=True)
class AnalyzerFault:
    """An analyzer raised: which, and the exception."""

    analyzer: str
    error: Exception = field(repr=False)


class Lane:
    """Blocks of one primary stream and its companions in, readings out.

    bed, source: stamped on every reading. analyzers: by name. transforms: by the stream kind they take. models: those of
    an analyzer, by its name. ``observe``, when set, is called with every block that enters a window, after transforms:
    what a recording keeps.
    """

    def __init__(
        self,
        *,
        bed: str,
        source: str,
        primary: str,
        analyzers: Mapping[str, Analyzer],
        transforms: Mapping[str, Transform] | None = None,
        models: Mapping[str, HeldModels] | None = None,
    ) -> None:
        self.bed, self.source, self.primary = bed, source, primary
        self._models = dict(models or {})
        self._transforms = dict(transforms or {})
        self._schedules = []
        for name, analyzer in analyzers.items():
            kinds = tuple(kind.rstrip("?") for kind in analyzer.streams)
            if kinds[0] != primary:
                raise ValueError(f"analyzer {name} reads {kinds[0]!r} first, the lane's primary is {primary!r}")
            if not (analyzer.hop_s > 0 and analyzer.window_s > 0):
                raise ValueError(f"analyzer {name}: window_s and hop_s are above 0")
            self._schedules.append(_Schedule(name, analyzer, companions=kinds[1:]))
        longest_s = max((s.analyzer.window_s for s in self._schedules), default=1.0)
        keep_s = longest_s + COMPANION_WAIT_S + _SILENT_S  # a hop that fell into a hole looks back from before it
        kinds_used = {primary, *(kind for s in self._schedules for kind in s.companions)}
        self._windowers = {kind: Windower(keep_s=keep_s) for kind in sorted(kinds_used)}
        self._epochs: dict[str, int] = {}
        self._faults: list[AnalyzerFault] = []
        self.observe: Callable[[Block], None] | None = None
        self.answers_from: dict[str, float] = {}

    @property
    def analyzers(self) -> dict[str, Analyzer]:
        """The lane's analyzers by name."""
        return {s.name: s.analyzer for s in self._schedules}

    @property
    def kinds(self) -> frozenset[str]:
        """The stream kinds this lane wants to be fed, before transforms."""
        return frozenset(self._windowers) | frozenset(self._transforms)

    def feed(self, block: Block) -> list[Reading]:
        """Take one block of any of the lane's streams; the readings that are now due, in order of time."""
        transform = self._transforms.get(block.kind)
        if transform is not None:
            if self._epochs.setdefault(block.kind, block.epoch) != block.epoch:
                self._epochs[block.kind] = block.epoch
                transform.reset()
            transformed = transform(block)
            if transformed is None:
                return []
            block = transformed
        windower = self._windowers.get(block.kind)
        if windower is None:
            return []
        if self.observe is not None:
            self.observe(block)
        fresh = windower.add(block)
        if fresh and block.kind == self.primary:
            self._begin_epoch()
        return self._compute_due()

    def finish(self) -> list[Reading]:
        """The stream has ended: compute the hops that only waited for a companion."""
        return self._compute_due(waiting=False)

    def ask(self, models: Mapping[str, Model]) -> None:
        """Any thread: go on with these variants of models, from the next ``renew`` on."""
        for held in self._models.values():
            held.ask(models)

    def renew(self) -> bool:
        """Take the variants that were asked for; whether any is another, so that what follows goes on from a new state."""
        before = self.variants
        for held in self._models.values():
            held.renew()
        return self.variants != before

    def prime(self, block: Block) -> None:
        """Take a block of before ``restore``: nothing is computed of it."""
        windower = self._windowers.get(block.kind)
        if windower is not None:
            windower.add(block)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on beside the last ``keep_s`` of samples, in MessagePack's types."""
        return {
            "streams": {kind: windower.state() for kind, windower in self._windowers.items()},
            "hops": {s.name: s.hop for s in self._schedules},
            "analyzers": {s.name: dict(s.analyzer.state()) for s in self._schedules},
            "models": self.variants,
        }

    @property
    def variants(self) -> dict[str, dict[str, str]]:
        """Of each analyzer, its models and their variants in use."""
        return {name: held.variants for name, held in self._models.items()}

    def restore_models(self, state: Mapping[str, Any]) -> None:
        """Of a ``state()`` only the variants of models, which states of older versions do not tell; raises ModelError."""
        for name, variants in state.get("models", {}).items():
            if name in self._models:
                self._models[name].restore(variants)

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Go on from ``state()``, after ``prime`` with the blocks before it; False where they do not reach back far
        enough. ``answers_from`` then says from when on each metric is computed here."""
        if not all(w.restore(state["streams"][kind]) for kind, w in self._windowers.items()):
            return False
        self.restore_models(state)
        first = self._windowers[self.primary].first_t
        for schedule in self._schedules:
            schedule.hop = state["hops"][schedule.name]
            schedule.analyzer.restore(state["analyzers"][schedule.name])
            due = -math.inf if first is None else schedule.due(first)
            self.answers_from |= dict.fromkeys(schedule.analyzer.metrics, due)
        return True

    def take_faults(self) -> list[AnalyzerFault]:
        """The analyzers' failures since the last call."""
        faults, self._faults = self._faults, []
        return faults

    def reset(self) -> None:
        """Forget everything, as at a new epoch of every stream."""
        for windower in self._windowers.values():
            windower.reset()
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        for schedule in self._schedules:
            schedule.hop = 1
            schedule.analyzer.reset()

    def _compute_due(self, *, waiting: bool = True) -> list[Reading]:
        primary = self._windowers[self.primary]
        first, reached = primary.first_t, primary.end
        if first is None or reached is None:
            return []
        readings: list[Reading] = []
        while True:
            ready = [s for s in self._schedules if self._is_ready(s, s.due(first), reached, waiting=waiting)]
            if not ready:
                self._forget(first)
                return readings
            schedule = min(ready, key=lambda s: s.due(first))
            heard_again = primary.hole_end(schedule.due(first), longer_than_s=_SILENT_S)
            if heard_again is not None:
                schedule.hop = max(schedule.hop + 1, math.ceil((heard_again - first) / schedule.analyzer.hop_s))
                continue
            readings += self._compute(schedule, schedule.due(first))
            schedule.hop += 1

    def _forget(self, first: float) -> None:
        reached = min((s.due(first) - s.analyzer.window_s for s in self._schedules), default=-math.inf)
        for kind, windower in self._windowers.items():
            if kind != self.primary and windower.ended_before(reached):
                windower.reset()
            else:
                windower.forget(reached)

    def _is_ready(self, schedule: _Schedule, due: float, reached: float, *, waiting: bool) -> bool:
        if reached < due - 1e-6:
            return False
        if not waiting:
            return True
        start = due - schedule.analyzer.window_s
        for kind in schedule.companions:
            companion = self._windowers[kind]
            if companion.end is None or not start < companion.end < due - 1e-6:
                continue  # absent, long gone, or there already
            block_s = companion.last_block_s + self._windowers[self.primary].last_block_s
            if reached < due + COMPANION_WAIT_S + block_s:
                return False
        return True

    def _compute(self, schedule: _Schedule, end: float) -> list[Reading]:
        start = end - schedule.analyzer.window_s
        windows: dict[str, Window] = {}
        for kind in (self.primary, *schedule.companions):
            window = self._windowers[kind].cut(start, end)
            if window is not None and (kind == self.primary or len(window.t)):
                windows[kind] = window
        try:
            readings = schedule.analyzer(windows)
        except Exception as error:  # one analyzer must not take the others down
            self._faults.append(AnalyzerFault(schedule.name, error))
            readings = [Reading(m, end, None, reason="model_fault") for m in schedule.analyzer.metrics]
        return [replace(r, bed=self.bed, source=self.source) for r in readings]
