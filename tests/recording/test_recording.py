"""A recording reads back bit for bit, and a torn end costs only what was torn."""

from __future__ import annotations

import functools
import math
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge import __version__
from edge.recording import Damage, Recording, RecordingWriter, pack
from edge.recording.packing import pack_header
from edge.recording.scan import HEAD, MAGIC
from edge.types import Alarm, Block, Fault, Reading, SourceError, SourceStatus

WITHOUT_HEADER = "the configuration and the models of then are not known"
ENTRIES = [
    Block("node/ppg", 0, 1.25, 100.0, np.array([[1.0], [-32768.0], [70000.0]]), labels=("ir",)),
    Block("cam/roi", 3, 1.3, 30.0, np.array([[0.1, float("nan")]]), epoch=2, flags=frozenset({"saturated"})),
    SourceStatus("node", "bed1", 2.0, "offline", "unplugged", since=1.9),
    Fault("clock_step", 2.5, True, "jumped"),
    Reading("ppg.hr", 3.0, 61.5, "bpm", 0.9, detail={"sd": 1.5}, bed="bed1", source="node"),
    Alarm("bed1/af", "o1", "physiological", "medium", "on", 4.0, "AF", "af", "bed1", evidence={"k": 5}),
]


def write(path, entries):
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"device": "d", "boot": "b"})
        for entry in entries:
            writer.add(entry)
        writer.flush()


def same(a, b):
    if isinstance(a, Block):
        fields = [getattr(a, f) == getattr(b, f) for f in ("stream", "seq", "t0", "rate", "epoch", "labels", "flags")]
        return all(fields) and a.data.dtype == b.data.dtype and a.data.tobytes() == b.data.tobytes()
    return a == b


def test_reads_back_what_was_written(tmp_path):
    path = tmp_path / "a.evrec"
    write(path, ENTRIES)
    recording = Recording(path)
    assert recording.header["device"] == "d"
    back = list(recording)
    assert len(back) == len(ENTRIES)
    assert all(same(a, b) for a, b in zip(ENTRIES, back, strict=True))
    assert recording.torn == ""


def test_a_torn_end_is_dropped_at_every_byte(tmp_path):
    path = tmp_path / "a.evrec"
    write(path, ENTRIES[:2])
    whole = path.read_bytes()
    write(path, ENTRIES[:1])
    first = len(path.read_bytes())
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        recording = Recording(path)
        assert len(list(recording)) == 1
        assert bool(recording.torn) == (length > first)


def test_a_damaged_middle_is_a_gap_that_is_told_with_its_bytes_and_seconds(tmp_path):
    path = tmp_path / "a.evrec"
    write(path, ENTRIES[:2])
    start = len(path.read_bytes())
    write(path, ENTRIES[:4])
    end = len(path.read_bytes())
    write(path, ENTRIES)
    raw = bytearray(path.read_bytes())
    for at in (start + 9, end - 1):
        raw[at] ^= 0x01
    path.write_bytes(raw)
    recording = Recording(path)
    for _ in range(2):  # and says it once, however often it is read
        back = list(recording)
        gap = Damage(3.0, 3.0 - ENTRIES[1].t_end, end - start)
        assert all(same(a, b) for a, b in zip([*ENTRIES[:2], gap, *ENTRIES[4:]], back, strict=True))
        assert recording.said == [
            f"{path}: damaged in 1 place(s): {end - start} byte(s) cannot be read, and 1.7 s lack some or all of what "
            "was recorded; the rest was read"
        ]


def test_damage_before_all_entries_and_between_ones_of_one_time_has_bytes_and_no_seconds(tmp_path):
    path = tmp_path / "a.evrec"
    back_in_time = [ENTRIES[4], *ENTRIES[:3]]
    ends = []
    for n in range(5):
        write(path, back_in_time[:n])
        ends.append(len(path.read_bytes()))
    flip(path, ends[0] + 9, ends[2] + 9)
    recording = Recording(path)
    gaps = [entry for entry in recording if isinstance(entry, Damage)]
    assert gaps == [
        Damage(ENTRIES[0].t_end, 0.0, ends[1] - ends[0]),
        Damage(ENTRIES[2].t, ENTRIES[2].t - ENTRIES[0].t_end, ends[3] - ends[2]),
    ]
    write(path, [ENTRIES[4], *ENTRIES[:2], ENTRIES[0]])
    flip(path, ends[2] + 9)
    (gap,) = [entry for entry in recording if isinstance(entry, Damage)]
    assert gap == Damage(ENTRIES[0].t_end, 0.0, ends[3] - ends[2]), "what follows is not later than what came before"
    assert recording.said == [
        f"{path}: damaged in 1 place(s): {ends[3] - ends[2]} byte(s) cannot be read; the rest was read"
    ]


