"""Every source, transform, analyzer and sink there is, found by walking the folders, keeps its side of the contract."""

from __future__ import annotations

import contextlib
import inspect
import io
import pickle
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edge import inference
from edge.clock import ManualClock, SystemClock
from edge.dsp.face.columns import COLUMNS
from edge.kinds import INJECTED, construct, kind_module, kinds, settings_of
from edge.lane import Lane
from edge.types import (
    Alarm,
    Block,
    Command,
    CommandResult,
    Heartbeat,
    ModelError,
    Reading,
    SourceError,
    SourceStatus,
    Stats,
    Window,
)

WAIT_S = 10.0
GROUPS = ("sources", "transforms", "analyzers", "sinks")
ALL = [(group, kind) for group in GROUPS for kind in kinds(group)]
ANALYZERS = kinds("analyzers")
SHAPES = {"ppg": (100.0, 1), "pcg": (2000.0, 1), "acc": (100.0, 3)}
RNG = np.random.default_rng(5)
_LOADED: dict[str, inference.Model] = {}


def models(name):
    if name not in _LOADED:
        _LOADED[name] = inference.load(name)
    return _LOADED[name]


def analyzer(kind):
    try:
        return construct("analyzers", kind, {}, {"models": models})
    except ModelError as error:
        pytest.fail(f"{kind}: {error}")


def shape_of(kind):
    if kind == "roi":
        return 30.0, len(COLUMNS)
    return SHAPES[kind]


def window(kind, span_s, *, data=None, keep=None, start=100.0):
    rate, channels = shape_of(kind)
    n = round(span_s * rate)
    t = start + np.arange(n) / rate
    data = RNG.normal(size=(n, channels)) if data is None else np.full((n, channels), data)
    keep = np.ones(n, bool) if keep is None else keep(np.arange(n) / n)
    edges = np.flatnonzero(np.diff(np.concatenate([[1], keep.astype(int), [1]])))
    holes = tuple((start + a / rate, start + b / rate) for a, b in zip(edges[::2], edges[1::2], strict=True))
    return Window(f"x/{kind}", start, start + span_s, t[keep], data[keep], rate, float(keep.mean()), holes)


@pytest.mark.parametrize(("group", "kind"), ALL)
def test_a_kind_has_one_keyword_only_build_that_documents_its_keys(group, kind):
    module = kind_module(group, kind)
    parameters = inspect.signature(module.build).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters), "build takes keywords only"
    assert module.__doc__
    assert module.build.__doc__
    for name, (type_, _) in settings_of(module.build).items():
        assert type_ is not inspect.Parameter.empty, f"{name} has no type"
    assert not {p.name for p in parameters} & INJECTED & set(settings_of(module.build))


@pytest.mark.parametrize("kind", ANALYZERS)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param({"keep": lambda x: x < 0}, id="empty"),
        pytest.param({"keep": lambda x: x < 0.02}, id="only the first samples"),
        pytest.param({"data": 0.0}, id="zero"),
        pytest.param({"data": 1234.0}, id="constant"),
        pytest.param({"data": float("nan")}, id="NaN"),
        pytest.param({"data": 8388607.0}, id="full scale"),
        pytest.param({}, id="noise"),
        pytest.param({"keep": lambda x: (x < 0.3) | (x > 0.7)}, id="a hole"),
        pytest.param({"keep": lambda x: (x * 50).astype(int) % 2 == 0}, id="many holes"),
    ],
)
def test_an_analyzer_never_makes_a_number_of_what_holds_none(kind, case):
    one = analyzer(kind)
    primary = one.streams[0]
    readings = one({primary: window(primary, one.window_s, **case)})
    assert {r.metric for r in readings} >= set(one.metrics)
    for reading in readings:
        if reading.metric.endswith((".hr", ".rhythm", ".murmur")):
            assert reading.value is None, f"{reading.metric} says {reading.value!r} of {case or 'noise'}"
            assert reading.reason


@pytest.mark.parametrize("kind", ANALYZERS)
def test_an_analyzer_forgets_at_reset(kind):
    one, fresh = analyzer(kind), analyzer(kind)
    primary = one.streams[0]
    seen = window(primary, one.window_s)
    for _ in range(3):
        one({primary: seen})
    one.reset()
    assert one({primary: seen}) == fresh({primary: seen})


@pytest.mark.parametrize("kind", ANALYZERS)
def test_an_analyzer_goes_on_from_its_state_as_another_would_have(kind):
    import msgspec

    one, other = analyzer(kind), analyzer(kind)
    primary = one.streams[0]

    def windows(hop):
        noise = window(primary, one.window_s, start=100.0 + hop * one.hop_s)
        data = (1000.0 * np.sin(2 * np.pi * 1.3 * noise.t)[:, None] + 100.0 * noise.data).round()
        return {primary: Window(noise.stream, noise.start, noise.end, noise.t, data, noise.rate, 1.0, ())}

    for hop in range(4):
        one(windows(hop))
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state())))
    for hop in range(4, 7):
        given = windows(hop)
        assert one(given) == other(given)
    assert one.state() == other.state()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ANALYZERS)
