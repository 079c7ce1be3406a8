"""What was made live is made again from the recording, bit for bit; where that cannot be, it is said."""

from __future__ import annotations

import builtins
import json
import math
import shutil
from functools import partial, reduce
from operator import add

import numpy as np
import pytest

from edge import inference
from edge.cli import main
from edge.cli.replay.again import Again
from edge.clock import SystemClock
from edge.config import parse
from edge.exact_replay import Comparison
from edge.program.service import build_service
from edge.recording import Damage, LaneState, MainState, Recording, RecordingWriter, Tick, pack
from edge.runtime.overload.rungs import rungs
from edge.types import Alarm, Block, Command, Fault, Reading
from whole_program import ILL, TWO_BEDS, for_seconds, run_to_its_end

CONFIG = """
[device]
name = "ward"
state_dir = "{folder}"
[sinks.recorder]
[beds.bed1]
site = "MV"
{sources}
[alarms.af]
k = 2
n = 3
on_delay_s = 0
[delivery]
roles = ["station", "charge"]
confirm_within_s = 1
"""


def run(folder, sources, person=""):
    """One live run with threads; the folder of its recording."""
    before = set((folder / "recordings").glob("*")) if folder.exists() else set()
    service = build_service(parse(CONFIG.format(folder=folder, sources=sources)), console=False)
    now = SystemClock().now()
    service.runtime.post(Command("site", "bed1", now + 0.01, "c1", "nurse", site="AV", person=person))
    service.runtime.post(Fault("name_clash", now + 0.02, True, "another ward"))
    assert service.run() == 0
    (made,) = set((folder / "recordings").glob("*")) - before
    return made


def adding(values, start=0, *, exactly):
    given = [start, *values]
    return math.fsum(given) if exactly and float in map(type, given) else reduce(add, given)


def made_again(path):
    recording = Recording(path)
    found = Comparison()
    return found, list(Again(recording).events(recording, found)), recording


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return run(tmp_path_factory.mktemp("state"), ILL.format(pace=for_seconds(60)), person="p2")


def test_three_lanes_and_their_alarms(recorded):
    found, events, recording = made_again(recorded)
    live = list(recording)
    assert found.same, found.line()
    assert found.notes == []
    assert found.given == 0
    assert found.readings == sum(isinstance(e, Reading) for e in live) > 200
    assert found.alarms == sum(isinstance(e, Alarm) for e in live) > 0
    assert [e for e in events if isinstance(e, Alarm)] == [e for e in live if isinstance(e, Alarm)]
    assert {e.text for e in events if isinstance(e, Alarm) and e.condition == "name_clash"} == {"another ward"}
    assert any(isinstance(e, Tick) for e in live)
    heard = [e.detail for e in live if isinstance(e, Reading) and e.metric == "pcg.murmur" and e.value is not None]
    assert heard[-1]["site"] == "AV"
    assert list(heard[-1]["patient"]["sites"]) == ["AV"]


@pytest.mark.parametrize("begin", range(1, 4))
def test_a_replay_begins_at_any_state(recorded, begin):
    """Nothing of before a board's state is needed but the samples that the lanes look back at."""
    recording = Recording(recorded)
    live = list(recording)
    mains = [i for i, e in enumerate(live) if isinstance(e, MainState)]
    assert len(mains) > begin
    since = live[mains[begin] :]
    before = [e for e in live[: mains[begin]] if isinstance(e, Block | LaneState)]
    found = Comparison()
    events = list(Again(recording).events([*before, *since], found))
    assert found.same, found.line()
    assert found.readings > 0.9 * sum(isinstance(e, Reading) for e in since)
    assert [e for e in events if isinstance(e, Alarm)] == [e for e in since if isinstance(e, Alarm)]