@pytest.mark.parametrize(("there", "missing"), [((1, 2), ""), ((3, 4), "2 part(s) were removed, the first is 3")])
def test_parts_that_a_quota_took_away_are_told(tmp_path, there, missing):
    for number in there:
        write(tmp_path / f"{number:06d}.evrec", ENTRIES)
    recording = Recording(tmp_path)
    assert len(list(recording)) == 2 * len(ENTRIES)
    assert recording.said == ([f"{tmp_path}: {missing}"] if missing else [])


def test_a_part_begun_when_the_power_went_is_told(tmp_path):
    write(tmp_path / "000001.evrec", ENTRIES)
    for content in (b"", b"EVREC1\n"):
        (tmp_path / "000002.evrec").write_bytes(content)
        recording = Recording(tmp_path)
        assert len(list(recording)) == len(ENTRIES)
        assert recording.said == [f"{tmp_path / '000002.evrec'}: holds nothing yet; everything before it was read"]


def test_a_torn_end_of_a_part_that_is_not_the_last_is_a_gap(tmp_path):
    for number in (1, 2):
        write(tmp_path / f"00000{number}.evrec", ENTRIES[3 * number - 3 : 3 * number])
    first = tmp_path / "000001.evrec"
    first.write_bytes(first.read_bytes()[:-2])
    recording = Recording(tmp_path)
    assert [type(entry) for entry in recording] == [Block, Block, Damage, Fault, Reading, Alarm]
    assert recording.damaged
    assert not recording.torn


def test_a_damaged_record_at_the_end_is_dropped_and_its_bytes_are_told(tmp_path):
    path = tmp_path / "a.evrec"
    write(path, ENTRIES)
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 0xFF
    path.write_bytes(raw)
    recording = Recording(path)
    assert len(list(recording)) == len(ENTRIES) - 1
    assert "is torn; everything before it was read, " in recording.torn
    assert recording.torn.endswith("byte(s) were not")


def flip(path, *places):
    raw = bytearray(path.read_bytes())
    for at in places:
        raw[at] ^= 0xFF
    path.write_bytes(raw)


@pytest.mark.parametrize("at", [3, 20], ids=["magic", "header"])
def test_without_a_header_what_follows_is_there_and_the_header_is_told_missing(tmp_path, at):
    path = tmp_path / "a.evrec"
    write(path, ENTRIES)
    flip(path, 3, at + 1)
    recording = Recording(path)
    if at == 3:
        assert recording.header["device"] == "d"
    else:
        assert recording.header == {}
        assert recording.said[0] == recording.headless == f"{path}: the header is damaged: {WITHOUT_HEADER}"
    found = [entry for entry in recording if not isinstance(entry, Damage)]
    assert all(map(same, found, ENTRIES))
    assert len(found) == len(ENTRIES)


def test_another_parts_header_serves_as_well(tmp_path):
    for number in (1, 2, 3):
        write(tmp_path / f"{number:06d}.evrec", ENTRIES)
    (tmp_path / "000001.evrec").write_bytes(b"")
    flip(tmp_path / "000002.evrec", 20)
    recording = Recording(tmp_path)
    assert recording.header["device"] == "d"
    assert not recording.headless
    assert sum(not isinstance(entry, Damage) for entry in recording) == 2 * len(ENTRIES)


