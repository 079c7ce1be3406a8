"""One flipped byte costs the record it lies in, wherever it lies, and no other."""

from __future__ import annotations

import zlib

import pytest

from edge.recording.scan import HEAD, Unread, records

PAYLOADS = [b"\x92\xa5block" + bytes([n]) * n for n in (3, 40, 7)]
RECORDS = [HEAD.pack(len(p), zlib.crc32(p)) + p for p in PAYLOADS]


def read(path, content, start=0):
    path.write_bytes(content)
    with path.open("rb") as file:
        file.seek(start)
        return list(records(file))


def test_whole_records_are_read_from_where_the_file_stands(tmp_path):
    assert read(tmp_path / "a", b"magic" + b"".join(RECORDS), 5) == PAYLOADS


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_costs_its_record(tmp_path, bits):
    first, second, third = map(len, RECORDS)
    for at in range(first, first + second):
        content = bytearray(b"".join(RECORDS))
        content[at] ^= bits
        assert read(tmp_path / "a", content) == [PAYLOADS[0], Unread(first, second, last=False), PAYLOADS[2]]
    content[-1] ^= bits
    assert read(tmp_path / "a", content) == [PAYLOADS[0], Unread(first, second + third, last=True)]


@pytest.mark.parametrize("junk", [b"\x00", b"\xff" * 9, b"\x92\xa5block" * 3, bytes(1 << 20), b"\x92\xa5blo" * 210_000])
def test_what_lies_between_is_passed_over(tmp_path, junk):
    content = RECORDS[0] + junk + RECORDS[1]
    assert read(tmp_path / "a", content) == [PAYLOADS[0], Unread(len(RECORDS[0]), len(junk), last=False), PAYLOADS[1]]


def test_a_record_across_the_border_of_a_page_is_found(tmp_path):
    for more in range(-len(RECORDS[1]), 9):
        junk = b"\xff" * ((1 << 20) + more)
        assert read(tmp_path / "a", junk + RECORDS[1]) == [Unread(0, len(junk), last=False), PAYLOADS[1]]
