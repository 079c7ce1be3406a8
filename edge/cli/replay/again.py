"""The program as it was when something was recorded, so that the same is made again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edge.alarms.board import Board
from edge.assembly import ModelShelf, all_lanes, build_board, keeps_evidence
from edge.clock import ManualClock
from edge.config import Config, parse
from edge.fusion import Fusion
from edge.recording import Entry, MainState, Recording
from edge.replay import Comparison, reproduce
from edge.types import ConfigError, Event


class Again:
    """The program as a recording's header says it was: configuration, models of the same variants, lanes and board.

    config: another one instead; then alarms are not to be the same, and the board begins empty. Where its analyzers are
    others, too, nothing can go on from a state of then.
    """

    def __init__(self, recording: Recording, config: Config | None = None) -> None:
        if config is None and recording.headless:
            raise ConfigError(f"{recording.headless}; name the configuration with --config")
        self.recording, header = recording, recording.header
        self.own_rules = config is None
        try:
            self.config = config or parse(header.get("config", ""), path=f"{recording.path} (header)")
        except ConfigError as error:
            raise ConfigError(f"{error}; the version that recorded it took it: replay with --config FILE") from None
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
        if self.own_rules:
            return True
        try:
            then = parse(self.recording.header.get("config", ""))
        except ConfigError:
            return False

        def looks(config: Config, name: str) -> tuple[str, dict[str, Mapping[str, Any]]]:
            source = config.sources[name]
            return source.bed, {a: config.analyzers.get(a, {}) for a in source.analyzers}

        both = self.config.sources.keys() & then.sources.keys()
        return all(looks(self.config, name) == looks(then, name) for name in both)

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
        state: dict[str, Any] = {"state": saved.board, "shift_s": saved.shift_s} if self.own_rules else {}
        return build_board(
            self.config,
            boot=self.recording.header.get("boot", "replay"),
            models=self.models,
            keeps_evidence=keeps_evidence(self.config),
            **state,
        )
