"""The bytes of files: reads, writes, holes, truncation."""

from __future__ import annotations

import os

import pytest

from sqlfs.errors import FileTooBig, Invalid, IsADirectory
from sqlfs.limits import FILE_BYTES_MAX, KIB, MIB
from sqlfs.types import AttributeChanges
from sqlfs.volume.session import Session
from tests.contract.nodes import (
    age,
    content,
    make,
    make_file,
    noise,
    touched,
)

# Around the sizes at which a file moves from its row to a chunk, to a manifest, to a tree of
# manifests (chunks of 4 KiB, 128 to a manifest).
SIZES = [0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 8192, 12_345, 512 * KIB, 512 * KIB + 1, MIB + 7]


def truncate(session: Session, node: int, size: int) -> None:
    assert session.setattr(node, AttributeChanges(size=size)).size == size


def test_a_new_file_is_empty(session: Session) -> None:
    node = make_file(session, b"a")
    assert session.getattr(node).size == 0
    assert session.getattr(node).blocks == 0
    assert content(session, node) == b""


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read(session: Session, size: int) -> None:
    data = noise(size)
    node = make_file(session, b"a", data)
    assert session.getattr(node).size == size
    assert content(session, node) == data


@pytest.mark.parametrize("size", SIZES)
def test_what_was_synced_is_read(session: Session, size: int) -> None:
    data = noise(size)
    node = make_file(session, b"a", data)
    session.sync()
    assert content(session, node) == data


def test_written_in_pieces(session: Session) -> None:
    data = noise(300_000)
    node = make_file(session, b"a")
    handle = session.open(node, os.O_RDWR)
    for start in range(0, len(data), 7001):
        session.write(handle, start, data[start : start + 7001])
        if start % 3 == 0:
            session.fsync(handle)
    assert session.read(handle, 0, len(data)) == data
    session.release(handle)
    assert content(session, node) == data


def test_one_write_and_one_read_of_many_megabytes(session: Session) -> None:
    data = noise(9 * MIB)
    node = make_file(session, b"a", data)
    assert content(session, node) == data


def test_written_backwards(session: Session) -> None:
    data = noise(100_000)
    node = make_file(session, b"a")
    handle = session.open(node, os.O_RDWR)
    for start in reversed(range(0, len(data), 5000)):
        session.write(handle, start, data[start : start + 5000])
    session.fsync(handle)
    assert session.read(handle, 0, len(data)) == data
    session.release(handle)


def test_reads_of_ranges(session: Session) -> None:
    data = noise(50_000)
    node = make_file(session, b"a", data)
    handle = session.open(node, os.O_RDONLY)
    for start in (0, 1, 4095, 4096, 8191, 49_999):
        for size in (0, 1, 2, 4096, 4097, 20_000):
            assert session.read(handle, start, size) == data[start : start + size]
    assert session.read(handle, 50_000, 1) == b""
    assert session.read(handle, 2**40, 10) == b""
    session.release(handle)


@pytest.mark.parametrize("synced", [False, True])
def test_overwrite(session: Session, synced: bool) -> None:
    expected = bytearray(noise(40_000))
    node = make_file(session, b"a", bytes(expected))
    handle = session.open(node, os.O_RDWR)
    patches = [(0, 1), (4095, 2), (4096, 4096), (10_000, 20_000), (39_999, 1), (39_000, 3000)]
    for seed, (start, size) in enumerate(patches):
        patch = noise(size, seed + 1)
        session.write(handle, start, patch)
        expected[start : start + size] = patch
        if synced:
            session.fsync(handle)
    assert session.read(handle, 0, 100_000) == bytes(expected)
    session.release(handle)


