"""The folder is the registry: a kind is a file ``edge/<group>/<kind>.py`` with one keyword-only ``build``, whose keywords
are its configuration keys. It is imported only when the configuration names it. Its pieces, where it has several, lie in
``_<kind>/`` beside it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from edge.extras import why_not
from edge.nearest import nearest
from edge.types import ConfigError

_KIND = re.compile(r"[a-z][a-z0-9_]*")

INJECTED = frozenset(
    {
        *("name", "clock", "models", "device_name", "boot", "outbox", "on_command", "on_link", "hops"),
        *("identities", "version", "standing", "metrics", "state_dir", "header", "layout", "roles", "watching"),
        *("on_fault", "history", "bed_rules", "checking"),
    }
)
"""Keywords of ``build`` that the program fills in; they are never configuration keys.

A sink's ``checking`` asks it to judge its settings, and to return None before it opens anything; a source's, to refuse
what it can know without a device: a package or a file that is not there.
"""


def kind_module(group: str, kind: str) -> Any:
    """The module of a kind, imported now; raises ConfigError naming the kinds there are."""
    known = _KIND.fullmatch(kind) and importlib.util.find_spec(f"edge.{group}.{kind}") is not None
    module = importlib.import_module(f"edge.{group}.{kind}") if known else None
    if not hasattr(module, "build"):  # no such file, or one of the program's own that is no kind
        raise ConfigError(f"unknown kind {kind!r} in {group}{nearest(kind, kinds(group))}")
    return module


def kinds(group: str) -> list[str]:
    """The kinds of a group: the files, and packages, in its folder."""
    folder = Path(__file__).parent / group
    files = {p.stem: p for p in folder.glob("[a-z]*.py")} | {
        p.parent.name: p for p in folder.glob("[a-z]*/__init__.py")
    }
    return sorted(name for name, p in files.items() if "\ndef build(" in p.read_text(encoding="utf-8"))


def settings_of(build: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """Configuration keys of a ``build``: name to (type, default); ``inspect.Parameter.empty`` = required."""
    hints = typing.get_type_hints(build, include_extras=True)
    parameters = inspect.signature(build).parameters.values()
    return {p.name: (hints.get(p.name, Any), p.default) for p in parameters if p.name not in INJECTED}


def device_of(kind: str, settings: Mapping[str, Any]) -> str:
    """What a source of these settings reads and no second one can, by the ``holds`` of its kind; "" = any may. It may hold
    a secret, and is for comparing only."""
    holds = getattr(kind_module("sources", kind), "holds", None)
    return str(holds(settings)) if holds else ""


def construct(
    group: str,
    kind: str,
    settings: Mapping[str, Any],
    injected: Mapping[str, Any],
    *,
    where: tuple[str, str] = ("", ""),
) -> Any:
    """Call the kind's ``build`` with its settings and those of ``injected`` that it asks for.

    where: the file and the table that the settings come from, which a ConfigError is to name.
    """
    build = kind_module(group, kind).build
    wanted = inspect.signature(build).parameters
    try:
        return build(**settings, **{k: v for k, v in injected.items() if k in wanted and k not in settings})
    except ConfigError as error:
        raise ConfigError(_placed(str(error).removeprefix(f"{kind}: "), *where, settings_of(build))) from None
    except ImportError as error:
        if (said := why_not(error)) is None:
            raise
        raise ConfigError(_placed(said, *where, ())) from None


def check(kind: str, settings: Mapping[str, Any], injected: Mapping[str, Any], *, where: tuple[str, str]) -> None:
    """Let a sink's ``build`` judge its settings and end before it opens anything, where it has such an end."""
    wanted = inspect.signature(kind_module("sinks", kind).build).parameters
    if "checking" in wanted:
        nothing = dict.fromkeys(INJECTED & set(wanted))
        construct("sinks", kind, settings, {**nothing, **injected, "checking": True}, where=where)


def table_of(sink: str) -> str:
    """The table of the configuration that a sink's settings stand in."""
    return sink if sink == "mqtt" else f"sinks.{sink}"


def _placed(text: str, path: str, table: str, keys: Iterable[str]) -> str:
    """A message with file and table in front of it, where it does not name them."""
    first = _KIND.match(text)
    if table and table not in text:
        text = f"{table}.{text}" if first and first.group() in keys else f"{table}: {text}"
    return f"{path}: {text}" if path and not text.startswith(path) else text
