"""A real mosquitto on a free loopback port, started and stopped by the test that asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.campaign.broker import OPEN, Mosquitto, find

__all__ = ["Mosquitto", "mosquitto", "new_mosquitto", "no_subscribers"]


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


@pytest.fixture
def no_subscribers(new_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> Mosquitto:
    """A started broker that refuses every SUBSCRIBE, which rules in a file cannot do: those are passed over in silence."""
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)
    if plugin is None:
        pytest.skip("this mosquitto comes without its dynamic security")
    access = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    rules = tmp_path / "dynamic-security.json"
    rules.write_text(json.dumps({"defaultACLAccess": access, "clients": [], "groups": [], "roles": []}))
    return new_mosquitto(f"allow_anonymous true\nplugin {plugin}\nplugin_opt_config_file {rules}\n").start()
