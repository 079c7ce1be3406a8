"""A table that the export wrote: read a page at a time, with runs, gaps and restarts where they were."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.sources._files import exported
from edge.sources._files.tables import read_csv
from export_night import blocks, record
from files_played import joined, play

SOUND = np.random.default_rng(5).integers(-9000, 9000, (12_000, 1)).astype(float)


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(exported, "_PAGE_BYTES", 1 << 14)


def table_of(folder: Path, entries) -> Path:
    recording = record(folder / "night.evrec", entries)
    assert main(["export", str(recording.path), "--csv", "--out", str(folder / "out")]) == 0
    return next((folder / "out").glob("node-*.csv"))


def places(read) -> list[int]:
    return [s for b in read for s in range(b.seq, b.next_seq)]


@pytest.mark.usefixtures("small_pages")
def test_times_that_tremble_by_a_sample_leave_sound_whole(tmp_path):
    """A device's clock is mapped anew with every frame: some 0.1 ms to and fro, half a sample of 4 kHz."""
    jitter = np.random.default_rng(0).uniform(0.0, 1.5e-4, 30)
    path = table_of(
        tmp_path,
        [
            replace(block, t0=block.t0 + jitter[i], labels=("mic",))
            for i, block in enumerate(blocks("node/pcg", 4000.0, SOUND))
        ],
    )
    read = play(path, block_s=1.0)
    assert [(b.kind, len(b.data)) for b in read] == [("pcg", 4000)] * 3
    assert read[0].rate == pytest.approx(4000.0, abs=0.3)
    np.testing.assert_array_equal(joined(read, "pcg"), SOUND)


@pytest.mark.usefixtures("small_pages")
def test_gaps_restarts_and_pages_whose_time_is_off_lie_where_their_time_is(tmp_path):
    path = table_of(
        tmp_path,
        [
            *blocks("node/ppg", 100.0, SOUND[:1000], skip=range(30, 35)),
            *(replace(block, epoch=1) for block in blocks("node/ppg", 100.0, SOUND[1000:1500], t0=512.25)),
        ],
    )
    read = play(path)
    assert places(read) == [*range(300), *range(350, 1000), *range(1200, 1700)]
    np.testing.assert_array_equal(joined(read, "ppg"), np.concatenate([SOUND[:300], SOUND[350:1500]]))


@pytest.mark.usefixtures("small_pages")
def test_memory_does_not_grow_with_the_table(tmp_path):
    most = []
    for name, rows in (("one", 5_000), ("ten", 50_000)):
        path = tmp_path / f"{name}.csv"
        lines = (f"{i / 4000:.6f},{1.8e9 + i / 4000:.6f},0,{i},{i % 97}.0\n" for i in range(rows))
        path.write_text("mono,wall,epoch,seq,mic\n" + "".join(lines))
        tracemalloc.start()
        (track,) = read_csv(path, "pcg", None, None)
        sums = [track.rows(a, a + 1000)[:, 0].sum() for a in range(0, rows, 1000)]
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(sums) == sum(i % 97 for i in range(rows))
    assert most[1] < 1.5 * most[0], most  # what is kept of a page: where it begins


@pytest.mark.usefixtures("small_pages")
def test_any_rows_are_found_over_the_edges_of_pages(tmp_path):
    path = table_of(tmp_path, [replace(b, labels=("mic",)) for b in blocks("node/pcg", 2000.0, SOUND)])
    (track,) = read_csv(path, "pcg", None, None)
    for a, b in ((0, 1), (0, 12_000), (5000, 5001), (11_999, 12_000), (321, 4567)):
        np.testing.assert_array_equal(track.rows(a, b), SOUND[a:b])
