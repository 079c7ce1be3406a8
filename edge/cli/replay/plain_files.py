"""Plain files of one bed as sources with the lanes that read them: sound, tables, clinical formats, video."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.assembly import ModelShelf, build_lanes
from edge.clock import ManualClock
from edge.config import ANALYZERS_BY_STREAM, Config, SourceConfig
from edge.kinds import construct
from edge.lane import Lane
from edge.sources.files import Files
from edge.types import Source, SourceError

VIDEO_SUFFIXES: Final = frozenset({".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".mjpg", ".mpg"})


def source_name(path: str | Path) -> str:
    """A source name made of a file's: ``50_light.avi`` -> ``50_light``."""
    name = re.sub(r"[^a-z0-9_-]+", "-", Path(path).stem.lower()).strip("-_")
    return name or "file"


def open_file(path: str | Path, *, rate_hz: float | None = None) -> Source:
    """The source that plays a file as fast as possible, by its suffix; raises SourceError."""
    injected = {"name": source_name(path), "clock": ManualClock()}
    if Path(path).suffix.lower() in VIDEO_SUFFIXES:
        source: Source = construct("sources", "camera", {"device": str(path), "pace": "max"}, injected)
        return source
    settings = {"path": str(path), **({"rate_hz": rate_hz} if rate_hz else {})}
    audio: Source = construct("sources", "files", settings, injected)
    return audio


def file_lanes(
    paths: Sequence[str], config: Config, models: ModelShelf, *, rate_hz: float | None = None
) -> tuple[list[Source], list[Lane]]:
    """Sources and lanes for plain files: of each file, the analyzers whose stream it holds."""
    bed = next(iter(config.beds))
    sources, lanes = [], []
    for path in paths:
        source = open_file(path, rate_hz=rate_hz)
        source.open()
        try:
            kinds = set(source.rates_hz) if isinstance(source, Files) else {block.kind for block in source.read()}
        except EOFError:
            raise SourceError(f"{path}: empty") from None
        finally:
            source.close()
        analyzers = tuple(a for kind in sorted(kinds) for a in ANALYZERS_BY_STREAM.get(kind, ()))
        plan = SourceConfig(source_name(path), bed, "files", analyzers, {})
        lanes += build_lanes(config, plan, models)
        sources.append(source)
    return sources, lanes
