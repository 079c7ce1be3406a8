"""A checked configuration becomes objects: sources, lanes, board, fusion, sinks. The one place that connects them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from edge import fusion, inference, ports
from edge.alarms.auscultation import Place
from edge.alarms.board import Board
from edge.alarms.conditions import DEFAULTS
from edge.clock import Clock
from edge.config import METRICS_OF, STREAM_OF, TRANSFORMS_OF, BedConfig, Config, SourceConfig
from edge.dsp.pcg.decision import Calibration
from edge.inference import HeldModels, Model
from edge.kinds import check, construct, table_of
from edge.lane import Lane
from edge.nearest import nearest
from edge.storage.disk import must_keep_state, users_folder
from edge.types import DEVICE_BED, Analyzer, ConfigError, ModelError, Source, Transform


@dataclass(slots=True)
class ModelShelf:
    """Models by name, loaded once, when first asked for, and shared by all lanes of the process.

    path: the configuration's file, for messages.
    """

    variant: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    state_dir: Path | None = None
    path: str = ""
    loaded: dict[str, Model] = field(default_factory=dict)
    others: dict[tuple[str, str], Model] = field(default_factory=dict)

    def __call__(self, name: str) -> Model:
        if name not in self.loaded:
            variant = self.variants.get(name, self.variant)
            try:
                self.loaded[name] = inference.load(name, variant=variant, state_dir=self.state_dir)
            except ModelError as error:
                if self.path and self.variant is not None:
                    raise ModelError(f"{self.path}: models.variant: {error}") from None
                raise
        return self.loaded[name]

    def of_variant(self, name: str, variant: str) -> Model:
        """That variant of a model, whichever is in use; raises ModelError."""
        if (name, variant) not in self.others:
            self.others[name, variant] = inference.load(name, variant=variant)
        return self.others[name, variant]

    def faster(self) -> dict[str, Model]:
        """For each model that a configuration forced to a variant, the one this machine runs fastest, if another."""
        if self.variant is None:
            return {}
        best = {name: inference.load(name, state_dir=self.state_dir) for name in self.loaded}
        return {name: model for name, model in best.items() if model.variant != self.loaded[name].variant}

    def identities(self) -> dict[str, str]:
        """Model name to ``"name version variant"``."""
        return {name: str(model.identity) for name, model in self.loaded.items()}

    def faults(self) -> list[tuple[str, str]]:
        """Model name and what is broken of it, so that another of its variants runs."""
        return [(name, fault) for name, model in self.loaded.items() for fault in model.faults]

    def cards(self) -> dict[str, str]:
        """Model name to the SHA-256 of its card."""
        return {name: model.card_sha256 for name, model in self.loaded.items()}

    def calibration(self) -> Calibration | None:
        """The constants of the murmur model's verdicts, where it is loaded."""
        murmur = self.loaded.get("murmur")
        return None if murmur is None else Calibration.from_card(murmur.card)

    def chosen(self) -> dict[str, str]:
        """Model name to variant, for a recording's header."""
        return {name: model.variant for name, model in self.loaded.items()}


def shelf_to_look_at(config: Config) -> ModelShelf:
    """Models as a run would take them, without timing any: those forced or chosen before, else the first of each card."""
    chosen = inference.chosen(state_dir_of(config)) if config.variant is None else {}
    return ModelShelf(variant=config.variant, variants=chosen, path=config.path)


def boot_id() -> str:
    """A fresh id of this run of the program."""
    return uuid.uuid4().hex[:12]


def build_source(config: SourceConfig, clock: Clock, *, path: str = "", checking: bool = False) -> Source:
    """The source, not opened. path: the configuration's file, for messages; checking: see ``edge.kinds.INJECTED``."""
    where = (path, f"sources.{config.name}")
    injected = {"name": config.name, "clock": clock, "checking": checking}
    source: Source = construct("sources", config.kind, config.settings, injected, where=where)
    return source


def build_lanes(config: Config, source: SourceConfig, models: ModelShelf) -> list[Lane]:
    """One lane per primary stream that the source's analyzers read."""
    by_primary: dict[str, dict[str, Analyzer]] = {}
    held: dict[str, HeldModels] = {}
    transforms: dict[str, dict[str, Transform]] = {}
    for name in source.analyzers:
        held[name] = HeldModels(models, models.of_variant)
        analyzer: Analyzer = construct(
            "analyzers",
            name,
            config.analyzers.get(name, {}),
            {"models": held[name]},
            where=(config.path, f"analyzers.{name}"),
        )
        primary = analyzer.streams[0].rstrip("?")
        by_primary.setdefault(primary, {})[name] = analyzer
        for takes, kind in TRANSFORMS_OF.get(name, {}).items():
            where = (config.path, f"transforms.{kind}")
            built = construct("transforms", kind, config.transforms.get(kind, {}), {}, where=where)
            transforms.setdefault(primary, {})[takes] = built
    return [
        Lane(
            bed=source.bed,
            source=source.name,
            primary=primary,
            analyzers=analyzers,
            transforms=transforms.get(primary),
            models={name: held[name] for name in analyzers},
        )
        for primary, analyzers in by_primary.items()
    ]


