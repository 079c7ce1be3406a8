"""What a model folder says of itself, checked before anything in it is trusted.

``models/NAME/card.toml`` names the task, the shapes and scaling of inputs, labels, measured figures, calibration,
limits, and every file with its SHA-256. A card that does not hold together is a ``ModelError`` naming file and key.
No runtime is imported here.
"""

from __future__ import annotations

import hashlib
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import msgspec

from edge.types import ModelError

CARD = "card.toml"
ROOT_VARIABLE = "EDGE_VITALS_MODELS"

VariantId = Literal["onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32"]
OutputKind = Literal["softmax", "sigmoid", "probability", "values"]

_Sha = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_Shape = Annotated[tuple[Annotated[int, msgspec.Meta(ge=1)], ...], msgspec.Meta(min_length=1)]
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class HashedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the model's folder and what it must be."""

    file: _Name
    sha256: _Sha
    bytes: int


class VariantFile(HashedFile, frozen=True, kw_only=True):
    """One weights file; inputs and outputs are the file's own names of them, in the order the card lists shapes."""

    id: VariantId
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def runtime(self) -> str:
        """``onnx`` or ``litert``."""
        return self.id.partition("-")[0]


class GoldenFile(HashedFile, frozen=True, kw_only=True):
    """Inputs and what every variant must answer; tolerances are of probabilities, or relative for plain values."""

    atol_probability: _Positive
    atol_fp32: _Positive = 2e-3


class _Input(msgspec.Struct, frozen=True):
    shape: tuple[_Shape, ...]


class _Output(msgspec.Struct, frozen=True):
    shape: tuple[_Shape, ...]
    kind: tuple[OutputKind, ...]


class _Card(msgspec.Struct, frozen=True):
    name: _Name
    version: _Name
    task: str
    input: _Input
    output: _Output
    golden: GoldenFile
    variants: Annotated[tuple[VariantFile, ...], msgspec.Meta(min_length=1)]
    beside: dict[str, HashedFile] = {}


class FrozenTable(dict[str, Any]):
    """A table of a card: a dict that can be read, pickled and written as JSON, and not changed.

    where: file and keys that lead to it; ``table[key]`` raises ModelError with them when there is no such key.
    """

    def __init__(self, items: Mapping[str, Any], where: str = "") -> None:
        super().__init__(items)
        self._where = where

    def __missing__(self, key: str) -> NoReturn:
        raise ModelError(f"{self._where}{key}: missing; the model is of another version of edge-vitals")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a model's card cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenTable, (dict(self), self._where)


@dataclass(frozen=True, slots=True)
class Card:
    """A checked card. table: all of card.toml, frozen; sha256: of the card itself; shapes are with batch 1; beside: what
    the model needs whatever variant runs, by name."""

    folder: Path
    name: str
    version: str
    task: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    kinds: tuple[str, ...]
    variants: tuple[VariantFile, ...]
    golden: GoldenFile
    beside: Mapping[str, HashedFile]
    table: Mapping[str, Any]
    sha256: str

    def variant(self, variant_id: str) -> VariantFile:
        """The variant of that name; raises ModelError naming those there are."""
        for variant in self.variants:
            if variant.id == variant_id:
                return variant
        there = ", ".join(v.id for v in self.variants)
        raise ModelError(f"model {self.name}: no variant {variant_id!r}; there are: {there}")

    def content(self, part: HashedFile) -> bytes:
        """A file of this model, read and found to be what the card says; raises ModelError."""
        path = self.folder / part.file
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise ModelError(f"{path}: missing; reinstall edge-vitals or restore the file") from None
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise ModelError(f"{path}: altered: its SHA-256 is not the one in {CARD}; restore the file")
        return content


@dataclass(frozen=True, slots=True)
class FileCheck:
    """Whether one file of a model is what its card says; text says what is wrong."""

    model: str
    file: str
    ok: bool
    text: str = ""


