"""What is said of every source when the program stops: that nobody watches it any more.

A source that said already why it is not watched keeps its word. Of one that said nothing in this run an earlier one may
have left something at the broker, so it is spoken of as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import SourceStatus

STOPPED = "the program was stopped"


class LastWords:
    """layout: by bed, its ``sources``."""

    def __init__(self, topics: Topics, payloads: Payloads, layout: Mapping[str, Any]) -> None:
        self._topics, self._payloads = topics, payloads
        self._beds = {name: bed for bed, about in layout.items() for name in about["sources"]}
        self._silent: set[str] = set()

    def heard(self, status: SourceStatus) -> None:
        """What a source has said."""
        self._beds[status.source] = status.bed
        if status.state == "disabled":
            self._silent.add(status.source)
        else:
            self._silent.discard(status.source)

    def at(self, now: float) -> Iterator[tuple[str, bytes]]:
        """Topics and payloads for a stop at ``now``, s."""
        for name, bed in self._beds.items():
            if name not in self._silent:
                last = SourceStatus(name, bed, now, "disabled", STOPPED, since=now)
                yield self._topics.source(name), self._payloads.source(last)
