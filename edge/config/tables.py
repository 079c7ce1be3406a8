"""The tables of one configuration file: every key known, every value of its type, or one line that names file and key."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from edge.alarms.delivery import Chain, chain_from
from edge.alarms.rules import AlarmRules, rules_from
from edge.config.keys import KEYS
from edge.config.wording import in_words
from edge.kinds import kind_module, settings_of
from edge.names import RULE, is_name
from edge.nearest import nearest
from edge.types import ConfigError

_LARGEST: Final = 2**63 - 1


class Tables:
    """Checks tables of one file and words the errors."""

    def __init__(self, path: str) -> None:
        self._path = path

    def error(self, key: str, text: str) -> ConfigError:
        return ConfigError(f"{self._path}: {key}: {text}" if key else f"{self._path}: {text}")

    def one_line(self, table: Mapping[str, Any], key: str = "") -> None:
        """Refuse names that would make an error of several lines, and whole numbers that TOML has not, in every table
        below."""
        for name, value in table.items():
            if not name.isprintable():
                raise self.error(key, f"a name of one line, not {name!r}")
            self._whole(value, f"{key}.{name}".lstrip("."))

    def _whole(self, value: Any, key: str) -> None:
        if isinstance(value, dict):
            self.one_line(value, key)
        for one in value if isinstance(value, list) else ():
            self._whole(one, key)
        # Python makes neither float nor text of whole numbers of hundreds of digits.
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise self.error(key, "a number of 64 bits at most")

    def known(self, table: Mapping[str, Any], key: str, valid: Iterable[str]) -> None:
        valid = sorted(valid)
        for name in table:
            if name not in valid:
                said = _of_a_secret(name, valid) or f"unknown key{nearest(name, valid)}"
                raise self.error(f"{key}.{name}".lstrip("."), said)

    def table(self, table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        return self.table_of(table.get(name, {}), name)

    def tables(self, table: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
        return {key: self.table_of(value, f"{name}.{key}") for key, value in self.table(table, name).items()}

    def table_of(self, value: Any, key: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.error(key, f"must be a table, [{key}]")
        return value

    def value(self, table: Mapping[str, Any], key: str, name: str, *, of: str = "") -> Any:
        """A key of the table ``key``, by its entry in ``KEYS[of or key]``."""
        known = KEYS[of or key][name]
        return self.convert(table[name], known.type, f"{key}.{name}") if name in table else known.default

    def convert(self, value: Any, type_: Any, key: str) -> Any:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, float) and not math.isfinite(one):
                raise self.error(key, f"a number, not {one}")
            if isinstance(one, str) and not one.isprintable():
                raise self.error(key, f"a text of one line, not {one!r}")
        words = get_args(type_) if get_origin(type_) is Literal else ()
        if words and value not in words:
            raise self.error(key, f"one of {', '.join(words)}, not {value!r}")
        try:
            return msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            raise self.error(key, in_words(str(error), value, type_)) from None

    def name(self, value: str, key: str) -> str:
        if not is_name(value):
            raise self.error(key, f"{value[:80]!r} must {RULE}")
        return value

    def alarms(
        self, table: Mapping[str, Any], key: str, *, base: AlarmRules | None = None, fused: bool = False
    ) -> AlarmRules:
        """Rules of a table; fused: rates are judged by what all sources of a bed agree on."""
        try:
            return rules_from(table, base=base, fused=fused, where=key)
        except ConfigError as error:
            raise ConfigError(f"{self._path}: {error}") from None

    def delivery(self, table: Mapping[str, Any]) -> Chain:
        try:
            return chain_from(table)
        except ConfigError as error:
            raise ConfigError(f"{self._path}: {error}") from None

    def settings(
        self,
        group: str,
        kind: str,
        key: str,
        given: Mapping[str, Any],
        *,
        beside: Iterable[str] = (),
    ) -> Mapping[str, Any]:
        """The settings of a kind, from the table ``key``. beside: keys that were taken out of that table."""
        try:
            module = kind_module(group, kind)
        except ConfigError as error:
            raise self.error(key, str(error)) from None
        valid = settings_of(module.build)
        self.known(given, key, {*valid, *beside})
        for setting, (_, default) in valid.items():
            if default is inspect.Parameter.empty and setting not in given:
                raise self.error(key, f"needs {setting!r}")
        return {setting: self.convert(value, valid[setting][0], f"{key}.{setting}") for setting, value in given.items()}


def _of_a_secret(name: str, valid: Iterable[str]) -> str:
    """What to say of a password that is to stand in the configuration itself, "" for any other key."""
    roots = [one.removesuffix("_file") for one in valid if one.endswith("_file")]
    secrets = [root for root in roots if f"{root}_env" in valid]
    if "_" in name or not (meant := difflib.get_close_matches(name.lower(), secrets, n=1, cutoff=0.65)):
        return ""
    (secret,) = meant
    return (
        f"a {secret} does not stand here: put it into a file, {secret}_file, or into an environment variable that "
        f"{secret}_env names"
    )