def models_root(root: str | Path | None = None) -> Path:
    """The folder of models: ``root``, else ``EDGE_VITALS_MODELS``, else the wheel's, else the repository's."""
    given = root or os.environ.get(ROOT_VARIABLE)
    package = Path(__file__).resolve().parents[1]
    in_wheel = package / "models"
    folder = Path(given) if given else in_wheel if in_wheel.is_dir() else package.parent / "models"
    if not folder.is_dir():
        hint = f" (from {ROOT_VARIABLE})" if given and not root else ""
        raise ModelError(f"{folder}: no such folder of models{hint}")
    return folder


def read_card(folder: Path) -> Card:
    """Parse and check the card of a model folder; raises ModelError naming file and key."""
    path = folder / CARD
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, too
        raise ModelError(f"{path}: not valid TOML: {error}") from None
    try:
        card = msgspec.convert(table, _Card)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        key = f"{where.rstrip('`')}: " if where else ""
        raise ModelError(f"{path}: {key}{text[0].lower()}{text[1:]}") from None
    _consistent(path, card)
    return Card(
        folder=folder,
        name=card.name,
        version=card.version,
        task=card.task,
        inputs=card.input.shape,
        outputs=card.output.shape,
        kinds=card.output.kind,
        variants=card.variants,
        golden=card.golden,
        beside=card.beside,
        table=_frozen(table, f"{path}: "),
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def find_card(name: str, root: str | Path | None = None) -> Card:
    """The card of a model by name; raises ModelError naming the models there are."""
    base = models_root(root)
    if not (base / name / CARD).is_file():
        there = ", ".join(_folders(base)) or "none"
        raise ModelError(f"no model {name!r} in {base}; there are: {there}")
    return read_card(base / name)


def catalogue(root: str | Path | None = None) -> dict[str, Card | ModelError]:
    """Every model of the folder by name; a card that does not hold together stands as its error."""
    base = models_root(root)
    found: dict[str, Card | ModelError] = {}
    for name in _folders(base):
        try:
            found[name] = read_card(base / name)
        except ModelError as error:
            found[name] = error
    return found


def verify(root: str | Path | None = None) -> list[FileCheck]:
    """Check every file of every model against its card; no runtime is needed."""
    checks = []
    for name, card in catalogue(root).items():
        if isinstance(card, ModelError):
            checks.append(FileCheck(name, CARD, False, str(card)))
            continue
        parts: tuple[HashedFile, ...] = (*card.variants, *card.beside.values(), card.golden)
        for part in parts:
            try:
                card.content(part)
                checks.append(FileCheck(name, part.file, True))
            except ModelError as error:
                checks.append(FileCheck(name, part.file, False, str(error)))
    return checks


def _folders(base: Path) -> list[str]:
    return sorted(p.parent.name for p in base.glob(f"*/{CARD}"))


def _consistent(path: Path, card: _Card) -> None:
    if card.name != path.parent.name:
        raise ModelError(f"{path}: name: {card.name!r} is not the folder's name")
    if len(card.output.kind) != len(card.output.shape):
        raise ModelError(f"{path}: output.kind: needs one word for each of {len(card.output.shape)} outputs")
    if any(shape[0] != 1 for shape in card.input.shape + card.output.shape):
        raise ModelError(f"{path}: input.shape, output.shape: the batch, first, must be 1")
    if len({v.id for v in card.variants}) != len(card.variants):
        raise ModelError(f"{path}: variants: an id stands twice")
    for variant in card.variants:
        if len(variant.inputs) != len(card.input.shape) or len(variant.outputs) != len(card.output.shape):
            raise ModelError(f"{path}: variants: {variant.id}: inputs and outputs must match the shapes")


def _frozen(value: Any, where: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):  # TOML has such; a threshold of nan is never reached
        key = "".join(one if one.isprintable() else "?" for one in where.removesuffix("."))
        raise ModelError(f"{key}: not a finite number")
    if isinstance(value, dict):
        return FrozenTable({k: _frozen(v, f"{where}{k}.") for k, v in value.items()}, where)
    return tuple(_frozen(v, where) for v in value) if isinstance(value, list) else value
