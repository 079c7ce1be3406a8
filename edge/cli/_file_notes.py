"""What a person must know of a file beside its readings: channels that are missing, a rate no analyzer is made for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PPG_RATES_HZ: Final = (25.0, 500.0)
"""What heart rate and rhythm are promised for."""


def of_rates(rates_hz: Mapping[str, float]) -> list[str]:
    """A line where the pulse wave was sampled too slowly, or faster than was ever tried; rates_hz: by stream."""
    rate = rates_hz.get("ppg")
    low, high = PPG_RATES_HZ
    if rate is None or low <= round(rate, 1) <= high:
        return []
    return [f"ppg is sampled at {rate:.5g} Hz: heart rate and rhythm need {low:g} to {high:g} Hz"]