def test_a_recording_without_its_beginning_is_made_again_from_its_first_states_on(recorded):
    recording = Recording(recorded)
    live = list(recording)
    blocks = [i for i, e in enumerate(live) if isinstance(e, Block)]
    found = Comparison()
    list(Again(recording).events(live[blocks[len(blocks) // 3] :], found))
    assert found.same, found.line()
    assert found.readings > 100
    assert found.given > 0
    assert "of samples from before it were taken as recorded" in found.line()


def test_a_second_run_begins_with_the_alarms_of_the_first(tmp_path):
    for _ in range(2):
        found, _, recording = made_again(run(tmp_path, ILL.format(pace=for_seconds(60))))
        assert found.same, found.line()
    first = next(e for e in recording if isinstance(e, MainState))
    assert first.board["boot"] != recording.header["boot"]
    assert first.shift_s is not None


def test_a_part_that_was_removed_is_said(recorded, tmp_path):
    copy = tmp_path / "copy.evrec"
    shutil.copytree(recorded, copy)
    (copy / "000001.evrec").rename(copy / "000002.evrec")
    assert "1 part(s) were removed" in Recording(copy).missing


def test_the_command_says_so_and_judges(recorded, capsys):
    assert main(["replay", str(recorded), "--exact"]) == 0
    assert "bit for bit those made live" in capsys.readouterr().err


OTHER_ANALYZERS = {
    "one more": ('analyzers = ["pulse", "rhythm"]', {"ppg.hr": 1.0, "ppg.rhythm": 2.0}),
    "another": ('analyzers = ["rhythm"]', {"ppg.rhythm": 2.0}),
    "another hop": ('analyzers = ["pulse"]\n[analyzers.pulse]\nhop_s = 0.5', {"ppg.hr": 0.5}),
    "another bed": ('analyzers = ["pulse"]\n[beds.bed2]', {"ppg.hr": 1.0}),
}


@pytest.fixture(scope="module")
def of_pulse(tmp_path_factory):
    return run(tmp_path_factory.mktemp("state"), ILL.format(pace=for_seconds(60)) + 'analyzers = ["pulse"]')


@pytest.mark.parametrize(("text", "hops"), OTHER_ANALYZERS.values(), ids=OTHER_ANALYZERS)
def test_with_other_analyzers_everything_is_computed_anew(of_pulse, tmp_path, capsys, text, hops):
    source = ILL.format(pace=for_seconds(60)) + text
    if "bed2" in text:
        source = source.replace('bed = "bed1"', 'bed = "bed2"')
    other = tmp_path / "other.toml"
    other.write_text(CONFIG.format(folder=tmp_path, sources=source))
    assert main(["replay", str(of_pulse), "--config", str(other), "--jsonl"]) == 0
    said = capsys.readouterr()
    assert "nothing was compared; the analyzers are not those of then" in said.err
    events = [json.loads(line) for line in said.out.splitlines()]
    readings = [e for e in events if e["type"] == "reading" and e["source"] == "node"]
    assert {e["bed"] for e in readings} == {"bed2" if "bed2" in text else "bed1"}
    for metric, hop_s in hops.items():
        times = [e["t"] for e in readings if e["metric"] == metric]
        assert np.diff(times) == pytest.approx([hop_s] * (round(60 / hop_s) - 1))
        assert sum(e["value"] is not None for e in readings if e["metric"] == metric) > 0.6 * len(times)
    assert ("ppg.hr" in {e["metric"] for e in readings}) is ("ppg.hr" in hops)
    assert main(["replay", str(of_pulse), "--config", str(other), "--exact"]) == 3


def test_with_other_limits_alone_it_goes_on_from_the_states_of_then(of_pulse, tmp_path, capsys):
    other = tmp_path / "other.toml"
    for sources in (ILL.format(pace=for_seconds(60)) + 'analyzers = ["pulse"]', ""):
        text = CONFIG.format(folder=tmp_path, sources=sources) + "[alarms.tachy]\nlimit = 60\non_delay_s = 0\n"
        other.write_text(text)
        assert main(["replay", str(of_pulse), "--config", str(other)]) == 0
        said = capsys.readouterr()
        assert "bed1/tachy" in said.out
        assert "computed anew" not in said.err
        assert "readings are bit for bit those made live; alarm transitions were not compared: " in said.err


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_one_flipped_byte_costs_some_seconds_and_what_follows_is_made_again_exactly(recorded, tmp_path, capsys, share):
    path, entries = tmp_path / "flipped.evrec", list(Recording(recorded))
    with path.open("wb") as file:
        writer = RecordingWriter(file, Recording(recorded).header)
        for start in range(0, len(entries), 100):
            writer.add_batch([pack(entry) for entry in entries[start : start + 100]])
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(content)
    found, events, recording = made_again(path)
    assert found.same, found.line()
    assert recording.damaged
    (damage,) = (e for e in recording if isinstance(e, Damage))
    live = [e for e in Recording(recorded) if isinstance(e, Reading)]
    assert {e.t for e in live if e.t > damage.t + 35.0} <= {e.t for e in events if isinstance(e, Reading)}
    assert main(["replay", str(path), "--exact"]) == 3
    said = capsys.readouterr().err
    assert "damaged in 1 place(s)" in said
    assert "are damaged; it goes on from the next states" in said
    assert main(["replay", str(path)]) == 0


def test_a_sample_that_was_altered_is_found(recorded, tmp_path, capsys):
    recording = Recording(recorded)
    path = tmp_path / "altered.evrec"
    with path.open("wb") as file:
        writer = RecordingWriter(file, recording.header)
        for i, entry in enumerate(recording):
            altered = entry
            if isinstance(entry, Block) and entry.kind == "ppg" and i > 500:
                data = entry.data * np.where(np.arange(len(entry.data)) % 2, 1.001, 1.0)[:, None]
                altered = Block(entry.stream, entry.seq, entry.t0, entry.rate, data, entry.epoch)
            writer.add(altered)
    assert main(["replay", str(path), "--exact"]) == 3
    assert "differ from those made live, the first:" in capsys.readouterr().err


def test_real_heart_sound_through_the_whole_live_path(data_dir, tmp_path):
    wavs = sorted(p for p in (data_dir / "pcg").rglob("*") if p.suffix in (".wav", ".flac"))[:2]
    if not wavs:
        pytest.skip(f"no heart sound in {data_dir}")
    table = '[sources.s{}]\nkind = "files"\npath = "{}"\nanalyzers = ["murmur"]\n'
    sources = "\n".join(table.format(i, path) for i, path in enumerate(wavs))
    found, _, _ = made_again(run(tmp_path, sources))
    assert found.same, found.line()
    assert found.readings > 0


def test_exact_with_nothing_to_compare_has_not_passed(tmp_path, capsys):
    from edge.exact_replay import Comparison

    assert Comparison().line() == "nothing was compared"
    assert not Comparison(readings=1).nothing
    (tmp_path / "ppg.csv").write_text("ppg\n1\n2\n")
    assert main(["replay", str(tmp_path / "ppg.csv"), "--rate", "100", "--exact"]) == 2
    assert "--exact compares a recording with what was made live" in capsys.readouterr().err


def test_where_no_state_was_written_yet_nothing_is_compared_and_it_is_said_why(recorded, tmp_path, capsys):
    path = tmp_path / "cut.evrec"
    with path.open("wb") as file:
        writer = RecordingWriter(file, Recording(recorded).header)
        for entry in Recording(recorded):
            if not isinstance(entry, MainState):
                writer.add(entry)
    assert main(["replay", str(path)]) == 0
    said = "nothing was compared; the recording holds no state to begin with"
    assert said in capsys.readouterr().err
    assert main(["replay", str(path), "--exact"]) == 3
    assert said in capsys.readouterr().err


def test_damage_that_no_state_follows_is_no_difference_and_is_said(recorded):
    recording, found = Recording(recorded), Comparison()
    entries = list(recording)
    last = max(i for i, e in enumerate(entries) if isinstance(e, MainState))
    damage = Damage(entries[last].t, 0.1, 100)
    list(Again(recording).events([*entries[: last + 1], damage, *entries[last + 1 :]], found))
    assert found.same, found.line()
    assert "no state follows the last damage: nothing behind it was compared" in found.line()


@pytest.fixture(scope="module")
def of_two_beds(tmp_path_factory):
    """A recording of two beds, with settings, roles and people, and its configuration."""
    folder = tmp_path_factory.mktemp("state")
    text = (
        f'[device]\nname = "ward"\nstate_dir = "{folder}"\n[sinks.recorder]\n'
        + '[delivery]\nroles = ["station", "charge"]\n'
        + TWO_BEDS.format(pace=for_seconds(60)).replace("[beds.bed1]", '[beds.bed1]\nsite = "MV"\nperson = "p1"')
        + "[analyzers.pulse]\nhop_s = 2.0\n[alarms.tachy]\nlimit = 130\n"
    )
    run_to_its_end(text)
    (made,) = (folder / "recordings").glob("*")
    return made, text


LACKING = {
    "beds and sources": "",
    "sources": "[beds.bed1]\n[beds.bed2]\n",
    "a bed, and who lies there": "[beds.bed1]\n",
    "the bed of then, with one of its own": "[beds.icu4]\n",
}


@pytest.mark.parametrize("text", LACKING.values(), ids=LACKING)
@pytest.mark.parametrize("limit", [150, 200])
def test_what_a_configuration_lacks_is_that_of_then_and_its_limits_hold_for_every_bed(
    of_two_beds, tmp_path, capsys, text, limit
):
    path, _ = of_two_beds
    other = tmp_path / "limit.toml"
    other.write_text(f"[alarms.tachy]\nlimit = {limit}\n{text}")
    assert main(["replay", str(path), "--config", str(other)]) == 0
    said = capsys.readouterr()
    live = [e for e in Recording(path) if isinstance(e, Reading | Alarm)]
    readings = sum(isinstance(e, Reading) for e in live)
    then, now = sum(isinstance(e, Alarm) for e in live), int(said.out.split()[-3])
    assert f"{readings} readings are bit for bit those made live; " in said.err
    assert f"alarm transitions were not compared: {then} then, {now} now, by other rules\n" in said.err
    assert ("bed2/tachy" in said.out) is (limit < 160)
    assert main(["replay", str(path), "--config", str(other), "--exact"]) == 3


def test_the_configuration_of_then_is_compared_as_the_recordings_own(of_two_beds, tmp_path, capsys):
    path, text = of_two_beds
    same = tmp_path / "same.toml"
    same.write_text(f"# the same in other words\n{text}")
    assert main(["replay", str(path), "--config", str(same), "--exact"]) == 0
    assert "alarm transitions are bit for bit those made live" in capsys.readouterr().err


def test_other_limits_go_on_with_those_who_lay_there_and_without_the_alarms_of_then(recorded, tmp_path, capsys):
    """Cut in its middle: the person was told of before that, and what stood then was raised by other rules."""
    live = list(Recording(recorded))
    second = [i for i, e in enumerate(live) if isinstance(e, MainState)][2]
    before = [e for e in live[:second] if isinstance(e, Block | LaneState)]
    path, other = tmp_path / "rest.evrec", tmp_path / "other.toml"
    with path.open("wb") as file:
        writer = RecordingWriter(file, Recording(recorded).header)
        for entry in [*before, *live[second:]]:
            writer.add(entry)
    other.write_text("[alarms.af]\nenabled = false\n")
    assert main(["replay", str(path), "--config", str(other)]) == 0
    said = capsys.readouterr()
    assert "readings are bit for bit those made live" in said.err
    assert "bed1/af" not in said.out


def test_of_a_recording_without_its_configuration_the_one_given_must_name_the_sources(of_two_beds, tmp_path, capsys):
    recorded, _ = of_two_beds
    path, other = tmp_path / "headless.evrec", tmp_path / "other.toml"
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"config": "[beds.bed1]\nno_longer = 1\n"})
        for entry in Recording(recorded):
            writer.add(entry)
    other.write_text("[alarms.tachy]\nlimit = 120\n")
    assert main(["replay", str(path), "--config", str(other)]) == 2
    refused = f"edge-vitals: {other}: no [sources.NAME], and those of then are not known: name them\n"
    assert capsys.readouterr().err == refused
    other.write_text('[sources.node]\nkind = "synthetic"\nanalyzers = ["pulse"]\n')
    assert main(["replay", str(path), "--config", str(other)]) == 0
    said = capsys.readouterr()
    assert "node ppg.hr" in said.out


class Overloaded:
    """A sink that takes the rung of the models' variants at the 2nd reading of rhythm and gives it back at the 12th."""

    def __init__(self):
        self.heard = 0
        self.rung = None

    def send(self, event):
        if isinstance(event, Reading) and event.metric == "ppg.rhythm":
            self.heard += 1
            if self.heard == 2:
                assert self.rung.take("this machine cannot keep up")
            elif self.heard == 12:
                self.rung.undo()

    def flush(self, timeout_s):
        return True

    def close(self):
        pass


def test_a_run_whose_models_changed_their_variant_is_made_again_and_so_are_its_alarms(tmp_path, capsys):
    slow, fast = (v.id for v in inference.catalogue()["rhythm"].variants[:2])
    text = CONFIG.format(folder=tmp_path, sources=ILL.format(pace=for_seconds(90)))
    sink = Overloaded()
    service = build_service(parse(f'{text}[models]\nvariant = "{slow}"\n'), console=False, sinks=[sink])
    faster = {name: inference.load(name, variant=fast) for name in service.models.loaded}
    steps = rungs(service.runtime.main.readers, service.models.loaded, faster)
    (sink.rung,) = (rung for rung in steps if rung.name == "model_variant")
    assert service.run() == 0
    (path,) = (tmp_path / "recordings").glob("*")
    live = [e.model for e in Recording(path) if isinstance(e, Reading) and e.metric == "ppg.rhythm"]
    assert {model.split()[-1] for model in live} == {slow, fast}
    found, _, _ = made_again(path)
    assert found.same, found.line()
    assert found.alarms > 0
    alarms = sorted(p.stem for p in (tmp_path / "evidence").glob("*.bed1.*.evrec"))
    assert alarms
    for occurrence in alarms:
        assert main(["replay", "--alarm", occurrence, str(tmp_path / "evidence")]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("exactly", [False, True])
def test_another_pythons_sum_makes_the_same(recorded, monkeypatch, exactly):
    """From 3.12 on ``sum`` adds floats up more exactly: an upgrade would have made another alarm of every one kept."""
    monkeypatch.setattr(builtins, "sum", partial(adding, exactly=exactly))
    found, _, _ = made_again(recorded)
    assert found.same, found.line()
