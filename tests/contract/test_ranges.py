"""Ranges of files: preallocation, holes made and found, copies from file to file."""

from __future__ import annotations

import os
from itertools import product

import pytest

from sqlfs.errors import (
    BadHandle,
    FileTooBig,
    Invalid,
    NoSpace,
    NoSuchRange,
    NotSupported,
    SqlfsError,
)
from sqlfs.limits import FILE_BYTES_MAX, KIB, MIB
from sqlfs.types import AllocateMode, AttributeChanges
from sqlfs.volume.session import Session
from tests.contract.nodes import age, content, copy_all, make_file, noise, touched

GROW, KEEP = AllocateMode.GROW, AllocateMode.KEEP_SIZE
PUNCH = AllocateMode.PUNCH_HOLE | KEEP
ZERO, ZERO_KEEP = AllocateMode.ZERO_RANGE, AllocateMode.ZERO_RANGE | KEEP

CHUNK = 4 * KIB
MANIFEST = 128 * CHUNK
TB = 2**40


def opened(session: Session, name: bytes, data: bytes = b"", flags: int = os.O_RDWR) -> int:
    return session.open(make_file(session, name, data), flags)


def size_of(session: Session, name: bytes) -> int:
    return session.lookup(session.root, name).size


def read(session: Session, handle: int) -> bytes:
    return session.read(handle, 0, 16 * MIB)


def blocks(session: Session, name: bytes) -> int:
    session.sync()
    return session.lookup(session.root, name).blocks


# --- preallocation ---


@pytest.mark.parametrize("size", [0, 100, CHUNK, 3 * CHUNK + 5])
@pytest.mark.parametrize("mode", [GROW, ZERO])
def test_a_file_grows_to_what_is_allocated(session: Session, mode: int, size: int) -> None:
    data = noise(size)
    handle = opened(session, b"a", data)
    session.allocate(handle, mode, size, 5 * CHUNK)
    assert size_of(session, b"a") == size + 5 * CHUNK
    assert read(session, handle) == data + bytes(5 * CHUNK)
    assert session.getattr(session.lookup(session.root, b"a").node).size == size + 5 * CHUNK


@pytest.mark.parametrize("mode", [GROW, KEEP])
def test_allocating_what_is_there_changes_no_byte(session: Session, mode: int) -> None:
    data = noise(20_000)
    handle = opened(session, b"a", data)
    session.allocate(handle, mode, 100, 10_000)
    assert read(session, handle) == data


@pytest.mark.parametrize("mode", [KEEP, PUNCH, ZERO_KEEP])
def test_keep_size_keeps_the_size(session: Session, mode: int) -> None:
    handle = opened(session, b"a", b"data")
    session.allocate(handle, mode, 4, MIB)
    assert read(session, handle) == b"data"


@pytest.mark.parametrize("mode", [GROW, KEEP, PUNCH, ZERO, ZERO_KEEP])
def test_every_mode_touches_mtime_and_ctime(session: Session, mode: int) -> None:
    node = make_file(session, b"a", b"data")
    age(session, node)
    handle = session.open(node, os.O_WRONLY)
    session.allocate(handle, mode, 0, 4)
    assert touched(session, node) == (True, True)


@pytest.mark.parametrize("mode", [GROW, KEEP, ZERO, ZERO_KEEP])
def test_more_than_there_is_room_for(session: Session, mode: int) -> None:
    node = make_file(session, b"a", b"data")
    age(session, node)
    handle = session.open(node, os.O_RDWR)
    with pytest.raises(NoSpace):
        session.allocate(handle, mode, 0, 2**60)
    assert read(session, handle) == b"data"
    assert touched(session, node) == (False, False)


def test_punching_needs_no_room(session: Session) -> None:
    handle = opened(session, b"a", b"data")
    session.allocate(handle, PUNCH, 2, 2**60)
    assert read(session, handle) == b"da\0\0"