def all_lanes(config: Config, models: ModelShelf) -> list[Lane]:
    """The lanes of every source."""
    return [lane for source in config.sources.values() for lane in build_lanes(config, source, models)]


SHIPPED: Final = (*chain.from_iterable(METRICS_OF.values()), fusion.HR, fusion.SPREAD)
"""What the program as it is shipped can make, whichever analyzers are used."""


def check_alarms(config: Config, lanes: Iterable[Lane]) -> None:
    """Raise ConfigError where an alarm listens to a reading that nothing makes: it would never come.

    What another device's sources would make may be named, since rules are shared between devices.
    """
    made = {metric for lane in lanes for analyzer in lane.analyzers.values() for metric in analyzer.metrics}
    known = made.union(SHIPPED, *(rule.metrics for rule in DEFAULTS.values()))
    for bed in config.beds.values():
        for name, rule in bed.alarms.conditions.items():
            for metric in rule.metrics if rule.enabled else ():
                if metric not in known:
                    raise ConfigError(
                        f"{config.path}: alarms.{name}.metrics of bed {bed.name}: nothing makes {metric!r}{nearest(metric, known)}"
                    )


def refusals(config: Config) -> Iterator[ConfigError]:
    """What keeps a run of this configuration from beginning beside its sources and models; nothing is opened."""
    state_dir = state_dir_of(config)
    try:
        must_keep_state(state_dir)
    except ConfigError as error:
        yield error
    for name, settings in {"evidence": {}, **config.sinks}.items():
        where = (config.path, table_of(name))
        try:
            check(name, settings, {"state_dir": state_dir}, where=where)
        except ConfigError as error:
            yield error
    yield from ports.clashes(config)


def build_board(
    config: Config,
    *,
    boot: str,
    state: Mapping[str, Any] | None = None,
    shift_s: float | None = None,
    models: ModelShelf | None = None,
    keeps_evidence: bool = False,
) -> Board:
    """The board of every bed and of the device itself, as it was left where a state is given. models: those in use."""
    beds = {name: bed.alarms for name, bed in config.beds.items()}
    models = models or ModelShelf()
    return Board(
        {**beds, DEVICE_BED: config.device_alarms},
        boot=boot,
        state=state,
        shift_s=shift_s,
        chain=config.delivery,
        cards=models.cards(),
        keeps_evidence=keeps_evidence,
        places=places_of(config, models.calibration()),
    )


def places_of(config: Config, calibration: Calibration | None) -> dict[str, Place]:
    """Who lies in each bed, where its microphone sits and what watches it; of a configuration that names no source, as of
    files, anything may. calibration: of what listens where something does."""
    sources = config.sources.values()
    if not sources:
        return {name: Place(bed.person, bed.site, calibration) for name, bed in config.beds.items()}
    return {
        name: _place_of(bed, [s for s in sources if s.bed == name], calibration) for name, bed in config.beds.items()
    }


def _place_of(bed: BedConfig, sources: Sequence[SourceConfig], calibration: Calibration | None) -> Place:
    """What a configuration with sources says of a bed and those that watch it, be they none."""
    return Place(
        person=bed.person,
        site=bed.site,
        calibration=calibration if any("murmur" in s.analyzers for s in sources) else None,
        sources={s.name: (*s.analyzers,) for s in sources if s.analyzers},
        streams={s.name: frozenset(STREAM_OF[a] for a in s.analyzers if a in STREAM_OF) for s in sources},
        named=frozenset(s.name for s in sources if s.named),
        metrics=_made(sources),
    )


def _made(sources: Iterable[SourceConfig]) -> dict[str, frozenset[str] | None]:
    """The metrics of each source of a bed, and under "" those that are fused of them; None = nobody knows which."""
    made: dict[str, frozenset[str] | None] = {}
    for source in sources:
        known = METRICS_OF.keys() >= set(source.analyzers)
        made[source.name] = frozenset(m for a in source.analyzers for m in METRICS_OF[a]) if known else None
    rates = [metric for metrics in made.values() for metric in metrics or () if metric in fusion.METRICS]
    fused = (fusion.HR,) if len(rates) == 1 else (fusion.HR, fusion.SPREAD) if rates else ()
    return {**made, "": None if None in made.values() else frozenset(fused)}


def keeps_evidence(config: Config) -> bool:
    """Whether a run of this configuration records the waveform around each alarm."""
    return bool(config.sinks.get("evidence", {}).get("quota_mb", 1.0))


def state_dir_of(config: Config) -> Path:
    """Where state lives: the configuration's folder, else systemd's, else the user's; raises ConfigError without any."""
    if config.state_dir is not None:
        return config.state_dir
    given = os.environ.get("STATE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    own = users_folder("XDG_STATE_HOME", ".local/state")
    if own is None:
        raise ConfigError(
            f"{config.path}: device.state_dir: needed, since this user has no home folder to keep state in"
        )
    return own / config.device
