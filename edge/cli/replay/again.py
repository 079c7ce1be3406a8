"""The program as it was when something was recorded, so that the same is made again, or the same with other limits."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from edge.alarms.board import Board
from edge.assembly import ModelShelf, all_lanes, build_board, keeps_evidence
from edge.clock import ManualClock
from edge.config import BedConfig, Config, parse
from edge.exact_replay import Comparison, reproduce
from edge.fusion import Fusion
from edge.recording import Entry, MainState, Recording
from edge.types import DEVICE_BED, ConfigError, Event


class Again:
    """The program as a recording's header says it was: configuration, models of the same variants, lanes and board.

    config: another one instead; beds and sources that it lacks are those of then. Where rules or beds are others, alarms
    are not to be the same and begin anew; where analyzers are, nothing can go on from a state of then.
    Raises ConfigError where nothing says what the recording is to be run through.
    """

    def __init__(self, recording: Recording, config: Config | None = None) -> None:
        if config is None and recording.headless:
            raise ConfigError(f"{recording.headless}; name the configuration with --config")
        self.recording, header = recording, recording.header
        self.then: Config | None = None
        try:
            if header.get("config") or config is None:
                self.then = parse(header.get("config", ""), path=f"{recording.path} (header)")
        except ConfigError as error:
            if config is None:
                raise ConfigError(f"{error}; the version that recorded it took it: replay with --config FILE") from None
        if config is None:
            assert self.then is not None
            self.config = self.then
        else:
            self.config = _completed(config, self.then, recording)
        self.own_rules = self.then is not None and _judged_by(self.config) == _judged_by(self.then)
        self.models = ModelShelf(variants=header.get("variants", {}))
        self.lanes = all_lanes(self.config, self.models)

    def events(self, entries: Iterable[Entry], found: Comparison) -> Iterator[Event]:
        """All that is made of the entries again, compared with what they say was made live."""
        return reproduce(
            entries,
            lanes=self.lanes,
            board_of=self._board,
            clock=ManualClock(),
            fusion=Fusion(),
            found=found,
            same_rules=self.own_rules,
        )

    def goes_on(self) -> bool:
        """Whether the lanes here can go on from the states of then: of every source the same analyzers, set the same."""
        if self.then is None:
            return False

        def looks(config: Config, name: str) -> tuple[Any, ...]:
            source = config.sources[name]
            return source.bed, {a: config.analyzers.get(a, {}) for a in source.analyzers}

        return all(looks(self.config, name) == looks(self.then, name) for name in self.then.sources)

    def why_not(self) -> list[str]:
        """What keeps this replay from being exact, where that is known beforehand."""
        recording = self.recording
        notes = [recording.missing] if recording.missing else []
        here = self.models.identities()
        for name, live in recording.header.get("identities", {}).items():
            if here.get(name, live) != live:
                notes.append(f"made live by {live}, here by {here[name]}")
        cards = self.models.cards()
        for name, live in recording.header.get("cards", {}).items():
            if cards.get(name, live) != live:
                notes.append(f"the card of {name} is not the one of then")
        return notes

    def _board(self, saved: MainState) -> Board:
        return build_board(
            self.config,
            boot=self.recording.header.get("boot", "replay"),
            models=self.models,
            keeps_evidence=keeps_evidence(self.then or self.config),
            state=saved.board if self.own_rules else _without_alarms(saved.board),
            shift_s=saved.shift_s,
        )


def _completed(config: Config, then: Config | None, recording: Recording) -> Config:
    """A configuration with what it lacks of then: beds, who lies in them, and sources with how their analyzers are set.

    A bed that it does not name has its rules of every bed. Where then's configuration is not known the entries tell of the
    beds; of sources they do not tell enough, and it must name them.
    """
    if then is None:
        if not config.sources:
            raise ConfigError(f"{config.path}: no [sources.NAME], and those of then are not known: name them")
        names = {getattr(entry, "bed", "") for entry in recording.entries(samples=False)} - {"", DEVICE_BED}
        told = {name: BedConfig(name) for name in sorted(names)}
        return replace(config, beds={**_with_rules_of_every_bed(config, told), **config.beds})
    beds = _with_rules_of_every_bed(config, then.beds)
    used = {source.bed for source in config.sources.values()}
    named = "beds" in tomllib.loads(config.text)  # else there is one all the same, for sources that name none
    for name, bed in config.beds.items():
        if not named and name not in used:
            continue
        of_then = then.beds.get(name)
        beds[name] = bed if bed.person or bed.site or of_then is None else replace(of_then, alarms=bed.alarms)
    set_here = {analyzer for source in config.sources.values() for analyzer in source.analyzers}
    settings = {name: table for name, table in then.analyzers.items() if name not in set_here}
    return replace(
        config,
        beds=beds,
        sources={**then.sources, **config.sources},
        analyzers={**settings, **config.analyzers},
    )


def _with_rules_of_every_bed(config: Config, beds: Mapping[str, BedConfig]) -> dict[str, BedConfig]:
    return {name: replace(bed, alarms=config.bed_alarms) for name, bed in beds.items()}


def _judged_by(config: Config) -> tuple[Any, ...]:
    """All of a configuration that decides what a board makes of readings."""
    sources = {name: (s.bed, s.analyzers, s.named) for name, s in config.sources.items()}
    return config.beds, config.device_alarms, config.delivery, sources


def _without_alarms(board: Mapping[str, Any]) -> dict[str, Any]:
    """A board's state with who lies in the beds, and none of the alarms that other rules had raised."""
    beds = {name: {**bed, "lines": {}, "deliveries": {}} for name, bed in board["beds"].items()}
    return {**board, "beds": beds}
