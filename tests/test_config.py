"""A configuration is right, or one line names file, key and what to write instead."""

from __future__ import annotations

import re

import pytest

from edge.assembly import ModelShelf, build_lanes, places_of
from edge.config import METRICS_OF, STREAM_OF, load, parse
from edge.kinds import kinds
from edge.names import RULE
from edge.types import ConfigError

GOOD = """
[device]
name = "ward-3"
state_dir = "state"

[mqtt]
host = "127.0.0.1"

[beds.bed1]
person = "p17"
site = "MV"
alarms.brady = { limit = 42 }

[beds.bed2]

[sources.node]
kind = "serial_port"
port = "/dev/serial/by-id/usb-node"

[sources.cam]
kind = "camera"
bed = "bed2"
device = 0

[alarms.brady]
limit = 46
on_delay_s = 8
"""


def test_a_whole_configuration_is_read(tmp_path):
    path = tmp_path / "bedside.toml"
    path.write_text(GOOD)
    config = load(path)
    assert config.device == "ward-3"
    assert config.state_dir == tmp_path / "state"
    assert config.sources["node"].analyzers == ("pulse", "rhythm", "murmur")
    assert config.sources["node"].bed == "bed1"
    assert config.sources["cam"].analyzers == ("camera_pulse",)
    assert config.sinks["mqtt"]["host"] == "127.0.0.1"
    assert (config.beds["bed1"].person, config.beds["bed1"].site) == ("p17", "MV")


def test_limits_of_a_bed_stand_over_those_of_the_device():
    config = parse(GOOD)
    assert config.beds["bed1"].alarms["brady"].limit == 42.0
    assert config.beds["bed2"].alarms["brady"].limit == 46.0
    assert config.beds["bed1"].alarms["brady"].on_delay_s == 8.0


def test_rates_are_judged_by_what_all_sources_of_a_bed_agree_on_unless_it_says_otherwise():
    one = parse("[alarms.brady]\nlimit = 50\n[alarms.tachy]\nmetrics = ['camera.hr']\n[beds.bed1]").beds["bed1"].alarms
    heard = {name: one[name].metrics for name in ("brady", "tachy", "asystole")}
    assert heard == {"brady": ("fused.hr",), "tachy": ("camera.hr",), "asystole": ("fused.hr",)}


@pytest.mark.parametrize("bell", [True, False])
def test_who_asks_knows_whether_there_is_a_bell(bell):
    rings = "[sinks.annunciator]\nsound = 'beep'" if bell else ""
    assert parse(f"[delivery]\nroles = ['nurse']\n{rings}").delivery.bell is bell


