"""Types of configuration keys that take not every value: what lies outside is an error where the file is read."""

from __future__ import annotations

from typing import Annotated, Final, Literal

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
BlockLength = Annotated[float, Meta(ge=0.001, le=10)]
"""Seconds of a file at a time."""
Batch = Annotated[float, Meta(gt=0, le=300)]
"""Seconds between writes of a recording."""
Around = Annotated[float, Meta(ge=0, le=120)]
"""Seconds of evidence before or after."""
Repeat = Annotated[float, Meta(ge=1, le=600)]
"""Seconds after which what rings rings again."""
Pace = Literal["real", "max"]
"""How a recorded or made signal comes: as its time passes, or as fast as it is taken."""
UpsideDown = Literal["auto", "yes", "no"]
"""Whether a pulse wave falls with every beat, as raw light intensity does."""
Text = Annotated[str, Meta(min_length=1)]
"""A text that says something."""
