"""What a board says of its power and heat: under-voltage, throttling, temperature. None where it does not say.

A Raspberry Pi tells through sysfs (``get_throttled``, ``rpi_volt``) or the program ``vcgencmd``; other boards tell only
their temperature. Bits of ``get_throttled`` as in the Raspberry Pi documentation of vcgencmd: 0 under-voltage, 1 frequency
capped, 2 throttled, 3 soft temperature limit; 16 to 19 the same since the board was started.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SYSFS = "devices/platform/soc/soc:firmware/get_throttled"
_VCGENCMD_S = 2.0
HOT_C = 80.0
"""A Pi begins to throttle here."""


@dataclass(frozen=True, slots=True)
class Health:
    """now and since: words of ``under_voltage, capped, throttled, hot`` that hold now and held since the start."""

    now: frozenset[str] = frozenset()
    since: frozenset[str] = frozenset()
    temperature_c: float | None = None


_BITS = ("under_voltage", "capped", "throttled", "hot")


def read_health(sys: Path = Path("/sys"), vcgencmd: str = "vcgencmd") -> Health:
    """Ask the board, which may take seconds. sys: where sysfs is mounted; vcgencmd: the program that answers on a Pi
    without that file."""
    bits = _throttled(sys, vcgencmd)
    now = {word for bit, word in enumerate(_BITS) if bits >> bit & 1}
    since = {word for bit, word in enumerate(_BITS) if bits >> (bit + 16) & 1}
    for folder in sorted(sys.glob("class/hwmon/hwmon*")):
        if _text(folder / "name") == "rpi_volt" and _text(folder / "in0_lcrit_alarm") == "1":
            now.add("under_voltage")
    temperature_c = _temperature(sys)
    if temperature_c is not None and temperature_c >= HOT_C:
        now.add("hot")
    return Health(frozenset(now), frozenset(since | now), temperature_c)


def _throttled(sys: Path, vcgencmd: str) -> int:
    text = _text(sys / _SYSFS)
    if not text and shutil.which(vcgencmd):
        with contextlib.suppress(OSError, subprocess.SubprocessError, UnicodeError):
            command = [vcgencmd, "get_throttled"]
            text = subprocess.run(command, capture_output=True, text=True, timeout=_VCGENCMD_S, check=True).stdout
    with contextlib.suppress(ValueError):
        return int(text.strip().rpartition("=")[2], 16)
    return 0


def _temperature(sys: Path) -> float | None:
    found = []
    for zone in sys.glob("class/thermal/thermal_zone*/temp"):
        with contextlib.suppress(ValueError):
            found.append(int(_text(zone)) / 1000.0)
    return max(found, default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