def test_an_empty_configuration_has_one_bed_and_nothing_to_watch():
    config = parse("")
    assert list(config.beds) == ["bed1"]
    assert config.sources == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[MQTT]\nhost = 'b'", "MQTT: unknown key; did you mean 'mqtt'?"),
        (
            "[sinks.web]\nlocal_role = 'viewer'",
            "sinks.web.local_role: one of view, acknowledge, configure, not 'viewer'",
        ),
        ("[devise]\nname = 'x'", "devise: unknown key; did you mean 'device'?"),
        ("[device]\nnam = 'x'", "device.nam: unknown key; did you mean 'name'?"),
        ("[device]\nname = 3", "device.name: a text, not 3"),
        ("[device]\nname = 'Ward 3'", f"device.name: 'Ward 3' must {RULE}"),
        ("[models]\nvarient = 'int8'", "models.varient: unknown key; did you mean 'variant'?"),
        ("[beds.status]", "beds.status: 'status' is a reserved word"),
        ("[beds.bed1]\nsit = 'MV'", "beds.bed1.sit: unknown key; did you mean 'site'?"),
        ("[beds.bed1]\nsite = 'apex'", "beds.bed1.site: one of AV, MV, PV, TV, not 'apex'"),
        ("[beds.bed1.alarms.bradi]\nlimit = 40", "did you mean 'brady'?"),
        ("[alarms.brady]\nlimt = 40", "did you mean 'limit'?"),
        ("[alarms.brady]\nlimit = 'low'", "alarms.brady.limit: a number"),
        ("[sources.a]\nport = 'x'", "sources.a: needs 'kind', one of"),
        ("[sources.'a b']\nkind = 'synthetic'", f"sources.a b: 'a b' must {RULE}"),
        ("[sources.a]\nkind = 'serial'\nport = 'x'", "did you mean 'serial_port'?"),
        ("[sources.a]\nkind = '../evil'", "unknown kind '../evil'"),
        ("[sinks.history]", "unknown kind 'history' in sinks"),  # a file of that folder, but no sink
        ("[sources.a]\nkind = 'serial_port'", "sources.a: needs 'port'"),
        (
            "[sources.a]\nkind = 'serial_port'\nport = 'x'\nbaudd = 1",
            "sources.a.baudd: unknown key; did you mean 'baud'?",
        ),
        ("[sources.a]\nkind = 'serial_port'\nport = 'x'\nbaud = 'fast'", "sources.a.baud: a whole number, not 'fast'"),
        ("[sources.a]\nkind = 'serial_port'\nport = 'x'\nbed = 'bed9'", "no bed 'bed9'; did you mean 'bed1'?"),
        ("[sources.a]\nkind = 'serial_port'\nport = 'x'\nanalyzers = ['rythm']", "did you mean 'rhythm'?"),
        ("[mqtt]\nport = 1883", "mqtt: needs 'host'"),
        ('[mqtt]\nhost = "a"\n[sinks.mqtt]\nhost = "b"', "sinks.mqtt: there is [mqtt] beside it"),
        (
            "[sources.a]\nkind = 'synthetic'\nanalyzer = ['pulse']",
            "sources.a.analyzer: unknown key; did you mean 'analyzers'?",
        ),
        ("[sources.a]\nkind = 'synthetic'\nbedd = 'bed1'", "sources.a.bedd: unknown key; did you mean 'bed'?"),
        ("[delivery]\nrole = ['nurse']", "delivery.role: unknown; did you mean 'roles'?"),
        ("[delivery]\nroles = [{name = 'a', confirm_within = 3}]", "unknown; did you mean 'confirm_within_s'?"),
        ("[sinks.jornal]", "did you mean 'journal'?"),
        (
            "[sinks.annunciator]\nsound = 'beep'",
            "sinks.annunciator: rings for what nobody confirms: add [delivery] with",
        ),
        ('[beds."a\\nb"]', "beds: a name of one line, not 'a\\nb'"),
        ('[beds.b.alarms."af\\u001b"]\nlimit = 1', "beds.b.alarms: a name of one line, not 'af\\x1b'"),
        ('[delivery]\nroles = [{"na\\nme" = "a"}]', "delivery.roles: a name of one line, not 'na\\nme'"),
        ("device" + ".a" * 5000 + " = 1", "nested too deeply"),
        ("device = 3", "device: must be a table, [device]"),
        ("[device", "not valid TOML"),
        ("a = 1" + "0" * 5000, "not valid TOML: a number of more than 4300 digits"),
        *(
            (f"[alarms.brady]\n{key} = 1" + "0" * 400, f"alarms.brady.{key}: a number of 64 bits")
            for key in ("limit", "text")
        ),
        ("[alarms]\nsilent_s = 0x1" + "0" * 5000, "alarms.silent_s: a number of 64 bits at most"),
        ("[delivery]\nroles = [[{a = 0x1" + "0" * 5000 + "}]]", "delivery.roles.a: a number of 64 bits at most"),
    ],
)
def test_every_mistake_is_named_with_its_remedy(text, said):
    with pytest.raises(ConfigError) as error:
        parse(text, path="bedside.toml")
    message = str(error.value)
    assert message.startswith("bedside.toml: ")
    assert said in message
    assert "\n" not in message


def two_sources(first, second):
    return f"[beds.bed0]\n[beds.bed1]\n[sources.a]\nbed = 'bed0'\n{first}\n[sources.b]\nbed = 'bed1'\n{second}\n"


def serial_port(path):
    return f"kind = 'serial_port'\nport = '{path}'"


def camera(rest):
    return f"kind = 'camera'\n{rest}"


@pytest.mark.parametrize(
    "twice",
    [
        (serial_port("/dev/ttyUSB7"), serial_port("/dev/ttyUSB7")),
        (serial_port("{link}"), serial_port("{link}-to")),
        (serial_port("socket://node:7000"), serial_port("socket://node:7000")),
        (camera(""), camera("device = '/dev/video0'")),
        (camera("device = 'rtsp://nvr/1?channel=2'"), camera("device = 'rtsp://nvr/1?channel=2'")),
        (camera("device = 1\nbackend = 'picamera2'"), camera("device = 1\nbackend = 'picamera2'")),
    ],
)
def test_one_device_watches_one_bed(twice, tmp_path):
    link = tmp_path / "node"
    link.with_name("node-to").symlink_to(link)
    text = two_sources(*twice).replace("{link}", str(link))
    path = tmp_path / "bedside.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(path)
    told = f"{path}: sources.b: its device is that of sources.a, too, and one device watches one bed"
    assert str(error.value) == told
    assert [one.bed for one in parse(text).sources.values()] == ["bed0", "bed1"], "as a recording of it is played"


