"""A TOML file becomes a frozen configuration, or one line that names file, key and the nearest valid key.

    [device]        name, state_dir
    [mqtt]          keys of ``edge.sinks.mqtt.build``; leave the table out for no broker
    [models]        variant: force one variant of every model
    [beds.NAME]     person, site, alarms
    [sources.NAME]  bed, kind, analyzers, and the keys of ``edge.sources.KIND.build``
    [analyzers.NAME], [transforms.NAME], [sinks.NAME]   keys of that kind's ``build``
    [alarms.CONDITION]   limits and delays for every bed; ``[beds.NAME.alarms.CONDITION]`` for one
    [delivery]      roles, confirm_within_s, minimum, annunciator: who must confirm alarms (``edge.alarms.delivery``)

A kind is a file of its group's folder (``edge.kinds``).
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.alarms.auscultation import SITES
from edge.alarms.delivery import NOBODY, Chain
from edge.alarms.rules import AlarmRules, rules_from
from edge.config.keys import KEYS
from edge.config.tables import Tables
from edge.kinds import device_of, kinds
from edge.nearest import nearest
from edge.types import ConfigError

_MOST_BYTES = 1_000_000  # a configuration has a few thousand; a device such as /dev/zero never ends
_RESERVED_BEDS = frozenset({"source", "status", "stats", "event", "cmd"})

ANALYZERS_OF = {
    "serial_port": ("pulse", "rhythm", "murmur"),
    "synthetic": ("pulse", "rhythm", "murmur"),
    "files": ("pulse", "rhythm", "murmur"),
    "camera": ("camera_pulse",),
}
"""Which analyzers a kind of source gets when the configuration does not say."""

ANALYZERS_BY_STREAM = {"ppg": ("pulse", "rhythm"), "pcg": ("murmur",), "video": ("camera_pulse",)}
"""What reads a stream of that kind, by itself or behind its transforms."""

METRICS_OF = {
    "pulse": ("ppg.hr",),
    "rhythm": ("ppg.rhythm", "ppg.quality", "ppg.perfusion"),
    "murmur": ("pcg.murmur", "pcg.hr", "pcg.quality"),
    "camera_pulse": ("camera.hr", "camera.quality"),
}
"""What each of the shipped analyzers tells; of others only they themselves know."""

STREAM_OF = {analyzer: metrics[0].partition(".")[0] for analyzer, metrics in METRICS_OF.items()}
"""What the metrics of an analyzer begin with."""

TRANSFORMS_OF = {"camera_pulse": {"video": "face_roi"}}
"""Which transforms stand in front of an analyzer: the stream kind they take, and theirs."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """named: the configuration itself names the analyzers, so that what they look at must come."""

    name: str
    bed: str
    kind: str
    analyzers: tuple[str, ...]
    settings: Mapping[str, Any]
    named: bool = False


@dataclass(frozen=True, slots=True)
class BedConfig:
    name: str
    person: str = ""
    site: str = ""
    alarms: AlarmRules = field(default_factory=lambda: rules_from({}))


_UNHEARD = frozenset({"console", "evidence", "journal", "metrics", "recorder"})
"""The sinks by which nobody hears of an alarm who does not sit at this machine's terminal."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the program was told, checked. path: the file it came from, for messages. bed_alarms: of every bed that has
    none of its own."""

    path: str
    device: str
    state_dir: Path | None
    beds: Mapping[str, BedConfig]
    sources: Mapping[str, SourceConfig]
    analyzers: Mapping[str, Mapping[str, Any]]
    transforms: Mapping[str, Mapping[str, Any]]
    sinks: Mapping[str, Mapping[str, Any]]
    device_alarms: AlarmRules
    bed_alarms: AlarmRules
    variant: str | None = None
    text: str = ""
    delivery: Chain = NOBODY

    @property
    def unheard(self) -> str:
        """What to warn of where nobody would hear of an alarm; "" where somebody would."""
        if self.sinks.keys() - _UNHEARD:
            return ""
        return "no [mqtt]: nobody hears of an alarm but at the terminal; [sinks.web] shows it, too, and [sinks.annunciator] rings"


def load(path: str | Path, *, to_watch: bool = False) -> Config:
    """Read and check a configuration file; raises ConfigError. to_watch: it must name a source."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(f"{path}: more than {_MOST_BYTES // 1_000_000} MB is no configuration")
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file; a configuration is TOML in UTF-8") from None
    config = parse(text, path=str(path))
    if to_watch and not config.sources:
        raise ConfigError(f"{path}: no [sources.NAME]: there is nothing to watch")
    _each_its_own(config)
    return config


def _each_its_own(config: Config) -> None:
    """Refuse two sources of one device, by the links of this machine: which is why a recording's configuration is not
    asked."""
    holders: dict[str, str] = {}
    for name, source in config.sources.items():
        held = device_of(source.kind, source.settings)
        if held and (other := holders.setdefault(held, name)) != name:
            told = f"its device is that of sources.{other}, too, and one device watches one bed"
            raise ConfigError(f"{config.path}: sources.{name}: {told}")


def parse(text: str, *, path: str = "configuration") -> Config:
    """Check a configuration text; raises ConfigError naming ``path`` and the key."""
    where = Tables(path)
    table = _toml(text, where, path)
    where.known(
        table,
        "",
        {"device", "mqtt", "models", "beds", "sources", "analyzers", "transforms", "sinks", "alarms", "delivery"},
    )
    device = where.table(table, "device")
    where.known(device, "device", KEYS["device"])
    state_dir = where.value(device, "device", "state_dir")
    models = where.table(table, "models")
    where.known(models, "models", KEYS["models"])
    common_alarms = where.table(table, "alarms")
    bed_alarms = where.alarms(common_alarms, "alarms", fused=True)
    beds = _beds(where, where.table(table, "beds"), bed_alarms)
    sources = _sources(where, where.table(table, "sources"), beds)
    analyzers, transforms = _group(where, table, "analyzers"), _group(where, table, "transforms")
    sinks = _sinks(where, table)
    delivery = where.delivery(where.table(table, "delivery"))
    if "annunciator" in sinks and not delivery:
        raise where.error("sinks.annunciator", 'rings for what nobody confirms: add [delivery] with roles = ["..."]')
    return Config(
        path=path,
        device=where.name(where.value(device, "device", "name"), "device.name"),
        state_dir=(Path(path).parent / state_dir) if state_dir else None,
        beds=beds,
        sources=sources,
        analyzers=analyzers,
        transforms=transforms,
        sinks=sinks,
        device_alarms=where.alarms(common_alarms, "alarms"),
        bed_alarms=bed_alarms,
        variant=where.value(models, "models", "variant"),
        text=text,
        delivery=replace(delivery, bell="annunciator" in sinks),
    )


def _toml(text: str, where: Tables, path: str) -> dict[str, Any]:
    """The tables of a text, whatever they hold; raises ConfigError."""
    try:
        table = tomllib.loads(text)
        where.one_line(table)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except ValueError:  # Python's, of whole numbers
        digits = sys.get_int_max_str_digits()
        raise ConfigError(f"{path}: not valid TOML: a number of more than {digits} digits") from None
    except RecursionError:
        raise ConfigError(f"{path}: not a configuration: nested too deeply") from None
    return table


def _group(where: Tables, table: Mapping[str, Any], group: str) -> dict[str, Mapping[str, Any]]:
    """By kind, the settings of a group such as ``sinks``."""
    tables = where.tables(table, group)
    return {name: where.settings(group, name, f"{group}.{name}", keys) for name, keys in tables.items()}


def _sinks(where: Tables, table: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    sinks = _group(where, table, "sinks")
    if "mqtt" not in table:
        return sinks
    if "mqtt" in sinks:
        raise where.error("sinks.mqtt", "there is [mqtt] beside it, and one broker: keep one of the two")
    return {"mqtt": where.settings("sinks", "mqtt", "mqtt", where.table(table, "mqtt")), **sinks}


def _beds(where: Tables, tables: Mapping[str, Any], common: AlarmRules) -> dict[str, BedConfig]:
    beds = {}
    for name, value in (tables or {"bed1": {}}).items():
        key = f"beds.{name}"
        table = where.table_of(value, key)
        where.known(table, key, {*KEYS["beds.NAME"], "alarms"})
        if where.name(name, key) in _RESERVED_BEDS:
            raise where.error(key, f"{name!r} is a reserved word")
        own = where.table_of(table.get("alarms", {}), f"{key}.alarms")
        site = where.value(table, key, "site", of="beds.NAME")
        if site not in ("", *SITES):
            raise where.error(f"{key}.site", f"one of {', '.join(SITES)}, not {site!r}")
        beds[name] = BedConfig(
            name,
            person=where.value(table, key, "person", of="beds.NAME"),
            site=site,
            alarms=where.alarms(own, f"{key}.alarms", base=common),
        )
    return beds


def _sources(where: Tables, tables: Mapping[str, Any], beds: Mapping[str, BedConfig]) -> dict[str, SourceConfig]:
    sources = {}
    for name, value in tables.items():
        key = f"sources.{name}"
        table = dict(where.table_of(value, key))
        where.name(name, key)
        if "kind" not in table:
            raise where.error(key, f"needs 'kind', one of {', '.join(kinds('sources'))}")
        kind = where.convert(table.pop("kind"), str, f"{key}.kind")
        bed = where.convert(table.pop("bed", next(iter(beds))), str, f"{key}.bed")
        if bed not in beds:
            raise where.error(f"{key}.bed", f"no bed {bed!r}{nearest(bed, beds)}")
        named = "analyzers" in table
        analyzers = where.convert(
            table.pop("analyzers", list(ANALYZERS_OF.get(kind, ()))), tuple[str, ...], f"{key}.analyzers"
        )
        for analyzer in analyzers:
            if analyzer not in kinds("analyzers"):
                raise where.error(
                    f"{key}.analyzers", f"unknown analyzer {analyzer!r}{nearest(analyzer, kinds('analyzers'))}"
                )
        settings = where.settings("sources", kind, key, table, beside=KEYS["sources.NAME"])
        sources[name] = SourceConfig(name, bed, kind, analyzers, settings, named)
    return sources
