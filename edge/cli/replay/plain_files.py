"""Plain files of one bed as sources with the lanes that read them: sound, tables, clinical formats, video."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count
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


def source_names(paths: Sequence[str]) -> list[str]:
    """A source name made of each file's, ``50_light.avi`` -> ``50_light``; with a number where two would be alike, since
    the samples of one would be taken for the other's."""
    names: list[str] = []
    for path in paths:
        stem = re.sub(r"[^a-z0-9_-]+", "-", Path(path).stem.lower()).strip("-_") or "file"
        numbered = (f"{stem}-{number}" for number in count(2))
        names.append(next(name for name in chain([stem], numbered) if name not in names))
    return names


def open_file(path: str, name: str, *, rate_hz: float | None = None) -> Source:
    """The source of that name that plays a file as fast as possible, by its suffix; raises SourceError."""
    settings: dict[str, str | float]
    injected = {"name": name, "clock": ManualClock()}
    if Path(path).suffix.lower() in VIDEO_SUFFIXES:
        kind, settings = "camera", {"device": path, "pace": "max"}
    else:
        kind, settings = "files", {"path": path, **({"rate_hz": rate_hz} if rate_hz else {})}
    source: Source = construct("sources", kind, settings, injected)
    return source


def file_lanes(
    paths: Sequence[str], config: Config, models: ModelShelf, *, rate_hz: float | None = None
) -> tuple[list[Source], list[Lane]]:
    """Sources and lanes for plain files: of each file, the analyzers whose stream it holds."""
    bed = next(iter(config.beds))
    sources, lanes = [], []
    for path, name in zip(paths, source_names(paths), strict=True):
        source = open_file(path, name, rate_hz=rate_hz)
        source.open()
        try:
            kinds = set(source.rates_hz) if isinstance(source, Files) else {block.kind for block in source.read()}
        except EOFError:
            raise SourceError(f"{path}: empty") from None
        finally:
            source.close()
        analyzers = tuple(a for kind in sorted(kinds) for a in ANALYZERS_BY_STREAM.get(kind, ()))
        plan = SourceConfig(name, bed, "files", analyzers, {})
        lanes += build_lanes(config, plan, models)
        sources.append(source)
    return sources, lanes