@pytest.mark.parametrize(
    "apart",
    [
        (serial_port("/dev/ttyUSB7"), serial_port("/dev/ttyUSB8")),
        (serial_port("loop://"), serial_port("loop://")),
        (camera(""), camera("device = 1")),
        (camera("device = 0"), camera("device = 0\nbackend = 'picamera2'")),
        (camera("device = 'rtsp://nvr/1?channel=1'"), camera("device = 'rtsp://nvr/1?channel=2'")),
        (camera("device = 'face.mp4'"), camera("device = 'face.mp4'")),
        ("kind = 'files'\npath = 'night.wav'", "kind = 'files'\npath = 'night.wav'"),
        ("kind = 'synthetic'", "kind = 'synthetic'"),
    ],
)
def test_devices_of_their_own_and_files_may_watch_two(apart, tmp_path):
    (tmp_path / "bedside.toml").write_text(two_sources(*apart))
    assert [one.bed for one in load(tmp_path / "bedside.toml").sources.values()] == ["bed0", "bed1"]


def test_a_bed_knows_what_its_analyzers_look_at_and_which_of_them_the_configuration_names():
    text = '[sources.a]\nkind = "synthetic"\nanalyzers = ["murmur", "rhythm"]\n[sources.b]\nkind = "synthetic"\n'
    (place,) = places_of(parse(text), None).values()
    assert place.streams == {"a": frozenset({"pcg", "ppg"}), "b": frozenset({"pcg", "ppg"})}
    assert place.named == frozenset({"a"})
    assert place.sources == {"a": ("murmur", "rhythm"), "b": ("pulse", "rhythm", "murmur")}


def test_the_metrics_of_every_shipped_analyzer_are_known():
    config = parse(
        "".join(f'[sources.{one}]\nkind = "synthetic"\nanalyzers = ["{one}"]\n' for one in kinds("analyzers"))
    )
    found = {}
    for name, source in config.sources.items():
        ((analyzer,),) = [lane.analyzers.values() for lane in build_lanes(config, source, ModelShelf())]
        found[name] = tuple(analyzer.metrics)
    assert found == METRICS_OF
    assert {a: {m.partition(".")[0] for m in metrics} for a, metrics in found.items()} == {
        a: {stream} for a, stream in STREAM_OF.items()
    }


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.toml")


def test_a_file_of_more_than_a_megabyte_is_no_configuration(tmp_path):
    path = tmp_path / "long.toml"
    path.write_bytes(b"#" * 1_000_000)
    assert load(path).sources == {}
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert str(refused.value) == f"{path}: more than 1 MB is no configuration"