def test_the_header_is_said_again_in_a_long_file_and_is_no_entry(tmp_path):
    path = tmp_path / "a.evrec"
    noise = np.random.default_rng(0).standard_normal((100_000, 1))
    blocks = [Block("node/ppg", 100_000 * k, 1000.0 * k, 100.0, noise) for k in range(12)]
    write(path, blocks)
    assert path.read_bytes().count(b"header") == 1 + 2  # once in 4 MiB: it carries the whole configuration
    flip(path, 20)
    recording = Recording(path)
    assert recording.header["device"] == "d"
    assert [type(entry) for entry in recording] == [Damage] + [Block] * 12


def test_frames_are_never_recorded(tmp_path):
    with (tmp_path / "a").open("wb") as file:
        writer = RecordingWriter(file, {})
        with pytest.raises(ValueError, match="never recorded"):
            writer.add(Block("cam/video", 0, 0.0, 30.0, np.zeros((1, 4, 4, 3), np.uint8)))


NOT_OURS, EMPTY = "not a recording of this program", "the recording has no header: nothing in it can be used"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", NOT_OURS),
        (b"RIFF....WAVE", NOT_OURS),
        (b"EVREC1\n", EMPTY),
        (b"EVREC1\n\x05\x00\x00\x00", EMPTY),
    ],
)
def test_what_is_not_a_recording_is_refused_in_words(tmp_path, content, why):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(SourceError) as error:
        Recording(path)
    assert str(error.value) == f"{path}: {why}"


@pytest.mark.parametrize("unknown", [["moon", {"t": 5.0}], ["tick", {"t": 5.0, "moon": 1}]])
@pytest.mark.parametrize("version", ["9.9", None])
def test_what_a_newer_version_recorded_is_refused_in_words(tmp_path, unknown, version):
    path = tmp_path / "a.evrec"
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"device": "d"} | ({"version": version} if version else {}))
        writer.add_batch([pack(ENTRIES[0]), msgspec.msgpack.encode(unknown)])
    with pytest.raises(SourceError) as refused:
        list(Recording(path))
    told = str(refused.value)
    assert told.startswith(f"{path}: holds what edge-vitals {__version__} does not know (")
    assert "moon" in told
    assert told.endswith(f"it was recorded by version {version or 'unknown'}, which reads it")


def test_a_folder_without_parts_is_refused_in_words(tmp_path):
    with pytest.raises(SourceError, match="no recording in this folder"):
        Recording(tmp_path)


def test_a_missing_file_is_refused_in_words(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        Recording(tmp_path / "none")


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.floats(width=64)))
def test_any_samples_survive_bit_for_bit(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("rec") / "a"
    block = Block("n/ppg", 0, 0.0, 1.0, data)
    write(path, [block])
    (back,) = Recording(path)
    assert back.data.tobytes() == data.tobytes()


@pytest.mark.parametrize(
    "content",
    [
        [["batch", b"x\x9c\x03"]],
        [["batch", zlib.compress(b"\x01")]],
        [["tick", {"t": math.nan}]],
        [["tick", {"t": "noon"}]],
        [5],
        [["tick", functools.reduce(lambda inner, _: [inner], range(900), 0)]],
    ],
)
@pytest.mark.parametrize("headed", [True, False])
def test_a_whole_record_that_holds_nothing_known_is_refused_in_words(tmp_path, content, headed):
    path = tmp_path / "a.evrec"
    payloads = [*([pack_header({"version": "9.9"})] if headed else []), *map(msgspec.msgpack.encode, content)]
    path.write_bytes(MAGIC + b"".join(HEAD.pack(len(p), zlib.crc32(p)) + p for p in payloads))
    with pytest.raises(SourceError, match=f"holds what edge-vitals {__version__} does not know"):
        list(Recording(path))


@pytest.mark.parametrize(
    "header", [None, [1], 3, {"config": {"beds": {}}}, {"config": None}, {"cards": []}, {"wall": ""}]
)
def test_a_header_that_says_what_is_not_known_is_refused_in_words(tmp_path, header):
    path, payload = tmp_path / "a.evrec", msgspec.msgpack.encode(["header", header])
    path.write_bytes(MAGIC + HEAD.pack(len(payload), zlib.crc32(payload)) + payload)
    with pytest.raises(SourceError, match=f"holds what edge-vitals {__version__} does not know"):
        Recording(path)
