"""read(2), write(2) and truncate(2): the bytes of a file."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
from functools import partial
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser, Tick
from conformance.posix.expect import answer, fails
from conformance.posix.files import opened, pattern
from conformance.posix.kinds import make
from conformance.posix.processes import ALICE, Child, in_child

# Around the units that file systems, page caches and requests are made of.
SIZES = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_535, 131_072, 131_073, 262_145, 1_048_577]


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(b"content")
    return path


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_read(place: Path, size: int) -> None:
    data = pattern(size)
    (place / "file").write_bytes(data)
    assert (place / "file").read_bytes() == data
    assert os.stat(place / "file").st_size == size


@pytest.mark.parametrize("old", [0, 1, 4096, 5000, 262_144, 300_000])
@pytest.mark.parametrize("new", [0, 1, 4095, 4096, 5000, 262_144, 300_001])
def test_truncate_cuts_and_fills_with_zeros(place: Path, old: int, new: int) -> None:
    data = pattern(old)
    (place / "file").write_bytes(data)
    os.truncate(place / "file", new)
    assert os.stat(place / "file").st_size == new
    assert (place / "file").read_bytes() == data[:new] + b"\0" * (new - old)


@pytest.mark.parametrize("cut", [1, 100, 4096, 10_000, 262_144])
def test_what_was_cut_off_does_not_come_back(place: Path, cut: int) -> None:
    data = pattern(300_000)
    (place / "file").write_bytes(data)
    os.truncate(place / "file", cut)
    os.truncate(place / "file", 300_000)
    assert (place / "file").read_bytes() == data[:cut] + b"\0" * (300_000 - cut)


@pytest.mark.parametrize("cut", [3, 5000])
def test_a_write_beyond_the_end_leaves_zeros_between(place: Path, cut: int) -> None:
    data = pattern(10_000)
    (place / "file").write_bytes(data)
    os.truncate(place / "file", cut)
    with opened(place / "file", os.O_WRONLY) as descriptor:
        os.pwrite(descriptor, b"end", 20_000)
    content = (place / "file").read_bytes()
    assert content == data[:cut] + b"\0" * (20_000 - cut) + b"end"


def test_ftruncate_leaves_the_position(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        os.lseek(descriptor, 5, os.SEEK_SET)
        os.ftruncate(descriptor, 2)
        os.write(descriptor, b"!")
    assert file.read_bytes() == b"co\0\0\0!"


def test_one_descriptor_sees_the_truncation_of_another(file: Path) -> None:
    with opened(file, os.O_RDONLY) as reading, opened(file, os.O_RDWR) as writing:
        assert os.read(reading, 3) == b"con"
        os.ftruncate(writing, 1)
        assert os.read(reading, 9) == b""
        os.pwrite(writing, b"again", 0)
        assert os.read(reading, 9) == b"in"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("directory", errno.EISDIR), ("fifo", errno.EINVAL), ("symlink", errno.ENOENT)],
)
def test_truncate_of_other_kinds(place: Path, kind: str, code: int) -> None:
    path = make(place / "it", kind)
    with fails(code):
        os.truncate(path, 0)


def test_truncate_to_a_negative_size(file: Path) -> None:
    with fails(errno.EINVAL):
        os.truncate(file, -1)
    with opened(file, os.O_RDWR) as descriptor, fails(errno.EINVAL):
        os.ftruncate(descriptor, -1)


def test_ftruncate_takes_a_descriptor_for_writing(file: Path) -> None:
    with opened(file, os.O_RDONLY) as descriptor, fails(errno.EINVAL):
        os.ftruncate(descriptor, 0)


def test_truncate_takes_write_permission(file: Path, as_user: AsUser) -> None:
    os.chmod(file, 0o644)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.truncate(file, 0))
    os.chmod(file, 0o622)
    as_user(ALICE, lambda: os.truncate(file, 0))


@pytest.mark.parametrize("size", [7, 3, 9])
def test_truncate_moves_times_whatever_the_size(file: Path, tick: Tick, size: int) -> None:
    before = os.stat(file)
    tick()
    with opened(file, os.O_WRONLY) as descriptor:
        os.ftruncate(descriptor, size)
    after = os.stat(file)
    assert after.st_mtime_ns > before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns


def test_reading_stops_at_the_end(file: Path) -> None:
    with opened(file, os.O_RDONLY) as descriptor:
        assert os.pread(descriptor, 100, 5) == b"nt"
        assert os.pread(descriptor, 100, 7) == b""
        assert os.pread(descriptor, 100, 1 << 40) == b""


def test_vectors(place: Path) -> None:
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        assert os.writev(descriptor, [b"one", b"", b"two" * 2000, b"three"]) == 6008
        assert os.pwritev(descriptor, [b"ONE", b"T"], 0) == 4
        first, second = bytearray(2), bytearray(4)
        assert os.preadv(descriptor, [first, second], 0) == 6
        assert bytes(first + second) == b"ONETwo"


def test_pread_and_pwrite_leave_the_position(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        os.pwrite(descriptor, b"X", 6)
        os.pread(descriptor, 3, 3)
        assert os.read(descriptor, 7) == b"contenX"


@pytest.mark.parametrize(
    ("offset", "whence", "result"),
    [
        (3, os.SEEK_SET, 3),
        (-2, os.SEEK_END, 5),
        (10, os.SEEK_END, 17),
        (0, os.SEEK_CUR, 0),
        (1 << 40, os.SEEK_SET, 1 << 40),
    ],
)
def test_seeking(file: Path, offset: int, whence: int, result: int) -> None:
    with opened(file, os.O_RDONLY) as descriptor:
        assert os.lseek(descriptor, offset, whence) == result
        assert os.stat(file).st_size == 7


@pytest.mark.parametrize(("offset", "whence"), [(-1, os.SEEK_SET), (-8, os.SEEK_END), (0, 99)])
def test_seeking_to_nowhere(file: Path, offset: int, whence: int) -> None:
    with opened(file, os.O_RDONLY) as descriptor, fails(errno.EINVAL):
        os.lseek(descriptor, offset, whence)


def test_writing_moves_times_and_writing_nothing_does_not(file: Path, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    with opened(file, os.O_WRONLY) as descriptor:
        os.write(descriptor, b"")
        assert os.fstat(descriptor).st_mtime_ns == before.st_mtime_ns
        os.write(descriptor, b"x")
        after = os.fstat(descriptor)
    assert after.st_mtime_ns > before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns


def test_a_write_is_seen_by_every_descriptor_at_once(file: Path) -> None:
    with opened(file, os.O_WRONLY) as writing, opened(file, os.O_RDONLY) as reading:
        for number in range(50):
            os.pwrite(writing, b"%04d" % number, number * 1000)
            assert os.pread(reading, 4, number * 1000) == b"%04d" % number
            assert os.fstat(reading).st_size == max(7, number * 1000 + 4)


def test_several_processes_write_their_parts_of_a_file(place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"")

    def write(part: int) -> None:
        with opened(path, os.O_WRONLY) as descriptor:
            for number in range(part, 300, 3):
                os.pwrite(descriptor, b"%d" % part * 1000, number * 1000)

    children = [Child(partial(write, part)) for part in range(3)]
    for child in children:
        child.result()
    assert path.read_bytes() == b"".join(b"%d" % (it % 3) * 1000 for it in range(300))


def test_random_writes_and_truncations(place: Path) -> None:
    """Against the same steps on bytes in memory."""
    dice = random.Random(7)
    model = bytearray()
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        for step in range(400):
            offset, length = dice.randrange(600_000), dice.randrange(1, 30_000)
            if dice.random() < 0.15:
                os.ftruncate(descriptor, offset)
                model[offset:] = b"\0" * max(0, offset - len(model))
            elif dice.random() < 0.6:
                data = pattern(length, step)
                os.pwrite(descriptor, data, offset)
                model.extend(b"\0" * (offset - len(model)))
                model[offset : offset + length] = data
            else:
                assert os.pread(descriptor, length, offset) == model[offset : offset + length]
            assert os.fstat(descriptor).st_size == len(model)
    assert (place / "file").read_bytes() == model


@pytest.mark.parametrize("limit", [0, 1, 5000])
def test_the_limit_of_a_process_on_file_sizes(place: Path, limit: int) -> None:
    def work() -> list[str]:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
            written = os.write(descriptor, b"x" * 10_000) if limit else 0
            return [
                str(written),
                answer(lambda: os.pwrite(descriptor, b"x", limit)),
                answer(lambda: os.ftruncate(descriptor, limit + 1)),
                answer(lambda: os.ftruncate(descriptor, limit)),
            ]

    assert in_child(work) == [str(limit), "EFBIG", "EFBIG", "ok"]
    assert os.stat(place / "file").st_size == limit