def test_the_folder_is_the_registry():
    assert {"serial_port", "camera", "files", "synthetic"} <= set(kinds("sources"))
    assert {"murmur", "rhythm", "pulse", "camera_pulse"} <= set(kinds("analyzers"))
    assert {"mqtt", "journal", "console"} <= set(kinds("sinks"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[mqtt]\nhost = "b"\nport = 99999', "mqtt.port: a whole number of at most 65535"),
        (
            "[sources.a]\nkind = 'serial_port'\nport = 'x'\nbaud = 2147483648",
            "sources.a.baud: a whole number of at most 2147483647",
        ),
        ('[mqtt]\nhost = ""', "mqtt.host: a text that is not empty, not ''"),
        ('[mqtt]\nhost = "b"\nkeepalive_s = -3', "mqtt.keepalive_s: a whole number from 1"),
        ('[mqtt]\nhost = "b"\nprefix = "a/#"', "mqtt.prefix: one letter or more, and no # or +, not 'a/#'"),
        ("[sinks.web]\nmax_viewers = -1", "sinks.web.max_viewers: a whole number from 1"),
        ("[sinks.metrics]\nport = -2", "sinks.metrics.port: a whole number from 0"),
        ("[sinks.journal]\nkeep = -1", "sinks.journal.keep: a whole number from 0"),
        ("[sinks.recorder]\nbatch_s = 0", "sinks.recorder.batch_s: a number above 0"),
        ("[sinks.recorder]\npart_mb = 0", "sinks.recorder.part_mb: a number above 0"),
        ("[sinks.evidence]\nafter_s = -1", "sinks.evidence.after_s: a number from 0"),
        ('[mqtt]\nhost = "b"\nbacklog_per_s = 0', "mqtt.backlog_per_s: a number from 1"),
        ("[sinks.annunciator]\nrepeat_s = 0.9", "sinks.annunciator.repeat_s: a number from 1"),
        ("[sinks.annunciator]\nrepeat_s = 601", "sinks.annunciator.repeat_s: a number of at most 600"),
        ('[sources.f]\nkind = "files"\npath = "a"\nblock_s = 0', "sources.f.block_s: a number from 0.001"),
        ('[sources.f]\nkind = "files"\npath = "a"\nblock_s = 60', "sources.f.block_s: a number of at most 10"),
        ('[sources.f]\nkind = "files"\npath = "a"\npace = "fast"', "sources.f.pace: one of real, max, not 'fast'"),
        ('[sources.c]\nkind = "camera"\npace = "fast"', "sources.c.pace: one of real, max, not 'fast'"),
        ('[sources.c]\nkind = "camera"\nbackend = 3', "sources.c.backend: one of opencv, gstreamer, picamera2, not 3"),
        ('[sources.s]\nkind = "synthetic"\npace = ["max"]', "sources.s.pace: one of real, max, not ['max']"),
        ('[analyzers.pulse]\nmotion = "maybe"', "analyzers.pulse.motion: one of auto, network, rule, not 'maybe'"),
        ('[analyzers.pulse]\nrest = "net"', "analyzers.pulse.rest: one of auto, network, rule, not 'net'"),
        ('[analyzers.pulse]\nmotion = "net"', "analyzers.pulse.motion: one of auto, network, rule, not 'net'"),
        ('[analyzers.rhythm]\nupside_down = "y"', "analyzers.rhythm.upside_down: one of auto, yes, no, not 'y'"),
        ('[sinks.web]\nlocal_role = "all"', "sinks.web.local_role: one of view, acknowledge, configure, not 'all'"),
        ("[sinks.recorder]\nbatch_s = nan", "sinks.recorder.batch_s: a number, not nan"),
        ("[sinks.evidence]\nbefore_s = inf", "sinks.evidence.before_s: a number, not inf"),
        ('[sources.c]\nkind = "camera"\nfps = 0', "sources.c.fps: a number above 0"),
        ('[sources.s]\nkind = "synthetic"\nseconds = -1', "sources.s.seconds: a number from 0"),
        ('[sources.f]\nkind = "files"\npath = ""', "sources.f.path: a text that is not empty, not ''"),
        ('[sources.f]\nkind = "files"\npath = "a\\u0000b"', "sources.f.path: a text of one line"),
        ('[device]\nstate_dir = "a\\u0000b"', "device.state_dir: a text of one line"),
        ("[analyzers.pulse]\nchannel = -1", "analyzers.pulse.channel: a whole number from 0"),
        ("[analyzers.rhythm]\nhop_s = 0.4", "analyzers.rhythm.hop_s: a number from 0.5"),
        ("[analyzers.rhythm]\nhop_s = 6", "analyzers.rhythm.hop_s: a number of at most 5"),
        ("[analyzers.murmur]\nhop_s = 0.2", "analyzers.murmur.hop_s: a number from 0.25"),
        ("[analyzers.murmur]\nhop_s = 4", "analyzers.murmur.hop_s: a number of at most 3"),
        ("[transforms.face_roi]\nzone = [0, 0, 2, 1]", "transforms.face_roi.zone: a number of at most 1"),
        (f'[device]\nname = "{"a" * 65}"', "at most 64 letters"),
    ],
)
def test_a_value_out_of_its_range_is_found_where_the_file_is_read(text, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        parse(text)


def test_what_can_come_of_each_source_is_known_where_the_analyzers_are_shipped_ones():
    text = """
    [beds.bed1]
    [sources.node]
    bed = "bed1"
    kind = "synthetic"
    analyzers = ["pulse"]
    [sources.cam]
    bed = "bed1"
    kind = "camera"
    """
    (place,) = places_of(parse(text), None).values()
    assert place.metrics == {
        "node": {"ppg.hr"},
        "cam": {"camera.hr", "camera.quality"},
        "": {"fused.hr", "fused.spread"},
    }
    (alone,) = places_of(parse(text.partition("[sources.cam]")[0]), None).values()
    assert alone.metrics == {"node": {"ppg.hr"}, "": {"fused.hr"}}
    (rhythm,) = places_of(parse(text.partition("[sources.cam]")[0].replace("pulse", "rhythm")), None).values()
    assert rhythm.metrics == {"node": {"ppg.rhythm", "ppg.quality", "ppg.perfusion"}, "": frozenset()}
    assert places_of(parse("[beds.bed1]"), None)["bed1"].metrics is None
