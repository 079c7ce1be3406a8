"""NumPy archives as the evaluation takes them: what is wrong with one is one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.types import ConfigError

NAMES = ("record", "subject")


def arrays(path: Path, keys: Sequence[str], layout: str) -> tuple[dict[str, NDArray[Any]], float]:
    """``keys`` of an archive, those that end in ``?`` where they are there, and its rate ``fs``; raises ConfigError.

    Signals must be real numbers; ``NAMES`` may be anything.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            rate_hz = float(archive["fs"].item())  # one number, of any shape
            wanted = [key.rstrip("?") for key in keys if not key.endswith("?") or key[:-1] in archive.files]
            found = {key: archive[key] for key in wanted}
    except Exception as error:  # NumPy's reader promises no closed set of errors for a damaged archive
        said = " ".join(str(error).split())[:80]
        raise ConfigError(f"{path}: not an NPZ with {layout} ({said})") from None
    for key, values in found.items():
        if key not in NAMES and values.dtype.kind not in "biuf":
            raise ConfigError(f"{path}: {key}: {values.dtype}, not real numbers")
    if not math.isfinite(rate_hz) or rate_hz < 1.0:
        raise ConfigError(f"{path}: fs: {rate_hz:g} Hz is no sampling rate")
    return found, rate_hz
