"""Packages that an extra of this project brings, and what to say where one of them cannot be imported."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

EXTRA_OF: Final = {
    "serial": "serial",
    "cv2": "camera",
    "soundfile": "files",
    "starlette": "web",
    "uvicorn": "web",
    "websockets": "web",
    "prometheus_client": "metrics",
    "matplotlib": "plot",
    "pyarrow": "parquet",
    "amqtt": "demo",
}
"""Package to extra."""


def installed(module: str) -> bool:
    """Whether a package can be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except ValueError:  # marked as absent
        return False


def why_not(error: ImportError) -> str | None:
    """What to say of an import that failed, in one line; None where no extra brings the package: then it is our fault."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRA_OF:
        return None
    if isinstance(error, ModuleNotFoundError):
        return f"{module} is not installed: pip install 'edge-vitals[{EXTRA_OF[module]}]'"
    return f"{module} is installed and cannot be loaded: {' '.join(str(error).split())}"
