"""The picture of a report by matplotlib, without a screen, written at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.types import ConfigError

_DPI = 110


@contextmanager
def picture(path: str | Path, rows: int, *, size: tuple[float, float], title: str, **layout: Any) -> Iterator[Any]:
    """``rows`` axes below each other to draw on, then the file ``path``; its ending says the format.

    size: width and height, inches; layout: further arguments of ``pyplot.subplots``. Raises ConfigError where the file
    cannot be written.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, 1, figsize=size, squeeze=False, layout="constrained", **layout)
    figure.suptitle(title)
    try:
        yield axes[:, 0]
        _save(figure, path)
    finally:
        pyplot.close(figure)


def _save(figure: Any, path: str | Path) -> None:
    try:
        figure.savefig(path, dpi=_DPI)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--plot {path}: {error}") from error
