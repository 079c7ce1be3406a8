"""The picture of a report by matplotlib, without a screen, written at the end."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.types import ConfigError

_DPI = 110
_LETTERS_AN_INCH = 11.0
_TICKS = 10
_BY_CLOCK_FROM_S = 600.0
_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


@contextmanager
def picture(path: str | Path, rows: int, *, size: tuple[float, float], title: str, **layout: Any) -> Iterator[Any]:
    """``rows`` axes below each other to draw on, then the file ``path``; its ending says the format.

    size: width and height, inches; title: taken as it is, and broken where it is wider; layout: further arguments of
    ``pyplot.subplots``. Raises ConfigError where the file cannot be written.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, 1, figsize=size, squeeze=False, layout="constrained", **layout)
    lines = [part for line in title.splitlines() for part in textwrap.wrap(line, round(_LETTERS_AN_INCH * size[0]))]
    figure.suptitle("\n".join(lines), parse_math=False)  # a file's name may have a $
    for axis in axes[:, 0]:
        axis.xaxis.get_major_formatter().set_useOffset(False)  # late in a night 13090 is no "-10" beside "+1.31e4"
    try:
        yield axes[:, 0]
        _save(figure, path)
    finally:
        pyplot.close(figure)


def label_times(axes: Sequence[Any], all_s: float, *, each: bool = False) -> None:
    """Label axes of time, s: of a long file, ``all_s``, in hours, minutes and seconds from its start. each: say the unit
    below each of them, not the last alone."""
    by_clock = all_s >= _BY_CLOCK_FROM_S
    for axis in axes if by_clock else ():
        _by_the_clock(axis)
    for axis in axes if each else axes[-1:]:
        axis.set_xlabel("h:min:s" if by_clock else "s", labelpad=1)


def _by_the_clock(axis: Any) -> None:
    """At whole hours, minutes or seconds, the largest that fit."""
    low, high = axis.get_xlim()
    step_s = next((step for step in _STEPS_S if (high - low) / step <= _TICKS), _STEPS_S[-1])
    axis.set_xticks([step_s * k for k in range(math.ceil(low / step_s), math.floor(high / step_s) + 1)])
    axis.xaxis.set_major_formatter(lambda s, _: f"{int(s) // 3600}:{int(s) // 60 % 60:02d}:{int(s) % 60:02d}")


def _save(figure: Any, path: str | Path) -> None:
    try:
        figure.savefig(path, dpi=_DPI)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(f"--plot {path}: cannot be written: {said}") from error