def test_an_analyzer_keeps_bounded_state_over_an_hour(kind):
    class Sizer(pickle.Pickler):
        def persistent_id(self, thing):  # a model does not grow, and cannot be pickled
            return "model" if isinstance(thing, inference.Model) else None

    one = analyzer(kind)
    primary = one.streams[0]
    lane = Lane(bed="b", source="x", primary=primary, analyzers={kind: one})
    rate, channels = shape_of(primary)

    def size():
        out = io.BytesIO()
        Sizer(out).dump(vars(one))
        return out.tell()

    seconds, sizes = 3600, []
    for second in range(seconds):
        n = round(rate)
        lane.feed(Block(f"x/{primary}", second * n, float(second), rate, RNG.normal(size=(n, channels))))
        if second in (600, seconds - 1):
            sizes.append(size())
    assert sizes[1] <= sizes[0] * 1.1 + 1000


SOURCE_SETTINGS = {
    "serial_port": {"port": "/dev/serial/by-id/none"},
    "camera": {"device": "/nowhere/none.avi"},
    "files": {"path": "/nowhere/none.wav"},
}
"""Of each kind that needs a device or a file: one that is not there, with ``none`` in its name."""


@pytest.mark.parametrize("kind", kinds("sources"))
def test_a_source_closes_twice_and_unopened(kind):
    source = construct("sources", kind, SOURCE_SETTINGS.get(kind, {}), {"name": "x", "clock": SystemClock()})
    source.close()
    source.close()


@pytest.mark.parametrize("kind", SOURCE_SETTINGS)
def test_a_source_that_is_not_there_says_so_at_once_in_one_line(kind, monkeypatch):
    clock = ManualClock()
    source = construct("sources", kind, SOURCE_SETTINGS[kind], {"name": "x", "clock": clock})
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits"))
    with pytest.raises(SourceError) as error:
        source.open()
    source.close()
    assert "none" in str(error.value)
    assert "\n" not in str(error.value)
    assert clock.now() == 0.0, "it waits"


EVENTS = [
    Reading("ppg.hr", 1.0, 60.0, "bpm", 0.9, bed="bed1", source="node"),
    Reading("ppg.hr", 2.0, None, "bpm", reason="motion", bed="bed1", source="node"),
    SourceStatus("node", "bed1", 3.0, "offline", "unplugged"),
    Alarm("bed1/af", "o1", "physiological", "medium", "on", 4.0, "AF", "af", "bed1", seq=1),
    CommandResult(Command("ack", "bed1", 5.0, "c1", "nurse"), 5.0, True, "done"),
    Stats(6.0, {"readings": {"ppg.hr": 2}}),
    Heartbeat(7.0, 5.0, {"bed1": {"seq": 1, "standing": 1, "drills": 0, "unconfirmed": 0}}),
]


@contextlib.contextmanager
def sink(kind, tmp_path, clock, broker_port):
    from edge.sinks.outbox import Outbox

    settings = {
        "mqtt": {"host": "127.0.0.1", "port": broker_port},
        "journal": {"path": str(tmp_path / "journal.jsonl")},
        "web": {"port": 0},
        "metrics": {"port": 0},
        "evidence": {"path": str(tmp_path / "evidence")},
        "recorder": {"path": str(tmp_path / "recordings")},
        "annunciator": {"command": ("true",)},
    }
    outbox = Outbox(tmp_path / "outbox.sqlite", clock=clock)
    injected = {
        "device_name": "dev",
        "clock": clock,
        "outbox": outbox,
        "boot": "b",
        "state_dir": tmp_path,
        "on_command": lambda command: None,
        "on_link": lambda up, reason: None,
        "hops": {"ppg.hr": 1.0},
    }
    one = construct("sinks", kind, settings.get(kind, {}), injected)
    try:
        yield one
    finally:
        one.close()
        outbox.close()


@pytest.mark.parametrize("kind", kinds("sinks"))
def test_a_sink_takes_every_event_without_blocking_and_closes_twice(kind, tmp_path, capsys, monkeypatch):
    """A broker is there that takes the connection and says nothing: it lets go only when all has been sent."""
    monkeypatch.setattr("edge.sinks._mqtt.redial._PATIENCE_S", (10 * WAIT_S,))
    clock, silent = ManualClock(), socket.create_server(("127.0.0.1", 0))
    with ThreadPoolExecutor(1) as pool, sink(kind, tmp_path, clock, silent.getsockname()[1]) as one, silent:
        pool.submit(lambda: [one.send(event) for event in EVENTS * 20]).result(WAIT_S)
        assert clock.now() == 0.0, "it waits"
        silent.close()
        one.flush(0.2)
        one.close()
