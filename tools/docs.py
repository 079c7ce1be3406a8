#!/usr/bin/env python3
"""Write the generated parts of docs/: tables of configuration keys, alarms, faults and topics, from the code itself.

    python tools/docs.py            write them
    python tools/docs.py --check    exit with 1 where they are not current

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; everything else is written by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from edge.alarms.conditions import DEFAULTS, DRILL, OF_DEVICE, PER_SOURCE, Condition
from edge.alarms.rules import SETTABLE, AlarmRules
from edge.cli._latency import STATED_S
from edge.cli.analyze import camera, murmur, ppg
from edge.cli.doctor.faults import FAULTS, WARNINGS
from edge.config import ANALYZERS_OF
from edge.config.keys import KEYS
from edge.kinds import kind_module, kinds, settings_of
from edge.types import REASONS

DOCS = ROOT / "docs"
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "nothing"}
_GROUPS = {
    "sources": "What delivers signals. The keys stand beside `kind` in `[sources.NAME]`.",
    "analyzers": "What turns windows into readings. One table for all sources: `[analyzers.KIND]`.",
    "transforms": "What stands in front of an analyzer: `[transforms.KIND]`.",
    "sinks": "Where readings and alarms go: `[sinks.KIND]`; the broker is `[mqtt]`.",
}


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        print(__doc__)
        return 2
    old = []
    for path in sorted(DOCS.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            old.append(path.name)
            if not check:
                path.write_text(after, encoding="utf-8")
    if old:
        print(f"{'not current: ' if check else 'written: '}{', '.join(old)}" + "; run tools/docs.py" * check)
    return 1 if old and check else 0


def written(text: str) -> str:
    """A document with its generated parts as they are now."""
    return _PART.sub(lambda part: "\n".join([part[1], *PARTS[part[2]](), "", part[3]]), text)


def meanings(doc: str, names: Iterable[str]) -> dict[str, str]:
    """What a docstring says of each name: ``name, name: words until the next known name and colon``."""
    text = " ".join(doc.split())
    known = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    starts = (
        list(re.finditer(rf"(?:^|(?<=[.;?] ))((?:(?:{known})(?:, | with | or |(?=:)))+):? ?", text)) if known else []
    )
    found = {}
    for one, following in zip(starts, [*starts[1:], None], strict=True):
        words = text[one.end() : following.start() if following else len(text)].strip().rstrip(".;")
        said = re.split(r"(?<=[a-z0-9)]\.) Raises ", words)[0].rstrip(".")
        found.update(dict.fromkeys(re.findall(r"\w+", one[1]), said))
    return {name: found[name] for name in names if name in found}


def _configuration() -> Iterator[str]:
    for table, keys in KEYS.items():
        yield f"### [{table}]\n"
        rows = [
            (name, key.type, inspect.Parameter.empty if key.default is ... else key.default)
            for name, key in keys.items()
        ]
        yield from _keys(rows, {name: key.meaning for name, key in keys.items()})
    for group, text in _GROUPS.items():
        yield f"## {group.capitalize()}\n\n{text}\n"
        for kind in kinds(group):
            yield from _kind(group, kind)


def _kind(group: str, kind: str) -> Iterator[str]:
    build = kind_module(group, kind).build
    settings = settings_of(build)
    doc = inspect.getdoc(build) or ""
    first, _, rest = doc.partition("\n\n")
    if not rest:
        first, _, rest = doc.partition(". ")
    yield f"### {'[mqtt]' if kind == 'mqtt' else kind}\n"
    yield f"{' '.join(first.split()).rstrip('.')}." + (
        f" Analyzers by default: {', '.join(ANALYZERS_OF.get(kind, ())) or 'none'}." if group == "sources" else ""
    )
    if settings:
        yield ""
        yield from _keys([(name, *given) for name, given in settings.items()], meanings(rest, settings))
    else:
        yield "It has no keys.\n"


def _keys(rows: Iterable[tuple[str, Any, Any]], said: Mapping[str, str]) -> Iterator[str]:
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for name, type_, default in rows:
        if name not in said:
            sys.exit(f"docs: the docstring says nothing of the key {name!r}: {sorted(said)}")
        yield _row(f"`{name}`", _type(type_), _default(default), said[name])
    yield ""


def _alarm_keys() -> Iterator[str]:
    said = meanings(inspect.getdoc(Condition) or "", SETTABLE) | {
        "priority": "how urgent: `low`, `medium`, `high`",
        "text": "what is shown; may hold `{value}`, `{limit}` and `{source}`",
        "severe_priority": "see `severe_limit`",
        "hysteresis": "how far back past the limit counts as over",
        "enabled": "false: this alarm never comes",
    }
    hints = typing.get_type_hints(Condition)
    rows = [(f.name, hints[f.name], "by condition") for f in fields(Condition) if f.name in SETTABLE]
    yield "| key | type | meaning |\n|---|---|---|"
    for name, type_, _ in rows:
        yield _row(f"`{name}`", _type(type_), said[name].replace("None =", "left out ="))
    yield "\nAnd for a whole bed, in `[alarms]` or `[beds.NAME.alarms]`:\n"
    bed_hints = typing.get_type_hints(AlarmRules)
    bed = [f for f in fields(AlarmRules) if f.name != "conditions"]
    yield from _keys(
        [(f.name, bed_hints[f.name], f.default) for f in bed],
        meanings(inspect.getdoc(AlarmRules) or "", [f.name for f in bed]),
    )


def _conditions() -> Iterator[str]:
    yield "| alarm | priority | comes when | clears after | from event to MQTT, at most |\n|---|---|---|---|---|"
    for rule in DEFAULTS.values():
        within = STATED_S.get(rule.name)
        yield _row(
            f"`{rule.name}`",
            rule.priority,
            _when(rule),
            _ends(rule),
            "when it is back" if within is None else f"{within:g} s",
        )
        if rule.severe is not None:
            yield _row(
                f"`{rule.name}`, severe",
                rule.severe_priority,
                _when(rule.severe),
                "",
                f"{STATED_S[f'{rule.name} severe']:g} s",
            )


def _when(rule: Condition) -> str:
    if rule.name == DRILL:
        return "by command only"
    of = "of the device" if rule.name in OF_DEVICE else "of one source" if rule.name in PER_SOURCE else ""
    limit = "" if rule.limit is None else f"limit {rule.limit:g}"
    votes = f"{rule.k} of {rule.n} windows, {rule.spacing_s:g} s apart" if rule.n > 1 else ""
    delay = f"for {rule.on_delay_s:g} s" if rule.on_delay_s else ""
    return ", ".join(part for part in (of, limit, votes, delay) if part) or "at once"


def _ends(rule: Condition) -> str:
    return (
        f"{rule.lasts_s:g} s, by itself"
        if rule.lasts_s
        else f"{rule.off_delay_s:g} s"
        if rule.off_delay_s
        else "at once"
    )


def _faults() -> Iterator[str]:
    yield "| fault | | what it means | what to do |\n|---|---|---|---|"
    for word, (meaning, remedy) in FAULTS.items():
        yield _row(f"`{word}`", "warning" if word in WARNINGS else "", meaning, remedy)


def _topics() -> Iterator[str]:
    import yaml

    spec = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
    yield "| topic | QoS | retained | what |\n|---|---|---|---|"
    for name, channel in spec["channels"].items():
        of = next(o for o in spec["operations"].values() if o["channel"]["$ref"].endswith(f"/{name}"))
        mqtt = of["bindings"]["mqtt"]
        address = channel["address"].replace("{prefix}/{device}/", "…/")
        yield _row(f"`{address}`", str(mqtt["qos"]), "yes" if mqtt["retain"] else "", channel["description"].strip())


def _reasons() -> Iterator[str]:
    yield "| reason | pulse wave | heart sound | camera |\n|---|---|---|---|"
    for word in sorted(REASONS):
        cells = [one.WHY.get(word, "") for one in (ppg, murmur, camera)]
        if any(cells):
            yield _row(f"`{word}`", *cells)


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "configuration": _configuration,
    "alarm_keys": _alarm_keys,
    "conditions": _conditions,
    "faults": _faults,
    "topics": _topics,
    "reasons": _reasons,
}


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("``", "`").replace("|", "\\|") for cell in cells) + " |"


def _type(type_: Any) -> str:
    origin, of = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        return _type(of[0])
    if origin is typing.Literal:
        return ", ".join(f"`{word}`" for word in of)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(one) for one in of if one is not type(None))
    if origin is tuple:
        return "list of texts" if of[-1] is ... else f"list of {len(of)} {_type(of[0])}s"
    return _NAMES[type_]


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`' if " " not in value else value
    if isinstance(value, tuple):
        return f"`{list(value)}`".replace("'", '"')
    return f"`{value:g}`"


if __name__ == "__main__":
    sys.exit(main())