@pytest.mark.parametrize(
    ("mode", "offset", "length", "error"),
    [
        (GROW, -1, 10, Invalid),
        (GROW, 0, 0, Invalid),
        (PUNCH, 0, -1, Invalid),
        (AllocateMode.PUNCH_HOLE, 0, 1, NotSupported),
        (PUNCH | ZERO, 0, 1, NotSupported),
        (0x08, 0, CHUNK, NotSupported),  # collapse
        (0x20, 0, CHUNK, NotSupported),  # insert
        (0x40, 0, CHUNK, NotSupported),  # unshare
        (GROW, FILE_BYTES_MAX, 1, FileTooBig),
        (PUNCH, 1, FILE_BYTES_MAX, FileTooBig),
    ],
)
def test_what_cannot_be_allocated(
    session: Session, mode: int, offset: int, length: int, error: type[SqlfsError]
) -> None:
    handle = opened(session, b"a", b"data")
    with pytest.raises(error):
        session.allocate(handle, mode, offset, length)
    assert read(session, handle) == b"data"


def test_allocating_needs_a_handle_for_writing(session: Session) -> None:
    handle = opened(session, b"a", b"data", os.O_RDONLY)
    with pytest.raises(BadHandle):
        session.allocate(handle, PUNCH, 0, 1)
    with pytest.raises(BadHandle):
        session.allocate(handle + 100, PUNCH, 0, 1)


# --- holes ---


RANGES = [
    (0, 1),
    (1, 50),
    (10, CHUNK),
    (CHUNK, CHUNK),
    (CHUNK - 1, 2),
    (CHUNK + 1, 2 * CHUNK),
    (5000, 15_000),
    (0, MANIFEST),
    (3, MANIFEST + 3000),
    (0, TB),
]


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("size", [100, 20_000, MANIFEST + 9000])
def test_a_range_becomes_zeros(session: Session, size: int, synced: bool) -> None:
    for offset, length in RANGES:
        expected = bytearray(noise(size))
        handle = opened(session, b"%d-%d" % (offset, length), bytes(expected))
        if synced:
            session.sync()
        session.allocate(handle, PUNCH, offset, length)
        end = min(offset + length, size)
        expected[offset:end] = bytes(max(0, end - offset))
        assert read(session, handle) == bytes(expected), (offset, length)
        if synced:
            session.sync()
            assert read(session, handle) == bytes(expected), (offset, length)


def test_zeroing(session: Session) -> None:
    handle = opened(session, b"a", noise(5000))
    session.allocate(handle, ZERO, 3000, 10_000)
    assert read(session, handle) == noise(5000)[:3000] + bytes(10_000)
    session.allocate(handle, ZERO_KEEP, 1000, 100)
    zeroed = noise(5000)[:1000] + bytes(100) + noise(5000)[1100:3000] + bytes(10_000)
    assert read(session, handle) == zeroed


def test_what_is_written_into_a_new_hole_is_read(session: Session) -> None:
    expected = bytearray(noise(MANIFEST + 9 * CHUNK))
    handle = opened(session, b"a", bytes(expected))
    session.sync()
    for offset, length in ((CHUNK, 20 * CHUNK), (100 * CHUNK, 30 * CHUNK + 7)):
        session.allocate(handle, PUNCH, offset, length)
        expected[offset : offset + length] = bytes(length)
        session.write(handle, offset + 5000, b"new")
        expected[offset + 5000 : offset + 5003] = b"new"
        assert read(session, handle) == bytes(expected)
        session.fsync(handle)
        assert read(session, handle) == bytes(expected)


def test_nothing_comes_back_when_cut_and_regrown_after_a_hole(session: Session) -> None:
    node = make_file(session, b"a", noise(20_000))
    session.sync()
    handle = session.open(node, os.O_RDWR)
    session.allocate(handle, PUNCH, 4000, 9000)
    session.setattr(node, AttributeChanges(size=12_000))
    session.setattr(node, AttributeChanges(size=20_000))
    session.sync()
    assert read(session, handle) == noise(20_000)[:4000] + bytes(16_000)


