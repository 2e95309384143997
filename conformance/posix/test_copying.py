"""sendfile(2), splice(2), copy_file_range(2) and reflinks: bytes that the kernel moves."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from pathlib import Path

import pytest

from conformance.posix.capabilities import FICLONE
from conformance.posix.conftest import Tick
from conformance.posix.expect import fails
from conformance.posix.files import opened, pattern
from conformance.posix.processes import Child

SIZE = 300_001


@pytest.fixture
def source(place: Path) -> Path:
    path = place / "source"
    path.write_bytes(pattern(SIZE))
    return path


def sent_to_end(target: int, source: int, offset: int | None) -> int:
    """sendfile until there is nothing more; returns how many bytes that were."""
    total = 0
    while True:
        at = None if offset is None else offset + total
        sent = os.sendfile(target, source, at, SIZE)
        if sent == 0:
            return total
        total += sent


@pytest.mark.parametrize("offset", [None, 0, 4096, 4097, SIZE - 1, SIZE, SIZE + 1])
def test_sendfile_to_a_file(place: Path, source: Path, offset: int | None) -> None:
    target = place / "target"
    with opened(source, os.O_RDONLY) as reading, opened(target, os.O_RDWR | os.O_CREAT) as writing:
        total = sent_to_end(writing, reading, offset)
    assert target.read_bytes() == pattern(SIZE)[offset or 0 :]
    assert total == os.stat(target).st_size


def test_sendfile_to_a_socket(source: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def receive() -> bytes:
            ours.close()
            with theirs.makefile("rb") as stream:
                return stream.read()

        child = Child(receive)
        theirs.close()
        with opened(source, os.O_RDONLY) as reading:
            assert sent_to_end(ours.fileno(), reading, 0) == SIZE
        ours.close()
        assert child.result() == pattern(SIZE)


def test_sendfile_moves_the_position_only_when_it_uses_it(place: Path, source: Path) -> None:
    with (
        opened(source, os.O_RDONLY) as reading,
        opened(place / "target", os.O_RDWR | os.O_CREAT) as writing,
    ):
        os.sendfile(writing, reading, 100, 10)
        assert os.lseek(reading, 0, os.SEEK_CUR) == 0
        os.sendfile(writing, reading, None, 10)
        assert os.lseek(reading, 0, os.SEEK_CUR) == 10
        assert os.lseek(writing, 0, os.SEEK_CUR) == 20


def test_splice_from_a_file_to_a_pipe_and_back(place: Path, source: Path) -> None:
    out, into = os.pipe()
    target = place / "target"
    with opened(source, os.O_RDONLY) as reading, opened(target, os.O_RDWR | os.O_CREAT) as writing:
        done = 0
        while moved := os.splice(reading, into, 65_536, offset_src=done):
            written = 0
            while written < moved:
                written += os.splice(out, writing, moved - written, offset_dst=done + written)
            done += moved
    os.close(out)
    os.close(into)
    assert target.read_bytes() == pattern(SIZE)


def test_splice_over_what_is_there(place: Path) -> None:
    target = place / "target"
    target.write_bytes(b"0123456789")
    out, into = os.pipe()
    os.write(into, b"abc")
    with opened(target, os.O_WRONLY) as writing:
        assert os.splice(out, writing, 3, offset_dst=4) == 3
    os.close(out)
    os.close(into)
    assert target.read_bytes() == b"0123abc789"


def copied_to_end(reading: int, writing: int, at: int, to: int, count: int) -> int:
    total = 0
    while total < count:
        done = os.copy_file_range(reading, writing, count - total, at + total, to + total)
        if done == 0:
            break
        total += done
    return total


@pytest.mark.parametrize(
    ("at", "to", "count"),
    [
        (0, 0, SIZE),
        (0, 0, SIZE + 100),
        (0, 1, 4096),
        (4096, 8192, 131_072),
        (1000, 300_000, 200_000),
        (SIZE - 5, 3, 100),
        (SIZE, 0, 10),
    ],
)
def test_copy_file_range(place: Path, source: Path, at: int, to: int, count: int) -> None:
    target = place / "target"
    old = pattern(100_000, seed=2)
    target.write_bytes(old)
    with opened(source, os.O_RDONLY) as reading, opened(target, os.O_RDWR) as writing:
        total = copied_to_end(reading, writing, at, to, count)
    data = pattern(SIZE)[at : at + count]
    assert total == len(data)
    wanted = bytearray(old)
    if data:
        wanted.extend(b"\0" * (to - len(wanted)))
        wanted[to : to + len(data)] = data
    assert target.read_bytes() == wanted


def test_copy_file_range_by_positions(place: Path, source: Path) -> None:
    target = place / "target"
    with opened(source, os.O_RDONLY) as reading, opened(target, os.O_RDWR | os.O_CREAT) as writing:
        os.lseek(reading, 10, os.SEEK_SET)
        done = os.copy_file_range(reading, writing, 1000)
        assert os.lseek(reading, 0, os.SEEK_CUR) == 10 + done
        assert os.lseek(writing, 0, os.SEEK_CUR) == done
    assert target.read_bytes() == pattern(SIZE)[10 : 10 + done]


def test_copy_file_range_within_a_file(source: Path) -> None:
    with opened(source, os.O_RDWR) as descriptor:
        assert copied_to_end(descriptor, descriptor, 0, 200_000, 50_000) == 50_000
        with fails(errno.EINVAL):
            os.copy_file_range(descriptor, descriptor, 1000, 0, 500)
    data = pattern(SIZE)
    assert source.read_bytes() == data[:200_000] + data[:50_000] + data[250_000:]


@pytest.mark.parametrize("call", ["sendfile", "copy_file_range"])
def test_descriptors_for_something_else(place: Path, source: Path, call: str) -> None:
    def copy(reading: int, writing: int) -> None:
        if call == "sendfile":
            os.sendfile(writing, reading, 0, 10)
        else:
            os.copy_file_range(reading, writing, 10)

    target = place / "target"
    target.write_bytes(b"")
    with (
        opened(source, os.O_RDONLY) as reading,
        opened(source, os.O_WRONLY) as unreadable,
        opened(target, os.O_RDONLY) as unwritable,
        opened(target, os.O_WRONLY) as writing,
        opened(place, os.O_RDONLY) as folder,
    ):
        with fails(errno.EBADF):
            copy(reading, unwritable)
        with fails(errno.EBADF):
            copy(unreadable, writing)
        with fails(errno.EISDIR if call == "copy_file_range" else errno.EINVAL):
            copy(folder, writing)


def test_copy_file_range_to_an_appending_descriptor(place: Path, source: Path) -> None:
    with (
        opened(source, os.O_RDONLY) as reading,
        opened(place / "target", os.O_WRONLY | os.O_CREAT | os.O_APPEND) as appending,
        fails(errno.EBADF),
    ):
        os.copy_file_range(reading, appending, 10)


def test_copies_move_the_times_of_the_target(place: Path, source: Path, tick: Tick) -> None:
    target = place / "target"
    target.write_bytes(b"old")
    before = os.stat(target)
    tick()
    with opened(source, os.O_RDONLY) as reading, opened(target, os.O_WRONLY) as writing:
        os.copy_file_range(reading, writing, 10)
    assert os.stat(target).st_mtime_ns > before.st_mtime_ns
    assert os.stat(target).st_ctime_ns > before.st_ctime_ns


def test_a_copy_sees_what_was_just_written(place: Path) -> None:
    with (
        opened(place / "source", os.O_RDWR | os.O_CREAT) as reading,
        opened(place / "target", os.O_RDWR | os.O_CREAT) as writing,
    ):
        for number in range(20):
            os.pwrite(reading, b"%06d" % number, 0)
            assert copied_to_end(reading, writing, 0, 0, 6) == 6
            assert os.pread(writing, 6, 0) == b"%06d" % number


@pytest.mark.needs("clone")
def test_a_clone_is_independent(place: Path, source: Path) -> None:
    target = place / "target"
    with opened(source, os.O_RDWR) as reading, opened(target, os.O_RDWR | os.O_CREAT) as writing:
        fcntl.ioctl(writing, FICLONE, reading)
        os.pwrite(reading, b"changed", 0)
    assert target.read_bytes() == pattern(SIZE)
    assert source.read_bytes() == b"changed" + pattern(SIZE)[7:]
