"""Types of configuration keys whose values have a range: what lies outside is an error where the file is read."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65_535)]
Count = Annotated[int, Meta(ge=1)]
Baud = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""Bits a second, as many as the system can be asked for."""
FromZero = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Silence = Annotated[float, Meta(ge=0.1, le=3600)]
"""Seconds without a sign of life after which a device is opened anew."""
Share = Annotated[float, Meta(ge=0, le=1)]
Hop = Annotated[float, Meta(ge=0.25, le=3)]
"""Seconds between heart rates, at most: ``edge.fusion`` lets one count for two seconds after its own."""
LONGEST_HOP_S: Final = 5.0
LongHop = Annotated[float, Meta(ge=0.5, le=LONGEST_HOP_S)]
"""Seconds between other readings, at most: alarm delays and the proof of watching take what is further apart for a hole."""
Text = Annotated[str, Meta(min_length=1)]
"""A text that says something."""
