"""What was made live is made again from the recording, bit for bit; where that cannot be, it is said."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from edge.assembly import ModelShelf, build_board, build_lanes
from edge.cli import main
from edge.clock import ManualClock
from edge.config import parse
from edge.fusion import Fusion
from edge.recording import Recording, Tick
from edge.replay import Comparison, reproduce
from edge.service import build_service
from edge.types import Alarm, Reading

CONFIG = """
[device]
name = "ward"
state_dir = "{folder}"
[sinks.recorder]
{sources}
[alarms.af]
k = 2
n = 3
on_delay_s = 0
[delivery]
roles = ["station", "charge"]
confirm_within_s = 1
"""
SYNTHETIC = """
[sources.node]
kind = "synthetic"
streams = ["ppg", "acc", "pcg"]
rhythm = "af"
rate_bpm = 150
murmur = true
pace = "max"
seconds = 60
"""


def run(folder, sources):
    """One live run with threads; the folder of its recording."""
    before = set((folder / "recordings").glob("*")) if folder.exists() else set()
    service = build_service(parse(CONFIG.format(folder=folder, sources=sources)), console=False)
    assert service.run() == 0
    (made,) = set((folder / "recordings").glob("*")) - before
    return made


def made_again(path):
    recording = Recording(path)
    config = parse(recording.header["config"])
    models = ModelShelf(variants=recording.header["variants"])
    lanes = [lane for source in config.sources.values() for lane in build_lanes(config, source, models)]
    board = build_board(
        config,
        boot=recording.header["boot"],
        state=recording.header["board"],
        shift_s=recording.header["board_shift_s"],
    )
    found = Comparison()
    again = reproduce(recording, lanes=lanes, board=board, clock=ManualClock(), fusion=Fusion(), found=found)
    return found, list(again), recording


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return run(tmp_path_factory.mktemp("state"), SYNTHETIC)


def test_three_lanes_and_their_alarms(recorded):
    found, events, recording = made_again(recorded)
    live = list(recording)
    assert found.same, found.line()
    assert found.notes == []
    assert found.readings == sum(isinstance(e, Reading) for e in live) > 200
    assert found.alarms == sum(isinstance(e, Alarm) for e in live) > 0
    assert [e for e in events if isinstance(e, Alarm)] == [e for e in live if isinstance(e, Alarm)]
    assert any(isinstance(e, Tick) for e in live)


def test_a_second_run_begins_with_the_alarms_of_the_first(tmp_path):
    for _ in range(2):
        found, _, recording = made_again(run(tmp_path, SYNTHETIC))
        assert found.same, found.line()
    assert recording.header["board"]["boot"] != recording.header["boot"]


def test_a_part_that_was_removed_is_said(recorded, tmp_path):
    copy = tmp_path / "copy.evrec"
    shutil.copytree(recorded, copy)
    (copy / "000001.evrec").rename(copy / "000002.evrec")
    assert "1 part(s) were removed" in Recording(copy).missing


def test_the_command_says_so_and_judges(recorded, capsys):
    assert main(["replay", str(recorded), "--exact"]) == 0
    assert "bit for bit those made live" in capsys.readouterr().err


def test_a_sample_that_was_altered_is_found(recorded, tmp_path, capsys):
    from edge.recording import RecordingWriter
    from edge.types import Block

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
