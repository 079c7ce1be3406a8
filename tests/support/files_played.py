"""Files played to their end by the source under test, and what they are written from: heart sounds, tables, EDF."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.sources import files
from edge.types import Block, SourceError

SOUND = np.sin(np.arange(9000) * 0.11) * 0.7


def wav(samples: np.ndarray, rate: int = 2000, *, code: int = 1, bits: int = 16, extra: bytes = b"") -> bytes:
    """A WAV file of samples ``(n,)`` or ``(n, channels)`` within ±1."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    if code == 3:
        raw = samples.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        raw = np.round(samples * 127 + 128).astype(np.uint8).tobytes()
    else:
        whole = np.round(samples * (2.0 ** (bits - 1) - 1)).astype("<i4")
        raw = whole[..., None].view(np.uint8).reshape(*samples.shape, 4)[..., : bits // 8].tobytes()
    frame = samples.shape[1] * bits // 8
    form = struct.pack("<HHIIHH", code, samples.shape[1], rate, rate * frame, frame, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + form + extra + b"data" + struct.pack("<I", len(raw)) + raw
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def play(path: Path | str, **settings: Any) -> list[Block]:
    source = files.build(name="file", path=str(path), clock=ManualClock(), **settings)
    source.open()
    found: list[Block] = []
    try:
        while True:
            found += source.read()
    except EOFError:
        return found
    finally:
        source.close()


def unheard(path: Path | str, **settings: Any) -> dict[str, int]:
    """By stream, how many channels the source has beside the one that it reads."""
    source = files.build(name="file", path=str(path), clock=ManualClock(), **settings)
    source.open()
    source.close()
    return source.unheard


def notes(path: Path | str, **settings: Any) -> list[str]:
    """What the source has to say of a file's channels once it is read."""
    source = files.build(name="file", path=str(path), clock=ManualClock(), **settings)
    source.open()
    try:
        while True:
            source.read()
    except EOFError:
        return source.notes
    finally:
        source.close()


def joined(blocks: list[Block], kind: str) -> np.ndarray:
    return np.concatenate([b.data for b in blocks if b.kind == kind])


def refused(path: Path | str, said: str, **settings: Any) -> None:
    with pytest.raises(SourceError, match=said) as error:
        play(path, **settings)
    assert "\n" not in str(error.value)
    assert Path(str(path).split("#")[0]).name in str(error.value)


def edf(signals: dict[str, tuple[int, np.ndarray]], *, kind: str = "") -> bytes:
    """One-second records; signals: label to (rate, whole numbers); physical = digital / 10."""
    seconds = min(len(x) // rate for rate, x in signals.values())
    fixed = f"{'0':<8}{'':<80}{'':<80}{'01.01.01':<8}{'00.00.00':<8}{256 * (len(signals) + 1):<8}{kind:<44}"
    fixed += f"{seconds:<8}{1:<8}{len(signals):<4}"
    columns = [(16, list(signals))]
    columns += [(w, [v] * len(signals)) for w, v in ((80, ""), (8, "mV"), (8, "-3276.8"), (8, "3276.7"))]
    columns += [(w, [v] * len(signals)) for w, v in ((8, "-32768"), (8, "32767"), (80, ""))]
    columns += [(8, [str(rate) for rate, _ in signals.values()]), (32, [""] * len(signals))]
    head = fixed + "".join(f"{v:<{w}}" for w, values in columns for v in values)
    body = b"".join(
        x[s * rate : (s + 1) * rate].astype("<i2").tobytes() for s in range(seconds) for rate, x in signals.values()
    )
    return head.encode() + body