def test_empty_write_changes_nothing(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    age(session, node)
    handle = session.open(node, os.O_RDWR)
    assert session.write(handle, 100, b"") == 0
    session.release(handle)
    assert session.getattr(node).size == 4
    assert touched(session, node) == (False, False)


def test_write_touches_mtime_and_ctime(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    age(session, node)
    handle = session.open(node, os.O_WRONLY)
    session.write(handle, 0, b"d")
    session.release(handle)
    assert touched(session, node) == (True, True)


def test_read_touches_neither_mtime_nor_ctime(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    age(session, node)
    assert content(session, node) == b"data"
    assert touched(session, node) == (False, False)


def test_a_file_of_data_has_blocks(session: Session) -> None:
    node = make_file(session, b"a", noise(100_000))
    session.sync()
    assert session.getattr(node).blocks >= 100_000 // 512


@pytest.mark.parametrize("size", [2047, 2048, 2049, 20_000])
@pytest.mark.parametrize("data", [bytes(1500), b"data"])
def test_blocks_are_those_that_will_be_stored(session: Session, size: int, data: bytes) -> None:
    node = make_file(session, b"a", b"")
    session.setattr(node, AttributeChanges(size=size))
    handle = session.open(node, os.O_RDWR)
    session.write(handle, 100, data)
    blocks = session.getattr(node).blocks
    session.sync()
    assert session.getattr(node).blocks == blocks
    session.release(handle)


# --- holes ---


@pytest.mark.parametrize("start", [1, 512, 4096, 5000, 40_000, 600_000])
def test_write_beyond_the_end_leaves_a_hole(session: Session, start: int) -> None:
    node = make_file(session, b"a", b"head")
    handle = session.open(node, os.O_RDWR)
    session.write(handle, 4 + start, b"tail")
    expected = b"head" + bytes(start) + b"tail"
    assert session.read(handle, 0, 2 * len(expected)) == expected
    session.fsync(handle)
    assert session.read(handle, 0, 2 * len(expected)) == expected
    session.release(handle)


def test_a_hole_takes_no_blocks(session: Session) -> None:
    node = make_file(session, b"a")
    truncate(session, node, 2**40)
    session.sync()
    attributes = session.getattr(node)
    assert attributes.size == 2**40
    assert attributes.blocks <= 8


def test_writes_into_a_hole(session: Session) -> None:
    size = MIB
    expected = bytearray(size)
    node = make_file(session, b"a")
    truncate(session, node, size)
    handle = session.open(node, os.O_RDWR)
    for start in (4095, 300_000, 700_001, size - 1):
        session.write(handle, start, b"x")
        expected[start : start + 1] = b"x"
    session.fsync(handle)
    assert session.read(handle, 0, size) == bytes(expected)
    session.release(handle)


def test_far_apart(session: Session) -> None:
    node = make_file(session, b"a")
    handle = session.open(node, os.O_RDWR)
    places = [0, 2**20, 2**31, 2**40, 2**62, FILE_BYTES_MAX - 10]
    for start in places:
        session.write(handle, start, b"%19d" % start if start < 2**62 else b"end")
    session.fsync(handle)
    for start in places:
        expected = b"%19d" % start if start < 2**62 else b"end"
        assert session.read(handle, start, len(expected)) == expected
    assert session.read(handle, 2**50, 10) == bytes(10)
    assert session.getattr(node).size == FILE_BYTES_MAX - 10 + 3
    session.release(handle)


def test_the_greatest_size(session: Session) -> None:
    node = make_file(session, b"a")
    truncate(session, node, FILE_BYTES_MAX)
    handle = session.open(node, os.O_RDWR)
    assert session.read(handle, FILE_BYTES_MAX - 1, 10) == b"\0"
    assert session.write(handle, FILE_BYTES_MAX - 1, b"x") == 1
    with pytest.raises(FileTooBig):
        session.write(handle, FILE_BYTES_MAX - 1, b"xy")
    with pytest.raises(FileTooBig):
        session.write(handle, FILE_BYTES_MAX, b"x")
    session.fsync(handle)
    assert session.read(handle, FILE_BYTES_MAX - 2, 10) == b"\0x"
    session.release(handle)
    with pytest.raises(FileTooBig):
        session.setattr(node, AttributeChanges(size=FILE_BYTES_MAX + 1))
    assert session.getattr(node).size == FILE_BYTES_MAX


# --- truncation ---


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("size", [0, 1, 500, 4095, 4096, 4097, 50_000, 99_999, 100_000, 150_000])
def test_truncate(session: Session, size: int, synced: bool) -> None:
    data = noise(100_000)
    node = make_file(session, b"a", data)
    if synced:
        session.sync()
    truncate(session, node, size)
    assert content(session, node) == data[:size] + bytes(max(0, size - len(data)))


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("size", [0, 10, 4096, 5000, 550_000])
def test_nothing_comes_back_after_truncation(session: Session, size: int, synced: bool) -> None:
    data = noise(600_000)
    node = make_file(session, b"a", data)
    if synced:
        session.sync()
    truncate(session, node, size)
    if synced:
        session.sync()
    truncate(session, node, 600_000)
    assert content(session, node) == data[:size] + bytes(600_000 - size)


@pytest.mark.parametrize("start", [4096, 8000, 560_000, 700_000])
@pytest.mark.parametrize("size", [0, 10, 4096, 5000, 530_000, 550_000])
def test_nothing_comes_back_when_cut_and_regrown_at_once(
    session: Session, size: int, start: int
) -> None:
    data = noise(600_000)
    node = make_file(session, b"a", data)
    session.sync()
    handle = session.open(node, os.O_WRONLY)
    truncate(session, node, size)
    session.write(handle, start, b"x")
    session.release(handle)
    session.sync()
    expected = bytearray(data[:size].ljust(max(size, start + 1), b"\0"))
    expected[start : start + 1] = b"x"
    assert content(session, node) == bytes(expected)


def test_nothing_comes_back_under_a_later_write(session: Session) -> None:
    node = make_file(session, b"a", noise(10_000))
    truncate(session, node, 100)
    handle = session.open(node, os.O_RDWR)
    session.write(handle, 9000, b"x")
    assert session.read(handle, 100, 20_000) == bytes(8900) + b"x"
    session.release(handle)


def test_truncate_of_an_open_file_with_unsynced_writes(session: Session) -> None:
    node = make_file(session, b"a")
    handle = session.open(node, os.O_RDWR)
    data = noise(20_000)
    session.write(handle, 0, data)
    truncate(session, node, 6000)
    assert session.read(handle, 0, 20_000) == data[:6000]
    session.write(handle, 7000, b"x")
    session.fsync(handle)
    assert session.read(handle, 0, 20_000) == data[:6000] + bytes(1000) + b"x"
    session.release(handle)


@pytest.mark.parametrize("size", [0, 4, 2000])
def test_truncate_touches_mtime_and_ctime(session: Session, size: int) -> None:
    node = make_file(session, b"a", b"some data")
    age(session, node)
    truncate(session, node, size)
    assert touched(session, node) == (True, True)


def test_truncate_out_of_bounds(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    with pytest.raises(Invalid):
        session.setattr(node, AttributeChanges(size=-1))
    assert content(session, node) == b"data"


def test_truncate_of_what_has_no_content(session: Session) -> None:
    with pytest.raises(IsADirectory):
        session.setattr(make(session, "empty", b"directory"), AttributeChanges(size=0))
    with pytest.raises(Invalid):
        session.setattr(make(session, "fifo", b"fifo"), AttributeChanges(size=0))


def test_many_small_files(session: Session) -> None:
    nodes = [make_file(session, b"%d" % i, b"%d" % i * i) for i in range(200)]
    session.sync()
    assert [content(session, node) for node in nodes] == [b"%d" % i * i for i in range(200)]


def test_equal_files_are_independent(session: Session) -> None:
    data = noise(20_000)
    first, second = make_file(session, b"a", data), make_file(session, b"b", data)
    session.sync()
    handle = session.open(first, os.O_RDWR)
    session.write(handle, 5000, b"changed")
    session.release(handle)
    session.sync()
    assert content(session, second) == data
    session.unlink(session.root, b"a")
    session.sync()
    assert content(session, second) == data
