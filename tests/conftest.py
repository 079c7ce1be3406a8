"""What every test may use: real data or a named skip, the slow switch, and a guard against threads left alive."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mosquitto_broker import mosquitto, new_mosquitto, no_subscribers  # noqa: F401 - fixtures for every test
from web_browser import browser  # noqa: F401 - the same

ROOT = Path(__file__).resolve().parent.parent
settings.register_profile(
    "no_deadline", deadline=None
)  # how long an example takes is the machine's load, not a property
settings.load_profile("no_deadline")


def pytest_configure() -> None:
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):  # what a test leaves behind is for no other one
        os.environ.pop(name, None)
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # begun in the background: what tests start would be deaf to it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too, as CI does")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow; run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings, or a skip that says where it was looked for."""
    path = Path(os.environ.get("EDGE_VITALS_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real recordings at {path}; set EDGE_VITALS_DATA")
    return path


@pytest.fixture(autouse=True, scope="session")
def patience_with_the_disk() -> Iterator[None]:
    """The disk under many tests may take longer for a write than a monitor's may; tests of a disk that hangs set their
    own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.storage.disk_thread.WAIT_S", 10.0)
        yield


@pytest.fixture(autouse=True)
def nothing_logs_into_the_output_of_a_test_that_is_over() -> Iterator[None]:
    """A command that a test ran here writes its log to what was the standard error of that test."""
    yield
    root = logging.getLogger()
    for handler in [h for h in root.handlers if type(h) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(autouse=True)
def signals_mean_what_they_did() -> Iterator[None]:
    """A command that a test ran here keeps its hands on them until its process ends, which is this one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fails the test that leaves a thread of ours alive."""
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and t.name.startswith("edge-")]
    for thread in left:
        thread.join(timeout=3.0)
    alive = [t.name for t in left if t.is_alive()]
    assert not alive, f"threads left alive: {alive}"
