"""Holes: what they cost, what is told of them, and posix_fallocate(3)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from conformance.posix import libc
from conformance.posix.conftest import AsUser, Tick
from conformance.posix.expect import fails
from conformance.posix.files import opened, pattern
from conformance.posix.kinds import make
from conformance.posix.processes import ALICE

MIB = 1 << 20
BLOCK = 512


def settled_blocks(path: Path) -> int:
    """st_blocks once everything is where it will stay."""
    with opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_blocks


def test_an_empty_file_takes_no_blocks(place: Path) -> None:
    (place / "file").write_bytes(b"")
    assert settled_blocks(place / "file") == 0


def test_a_hole_takes_no_blocks(place: Path) -> None:
    (place / "file").write_bytes(b"")
    os.truncate(place / "file", 1 << 40)
    assert settled_blocks(place / "file") == 0


@pytest.mark.parametrize("size", [MIB, 3 * MIB + 1])
def test_data_takes_about_its_size(place: Path, size: int) -> None:
    (place / "file").write_bytes(pattern(size))
    assert size <= settled_blocks(place / "file") * BLOCK <= size + 128 * 1024


def test_islands_in_a_hole(place: Path) -> None:
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        for number in range(4):
            os.pwrite(descriptor, pattern(4096, number), number * 64 * MIB)
        for number in range(4):
            assert os.pread(descriptor, 4096, number * 64 * MIB) == pattern(4096, number)
        for number in range(3):
            assert os.pread(descriptor, 4096, number * 64 * MIB + MIB) == b"\0" * 4096
    assert settled_blocks(place / "file") * BLOCK < 4 * MIB


def test_truncating_gives_blocks_back(place: Path) -> None:
    (place / "file").write_bytes(pattern(4 * MIB))
    before = settled_blocks(place / "file")
    os.truncate(place / "file", MIB)
    middle = settled_blocks(place / "file")
    os.truncate(place / "file", 0)
    assert before > middle > settled_blocks(place / "file") == 0


def test_a_whole_hole_reads_as_zeros(place: Path) -> None:
    (place / "file").write_bytes(b"")
    os.truncate(place / "file", 3 * MIB)
    assert (place / "file").read_bytes() == b"\0" * (3 * MIB)


# --- SEEK_DATA and SEEK_HOLE: whole files may count as data ---


@pytest.mark.parametrize("offset", [0, 1, 4096, MIB - 1])
def test_in_a_file_without_holes(place: Path, offset: int) -> None:
    (place / "file").write_bytes(pattern(MIB))
    with opened(place / "file", os.O_RDONLY) as descriptor:
        assert os.lseek(descriptor, offset, os.SEEK_DATA) == offset
        assert os.lseek(descriptor, offset, os.SEEK_HOLE) == MIB


@pytest.mark.parametrize("whence", [os.SEEK_DATA, os.SEEK_HOLE], ids=["data", "hole"])
@pytest.mark.parametrize("offset", [MIB, MIB + 1, 1 << 40])
def test_beyond_the_end(place: Path, whence: int, offset: int) -> None:
    (place / "file").write_bytes(pattern(MIB))
    with opened(place / "file", os.O_RDONLY) as descriptor, fails(errno.ENXIO):
        os.lseek(descriptor, offset, whence)


@pytest.mark.parametrize("whence", [os.SEEK_DATA, os.SEEK_HOLE], ids=["data", "hole"])
def test_in_an_empty_file(place: Path, whence: int) -> None:
    (place / "file").write_bytes(b"")
    with opened(place / "file", os.O_RDONLY) as descriptor, fails(errno.ENXIO):
        os.lseek(descriptor, 0, whence)


def islands(descriptor: int) -> list[tuple[int, int]]:
    """Where the file says that it has data, as (start, end)."""
    found: list[tuple[int, int]] = []
    end = 0
    while True:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return found
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        assert end > start
        found.append((start, end))


@pytest.mark.parametrize("synced", [False, True])
def test_no_data_is_called_a_hole(place: Path, synced: bool) -> None:
    places = [0, 3 * MIB, 3 * MIB + 8192, 10 * MIB - 1]
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        for offset in places:
            os.pwrite(descriptor, b"x", offset)
        if synced:
            os.fsync(descriptor)
        found = islands(descriptor)
    for offset in places:
        assert any(start <= offset < end for start, end in found)


@pytest.mark.needs("holes")
def test_holes_are_found(place: Path) -> None:
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        os.pwrite(descriptor, pattern(MIB), 4 * MIB)
        os.ftruncate(descriptor, 8 * MIB)
        assert islands(descriptor) == [(4 * MIB, 5 * MIB)]
        assert os.lseek(descriptor, 0, os.SEEK_HOLE) == 0
        assert os.lseek(descriptor, 4 * MIB + 5, os.SEEK_HOLE) == 5 * MIB


# --- allocating ---


def test_posix_fallocate_makes_room_and_zeros(place: Path) -> None:
    (place / "file").write_bytes(b"content")
    with opened(place / "file", os.O_RDWR) as descriptor:
        os.posix_fallocate(descriptor, 3, 10_000)
    assert (place / "file").read_bytes() == b"content" + b"\0" * 9996


def test_posix_fallocate_within_a_file_changes_nothing(place: Path) -> None:
    data = pattern(100_000)
    (place / "file").write_bytes(data)
    with opened(place / "file", os.O_RDWR) as descriptor:
        os.posix_fallocate(descriptor, 1000, 50_000)
    assert (place / "file").read_bytes() == data


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (-1, 1), (0, -1)])
def test_posix_fallocate_of_nothing(place: Path, offset: int, length: int) -> None:
    (place / "file").write_bytes(b"")
    with opened(place / "file", os.O_RDWR) as descriptor, fails(errno.EINVAL):
        os.posix_fallocate(descriptor, offset, length)


def test_posix_fallocate_takes_a_descriptor_for_writing(place: Path) -> None:
    (place / "file").write_bytes(b"")
    with opened(place / "file", os.O_RDONLY) as descriptor, fails(errno.EBADF):
        os.posix_fallocate(descriptor, 0, 1)


def test_posix_fallocate_of_a_fifo(place: Path) -> None:
    with opened(make(place / "fifo", "fifo"), os.O_RDWR) as descriptor, fails(errno.ESPIPE):
        os.posix_fallocate(descriptor, 0, 1)


@pytest.mark.needs("preallocation")
@pytest.mark.parametrize("mode", [0, libc.FALLOC_KEEP_SIZE])
def test_fallocate_takes_blocks_at_once(place: Path, mode: int) -> None:
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        libc.fallocate(descriptor, mode, 0, MIB)
        assert os.fstat(descriptor).st_blocks * BLOCK >= MIB


@pytest.mark.needs("fallocate")
class TestFallocate:
    def test_the_file_grows(self, place: Path) -> None:
        with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
            libc.fallocate(descriptor, 0, 0, MIB)
            assert os.fstat(descriptor).st_size == MIB
            assert os.pread(descriptor, MIB, 0) == b"\0" * MIB

    def test_keep_size(self, place: Path) -> None:
        (place / "file").write_bytes(b"content")
        with opened(place / "file", os.O_RDWR) as descriptor:
            libc.fallocate(descriptor, libc.FALLOC_KEEP_SIZE, 0, MIB)
            assert os.fstat(descriptor).st_size == 7
        assert (place / "file").read_bytes() == b"content"

    def test_it_moves_ctime(self, place: Path, tick: Tick) -> None:
        with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
            before = os.fstat(descriptor)
            tick()
            libc.fallocate(descriptor, 0, 0, 10)
            assert os.fstat(descriptor).st_ctime_ns > before.st_ctime_ns

    def test_beyond_every_bound(self, place: Path) -> None:
        with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor, fails(errno.EFBIG):
            libc.fallocate(descriptor, 0, 2**63 - 2, 100)

    def test_set_id_bits_go(self, place: Path, as_user: AsUser) -> None:
        (place / "file").write_bytes(b"")
        os.chmod(place / "file", 0o6777)

        def allocate() -> None:
            with opened(place / "file", os.O_RDWR) as descriptor:
                libc.fallocate(descriptor, 0, 0, 10)

        as_user(ALICE, allocate)
        assert os.stat(place / "file").st_mode & 0o7777 == 0o777


@pytest.mark.needs("punch_hole")
class TestPunchHole:
    MODE = libc.FALLOC_PUNCH_HOLE | libc.FALLOC_KEEP_SIZE

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, MIB), (5, 10), (4096, 4096), (1000, 600_000), (MIB - 5, 100), (2 * MIB, 10)],
    )
    def test_it_leaves_zeros(self, place: Path, offset: int, length: int) -> None:
        data = bytearray(pattern(MIB))
        (place / "file").write_bytes(data)
        with opened(place / "file", os.O_RDWR) as descriptor:
            libc.fallocate(descriptor, self.MODE, offset, length)
        end = min(MIB, offset + length)
        data[offset:end] = b"\0" * max(0, end - offset)
        assert (place / "file").read_bytes() == data

    def test_it_gives_blocks_back(self, place: Path) -> None:
        (place / "file").write_bytes(pattern(4 * MIB))
        before = settled_blocks(place / "file")
        with opened(place / "file", os.O_RDWR) as descriptor:
            libc.fallocate(descriptor, self.MODE, MIB, 2 * MIB)
        assert (before - settled_blocks(place / "file")) * BLOCK >= MIB

    def test_it_keeps_the_size(self, place: Path) -> None:
        (place / "file").write_bytes(b"")
        with opened(place / "file", os.O_RDWR) as descriptor, fails(errno.EOPNOTSUPP):
            libc.fallocate(descriptor, libc.FALLOC_PUNCH_HOLE, 0, 10)


@pytest.mark.parametrize("keep", [0, libc.FALLOC_KEEP_SIZE], ids=["grow", "keep"])
@pytest.mark.needs("zero_range")
def test_zero_range(place: Path, keep: int) -> None:
    data = pattern(100_000)
    (place / "file").write_bytes(data)
    with opened(place / "file", os.O_RDWR) as descriptor:
        libc.fallocate(descriptor, libc.FALLOC_ZERO_RANGE | keep, 50_001, 100_000)
    size = 100_000 if keep else 150_001
    assert (place / "file").read_bytes() == data[:50_001] + b"\0" * (size - 50_001)


@pytest.mark.needs("collapse_range", "insert_range")
def test_collapse_and_insert_range(place: Path) -> None:
    data = pattern(MIB)
    unit = 65_536
    (place / "file").write_bytes(data)
    with opened(place / "file", os.O_RDWR) as descriptor:
        libc.fallocate(descriptor, libc.FALLOC_COLLAPSE_RANGE, unit, unit)
        assert (place / "file").read_bytes() == data[:unit] + data[2 * unit :]
        libc.fallocate(descriptor, libc.FALLOC_INSERT_RANGE, unit, unit)
        assert (place / "file").read_bytes() == data[:unit] + b"\0" * unit + data[2 * unit :]
        with fails(errno.EINVAL):
            libc.fallocate(descriptor, libc.FALLOC_COLLAPSE_RANGE, 1, 10)


@pytest.mark.needs("punch_hole", "holes")
def test_a_block_can_be_punched(place: Path) -> None:
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        block = os.fstat(descriptor).st_blksize
        os.write(descriptor, b"x" * 3 * block)
        before = os.fstat(descriptor).st_blocks
        mode = libc.FALLOC_PUNCH_HOLE | libc.FALLOC_KEEP_SIZE
        libc.fallocate(descriptor, mode, block, block)
        assert os.lseek(descriptor, 0, os.SEEK_HOLE) == block
        assert os.lseek(descriptor, block, os.SEEK_DATA) == 2 * block
        assert os.fstat(descriptor).st_blocks < before
