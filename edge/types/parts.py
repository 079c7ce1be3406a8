"""What is plugged in: a file that fits one of these is a source, transform, analyzer or sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from edge.types.events import Event, Reading
from edge.types.samples import Block, Window


class Source(Protocol):
    """A device or file that is read and stamped, nothing else. One thread calls it; any may ask for its ``SelfReport``."""

    def open(self) -> None:
        """Open the device; raises SourceError with a remedy."""

    def read(self) -> list[Block]:
        """Whatever has arrived, after waiting at most 0.5 s; raises SourceError when lost, EOFError at the end."""

    def close(self) -> None:
        """Let go of the device; calling twice is harmless."""


class SelfReport(NamedTuple):
    """What a source says of itself, in attributes of these names that it may have beside its protocol.

    complaint: what is wrong by the device's own word, "" = nothing; clock_wrong: what of that is about its times.
    announced: the kinds of streams that it says it sends. counters: figures by name for whoever looks after it, of which
    ``dropped`` tells of a machine that is too slow. can_wait: nothing is lost while nobody reads, as in a file.
    """

    complaint: str = ""
    clock_wrong: str = ""
    announced: Sequence[str] = ()
    counters: Mapping[str, int] = MappingProxyType({})
    can_wait: bool = False


def self_report(source: Source) -> SelfReport:
    """What the source says of itself now, the default where it has no such attribute; any thread."""
    said: dict[str, Any] = {name: getattr(source, name, none) for name, none in SelfReport._field_defaults.items()}
    return SelfReport(**said)


class Transform(Protocol):
    """Block in, block (of another stream kind) or nothing out; deterministic."""

    def __call__(self, block: Block) -> Block | None: ...

    def reset(self) -> None:
        """Forget everything: a new epoch begins."""


class Analyzer(Protocol):
    """Windows of one moment in, readings out. ``streams`` names kinds, ``"acc?"`` an optional companion;
    the first is the primary. Keys of ``windows`` are kinds; an absent companion has no key. ``metrics`` are the
    metrics it answers for."""

    @property
    def streams(self) -> Sequence[str]: ...

    @property
    def metrics(self) -> Sequence[str]: ...

    @property
    def window_s(self) -> float: ...

    @property
    def hop_s(self) -> float: ...

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]: ...

    def reset(self) -> None:
        """Forget everything: a new epoch begins."""

    def state(self) -> Mapping[str, Any]:
        """What it remembers from window to window, in MessagePack's types; {} for one that remembers nothing."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()`` of another one built alike: the same windows then give the same readings."""


class Sink(Protocol):
    """Carries events out. ``send`` must not block. One that does more fits one of the protocols below, too."""

    def send(self, event: Event) -> None: ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was sent is out, at most ``timeout_s``; whether it is."""

    def close(self) -> None: ...


@runtime_checkable
class Records(Protocol):
    """A sink that keeps every entry of the run, blocks too; any thread calls it."""

    def record(self, entry: Any) -> None:
        """Take an ``edge.recording.Entry``."""


@runtime_checkable
class Keeps(Protocol):
    """A sink that writes a record of the run to disk."""

    def why_not(self) -> str:
        """What keeps it from writing, in words; "" when it wrote the last time."""


@runtime_checkable
class Observes(Protocol):
    """A sink that also sees the blocks that enter windows, as a page with traces does; called by workers, never waits."""

    def observe(self, block: Block) -> None: ...


@runtime_checkable
class Shows(Protocol):
    """A sink with a page. url: where it is."""

    @property
    def url(self) -> str: ...
