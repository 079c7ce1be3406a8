"""A real mosquitto on a free loopback port, started and stopped by the test that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tools.campaign.broker import OPEN, Mosquitto, find

__all__ = ["Mosquitto", "mosquitto", "new_mosquitto"]


@pytest.fixture
def new_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Mosquitto]]:
    """Makes brokers that are not started yet; all are stopped at the end."""
    program = find()
    if program is None:
        pytest.skip("mosquitto is not installed; tools/test installs it")
    made: list[Mosquitto] = []

    def make(settings: str = OPEN) -> Mosquitto:
        made.append(Mosquitto(program, tmp_path_factory.mktemp("mosquitto"), settings))
        return made[-1]

    yield make
    for broker in made:
        broker.stop(kill=True)


@pytest.fixture
def mosquitto(new_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A started broker that lets everybody in."""
    return new_mosquitto().start()