def test_a_hole_gives_its_blocks_back(session: Session) -> None:
    handle = opened(session, b"a", noise(2 * MANIFEST))
    before = blocks(session, b"a")
    session.allocate(handle, PUNCH, CHUNK, MANIFEST)
    assert blocks(session, b"a") == before - MANIFEST // 512
    session.allocate(handle, PUNCH, 0, 2 * MANIFEST)
    assert blocks(session, b"a") == 0


def test_a_slot_of_which_both_halves_are_punched_is_a_hole(session: Session) -> None:
    handle = opened(session, b"a", noise(3 * CHUNK))
    session.sync()
    session.allocate(handle, PUNCH, CHUNK, 1000)
    session.allocate(handle, PUNCH, CHUNK + 1000, CHUNK - 1000)
    assert session.seek(handle, 0, os.SEEK_HOLE) == CHUNK
    assert blocks(session, b"a") == 2 * CHUNK // 512


def test_punching_a_terabyte(session: Session) -> None:
    handle = opened(session, b"a")
    for offset in (0, 2**30, TB // 2, TB - 1):
        session.write(handle, offset, b"x")
    session.sync()
    session.allocate(handle, PUNCH, 1, TB - 2)
    assert session.seek(handle, CHUNK, os.SEEK_DATA) == TB - CHUNK
    assert session.read(handle, TB // 2, 1) == b"\0"
    assert session.read(handle, 0, 2) == b"x\0"
    assert session.read(handle, TB - 2, 2) == b"\0x"
    assert blocks(session, b"a") == 2 * CHUNK // 512


def test_a_hole_in_one_of_two_equal_files(session: Session) -> None:
    data = noise(MANIFEST + CHUNK)
    first, second = opened(session, b"a", data), opened(session, b"b", data)
    session.sync()
    session.allocate(first, PUNCH, CHUNK, MANIFEST - CHUNK)
    session.sync()
    assert read(session, second) == data
    session.unlink(session.root, b"b")
    session.release(second)
    session.sync()
    assert read(session, first) == data[:CHUNK] + bytes(MANIFEST - CHUNK) + data[MANIFEST:]


# --- finding ---


def test_data_and_holes_are_found(session: Session) -> None:
    handle = opened(session, b"a")
    session.write(handle, CHUNK, noise(2 * CHUNK))
    session.write(handle, MANIFEST + 10, b"x")
    for _ in range(2):
        assert session.seek(handle, 0, os.SEEK_DATA) == CHUNK
        assert session.seek(handle, 0, os.SEEK_HOLE) == 0
        assert session.seek(handle, CHUNK + 7, os.SEEK_DATA) == CHUNK + 7
        assert session.seek(handle, CHUNK, os.SEEK_HOLE) == 3 * CHUNK
        assert session.seek(handle, 3 * CHUNK, os.SEEK_DATA) == MANIFEST
        assert session.seek(handle, MANIFEST + 10, os.SEEK_DATA) == MANIFEST + 10
        assert session.seek(handle, MANIFEST, os.SEEK_HOLE) == MANIFEST + 11
        session.sync()


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("size", [1, 500, CHUNK, 3 * CHUNK, MANIFEST, MANIFEST + 1])
def test_the_end_is_a_hole(session: Session, size: int, synced: bool) -> None:
    handle = opened(session, b"a", noise(size))
    if synced:
        session.sync()
    assert session.seek(handle, 0, os.SEEK_HOLE) == size
    assert session.seek(handle, size - 1, os.SEEK_DATA) == size - 1
    for whence in (os.SEEK_DATA, os.SEEK_HOLE):
        for offset in (-1, size, size + 1, TB):
            with pytest.raises(NoSuchRange):
                session.seek(handle, offset, whence)


def test_zeros_are_a_hole(session: Session) -> None:
    handle = opened(session, b"a", noise(CHUNK) + bytes(5 * CHUNK) + noise(10))
    for _ in range(2):
        assert session.seek(handle, 0, os.SEEK_HOLE) == CHUNK
        assert session.seek(handle, CHUNK, os.SEEK_DATA) == 6 * CHUNK
        session.sync()


def test_a_file_of_nothing_but_a_hole(session: Session) -> None:
    node = make_file(session, b"a")
    session.setattr(node, AttributeChanges(size=TB))
    handle = session.open(node, os.O_RDONLY)
    assert session.seek(handle, 5, os.SEEK_HOLE) == 5
    with pytest.raises(NoSuchRange):
        session.seek(handle, 0, os.SEEK_DATA)


@pytest.mark.parametrize("whence", [os.SEEK_SET, os.SEEK_CUR, os.SEEK_END, 5])
def test_a_handle_has_no_position(session: Session, whence: int) -> None:
    with pytest.raises(Invalid):
        session.seek(opened(session, b"a", b"data"), 0, whence)


# --- copies ---

PLACES = [(0, 0), (0, CHUNK), (CHUNK, 0), (CHUNK, 5 * CHUNK), (7, 7), (CHUNK + 9, 9), (5, 600)]


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("there", [0, 2 * MANIFEST])
def test_copied_bytes_are_the_source_s(session: Session, there: int, synced: bool) -> None:
    data = noise(MANIFEST + 5000)
    source = opened(session, b"a", data)
    for (offset_in, offset_out), length in product(PLACES, (1, 3 * CHUNK + 1, TB)):
        place = (offset_in, offset_out, length)
        expected = bytearray(noise(there, seed=1))
        target = opened(session, b"%d-%d-%d" % place, bytes(expected))
        if synced:
            session.sync()
        copied = data[offset_in : offset_in + length]
        assert copy_all(session, source, offset_in, target, offset_out, length) == len(copied)
        expected.extend(bytes(max(0, offset_out - there)))
        expected[offset_out : offset_out + len(copied)] = copied
        assert read(session, target) == bytes(expected), place
        if synced:
            session.sync()
            assert read(session, target) == bytes(expected), place
    assert read(session, source) == data


def test_a_copy_and_its_source_are_independent(session: Session) -> None:
    data = noise(MANIFEST + 9 * CHUNK)
    source, target = opened(session, b"a", data), opened(session, b"b")
    assert copy_all(session, source, 0, target, 0, TB) == len(data)
    session.write(source, 5 * CHUNK + 1, b"changed")
    session.write(target, 9 * CHUNK + 1, b"different")
    session.sync()
    assert session.read(source, 9 * CHUNK, CHUNK) == data[9 * CHUNK : 10 * CHUNK]
    assert session.read(target, 5 * CHUNK, CHUNK) == data[5 * CHUNK : 6 * CHUNK]
    session.unlink(session.root, b"a")
    session.release(source)
    session.sync()
    assert session.read(target, MANIFEST, 9 * CHUNK) == data[MANIFEST:]


def test_copies_within_one_file(session: Session) -> None:
    data = noise(MANIFEST + 100)
    handle = opened(session, b"a", data)
    assert copy_all(session, handle, 0, handle, len(data), len(data)) == len(data)
    assert copy_all(session, handle, CHUNK, handle, 4 * MANIFEST, MANIFEST) == MANIFEST
    assert copy_all(session, handle, CHUNK, handle, 0, CHUNK) == CHUNK
    expected = data + data
    expected += bytes(4 * MANIFEST - len(expected)) + expected[CHUNK : CHUNK + MANIFEST]
    expected = expected[CHUNK : 2 * CHUNK] + expected[CHUNK:]
    assert read(session, handle) == expected
    session.sync()
    assert read(session, handle) == expected


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("size", [2 * CHUNK, 2 * CHUNK + 100, MANIFEST + 1])
def test_a_file_appended_to_itself_slot_by_slot(session: Session, size: int, synced: bool) -> None:
    data = noise(size)
    handle = opened(session, b"a", data)
    if synced:
        session.sync()
    for place in (2 * MANIFEST, 5 * MANIFEST + CHUNK):
        assert session.copy_range(handle, 0, handle, place, size) == size
        assert size_of(session, b"a") == place + size
        assert session.read(handle, place - 10, size + 100) == bytes(10) + data
    session.sync()
    assert session.read(handle, 2 * MANIFEST - 10, MANIFEST + 10) == (
        bytes(10) + data[:MANIFEST].ljust(MANIFEST, b"\0")
    )


def test_ranges_of_one_file_that_overlap(session: Session) -> None:
    node = make_file(session, b"a", noise(9000))
    first, second = session.open(node, os.O_RDONLY), session.open(node, os.O_RDWR)
    for offset_in, offset_out, length in ((0, 0, 1), (0, 4096, 5000), (4096, 0, 5000)):
        with pytest.raises(Invalid):
            session.copy_range(first, offset_in, second, offset_out, length)
    # What counts is what there is to be copied.
    assert session.copy_range(first, 8000, second, 9000, 5000) == 1000
    assert session.copy_range(first, 20_000, second, 20_000, 10) == 0
    assert read(session, first) == noise(9000) + noise(9000)[8000:]


@pytest.mark.parametrize("shift", [0, 3 * CHUNK, 100])
def test_holes_stay_holes_in_a_copy(session: Session, shift: int) -> None:
    source, target = opened(session, b"a"), opened(session, b"b", noise(20 * CHUNK))
    session.write(source, 3 * CHUNK, noise(CHUNK))
    session.write(source, TB // 2, noise(CHUNK))
    session.setattr(session.lookup(session.root, b"a").node, AttributeChanges(size=TB))
    assert copy_all(session, source, 0, target, shift, TB) == TB
    assert size_of(session, b"b") == TB + shift
    assert session.read(target, shift, 5 * CHUNK) == bytes(3 * CHUNK) + noise(CHUNK) + bytes(CHUNK)
    assert session.read(target, TB // 2 + shift, CHUNK + 1) == noise(CHUNK) + b"\0"
    assert blocks(session, b"b") <= 5 * CHUNK // 512


def test_a_copy_shows_to_others_at_once(session: Session, other: Session) -> None:
    source, target = opened(session, b"a", noise(9000)), opened(session, b"b")
    assert session.copy_range(source, 0, target, 0, 9000) == 9000
    assert content(other, other.lookup(other.root, b"b").node) == noise(9000)


def test_a_copy_touches_the_target_alone(session: Session) -> None:
    first, second = make_file(session, b"a", noise(9000)), make_file(session, b"b")
    age(session, first, second)
    source, target = session.open(first, os.O_RDONLY), session.open(second, os.O_WRONLY)
    assert session.copy_range(source, 9000, target, 0, 10) == 0
    assert touched(session, second) == (False, False)
    assert session.copy_range(source, 0, target, 0, 9000) == 9000
    assert touched(session, first) == (False, False)
    assert touched(session, second) == (True, True)


def test_what_cannot_be_copied(session: Session) -> None:
    reading, writing = opened(session, b"a", b"data", os.O_RDONLY), opened(session, b"b", b"", 1)
    appending = session.open(session.lookup(session.root, b"b").node, os.O_RDWR | os.O_APPEND)
    for source, target in ((reading, reading), (writing, writing), (reading, appending)):
        with pytest.raises(BadHandle):
            session.copy_range(source, 0, target, 10, 1)
    for offset_in, offset_out, length in ((-1, 0, 1), (0, -1, 1), (0, 0, -1)):
        with pytest.raises(Invalid):
            session.copy_range(reading, offset_in, writing, offset_out, length)
    with pytest.raises(FileTooBig):
        session.copy_range(reading, 0, writing, FILE_BYTES_MAX, 1)
    assert size_of(session, b"b") == 0


def test_a_copy_ends_at_the_greatest_size(session: Session) -> None:
    source, target = opened(session, b"a", b"data"), opened(session, b"b")
    assert session.copy_range(source, 0, target, FILE_BYTES_MAX - 3, 4) == 3
    assert session.read(target, FILE_BYTES_MAX - 4, 9) == b"\0dat"
