"""Values that several commands take, checked where they are read, so that a wrong one is a usage error (exit code 2)."""

from __future__ import annotations

import argparse
import math
from typing import Final

from edge.names import RULE, is_name
from edge.types import DEVICE_BED

CONFIG_HELP: Final = "a TOML file: beds, sources, broker, alarms; docs/configuration.md has every key"


def seconds(text: str) -> float:
    """A length of time that is not negative, s."""
    value = _number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: seconds from 0 on")
    return value


def rate(text: str) -> float:
    """A sampling rate, Hz."""
    value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: a rate above 0 Hz")
    return value


def port(text: str) -> int:
    """A TCP port; 0 = any free one."""
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r}: a port, 0 to 65535")
    return int(text)


def name(text: str) -> str:
    """The name of a device or role, as the contract has them; "" = none."""
    if text and not is_name(text):
        raise argparse.ArgumentTypeError(f"{text[:80]!r}: names {RULE}")
    return text


def role(text: str) -> str:
    """Who confirms alarms. "" is an error: a variable that is not set in a script, which would confirm nothing."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a role")
    return name(text)


def prefix(text: str) -> str:
    """The first part of topics."""
    if not text or set(text) & set("#+"):
        raise argparse.ArgumentTypeError(f"{text!r}: a topic without # and +")
    return text


def bed(text: str) -> str:
    """A bed's name, or that of the device's own alarms."""
    return text if text == DEVICE_BED else name(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r}: a number")
    return value
