"""fcntl(2) locks on ranges of bytes: of a process, and of an open file description."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from conformance.posix.expect import answer, fails, wait_until
from conformance.posix.files import opened
from conformance.posix.locking import (
    EX,
    OPEN_FILE,
    POSIX,
    RD,
    UNLCK,
    WR,
    asked,
    elsewhere,
    record,
    somebody_waits,
    two,
)
from conformance.posix.processes import Child, in_child


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(b"0123456789")
    return path


# --- fcntl: of a process, on ranges of bytes ---


@pytest.mark.parametrize(
    ("start", "length", "result"),
    [
        (0, 10, "ok"),
        (0, 11, "EAGAIN"),
        (10, 1, "EAGAIN"),
        (19, 1, "EAGAIN"),
        (20, 1, "ok"),
        (20, 0, "ok"),
        (0, 0, "EAGAIN"),
        (5, 100, "EAGAIN"),
        (12, 3, "EAGAIN"),
    ],
)
@pytest.mark.parametrize("command", [POSIX, OPEN_FILE], ids=["fcntl", "open file"])
def test_ranges(file: Path, command: int, start: int, length: int, result: str) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        record(descriptor, WR, 10, 10, command=command)
        found = elsewhere(file, lambda it: record(it, WR, start, length, command=command))
        assert found == result


@pytest.mark.parametrize("command", [POSIX, OPEN_FILE], ids=["fcntl", "open file"])
def test_unlocking_the_middle_splits_a_lock(file: Path, command: int) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        record(descriptor, WR, 0, 30, command=command)
        record(descriptor, UNLCK, 10, 10, command=command)
        results = [
            elsewhere(file, lambda it, at=at: record(it, WR, at, 1))  # type: ignore[misc]
            for at in (0, 9, 10, 19, 20, 29, 30)
        ]
    assert results == ["EAGAIN", "EAGAIN", "ok", "ok", "EAGAIN", "EAGAIN", "ok"]


def test_adjacent_locks_are_one(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        record(descriptor, WR, 0, 10)
        record(descriptor, WR, 20, 10)
        record(descriptor, WR, 10, 10)

        def ask() -> tuple[int, int, int, int]:
            with opened(file, os.O_RDWR) as own:
                return asked(own, WR, 5, 1)

        assert in_child(ask) == (WR, 0, 30, os.getpid())


def test_part_of_a_lock_changes_its_type(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        record(descriptor, WR, 0, 30)
        record(descriptor, RD, 10, 10)
        assert elsewhere(file, lambda it: record(it, RD, 10, 10)) == "ok"
        assert elsewhere(file, lambda it: record(it, RD, 9, 2)) == "EAGAIN"
        assert elsewhere(file, lambda it: record(it, WR, 10, 10)) == "EAGAIN"


def test_asking_who_is_in_the_way(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        record(descriptor, RD, 3, 4)

        def ask() -> list[tuple[int, int, int, int]]:
            with opened(file, os.O_RDWR) as own:
                return [asked(own, RD), asked(own, WR), asked(own, WR, 7, 0)]

        shared, exclusive, outside = in_child(ask)
        assert asked(descriptor, WR)[0] == UNLCK
    assert shared[0] == outside[0] == UNLCK
    assert exclusive == (RD, 3, 4, os.getpid())


@pytest.mark.parametrize(
    ("whence", "start", "length", "first", "last"),
    [
        (os.SEEK_SET, 5, 3, 5, 7),
        (os.SEEK_CUR, 2, 2, 6, 7),
        (os.SEEK_END, 0, 5, 10, 14),
        (os.SEEK_END, -2, 2, 8, 9),
        (os.SEEK_SET, 9, -4, 5, 8),
    ],
)
def test_where_a_lock_starts(
    file: Path, whence: int, start: int, length: int, first: int, last: int
) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        os.lseek(descriptor, 4, os.SEEK_SET)
        record(descriptor, WR, start, length, whence=whence)

        def ask() -> list[int]:
            with opened(file, os.O_RDWR) as own:
                return [at for at in range(20) if asked(own, RD, at, 1)[0] != UNLCK]

        assert in_child(ask) == list(range(first, last + 1))


@pytest.mark.parametrize(
    ("start", "length", "code"),
    [(-1, 1, errno.EINVAL), (0, -1, errno.EINVAL), (2**63 - 1, 2, errno.EOVERFLOW)],
)
def test_ranges_that_are_none(file: Path, start: int, length: int, code: int) -> None:
    with opened(file, os.O_RDWR) as descriptor, fails(code):
        record(descriptor, WR, start, length)


def test_ranges_at_the_very_end(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        record(descriptor, WR, 2**63 - 1, 1)
        assert elsewhere(file, lambda it: record(it, WR, 2**40, 0)) == "EAGAIN"
        assert elsewhere(file, lambda it: record(it, WR, 0, 2**40)) == "ok"


@pytest.mark.parametrize("command", [POSIX, OPEN_FILE], ids=["fcntl", "open file"])
def test_a_lock_takes_the_descriptor_it_would_protect(file: Path, command: int) -> None:
    with opened(file, os.O_RDONLY) as reading, opened(file, os.O_WRONLY) as writing:
        with fails(errno.EBADF):
            record(reading, WR, command=command)
        with fails(errno.EBADF):
            record(writing, RD, command=command)


def test_any_close_drops_all_locks_of_the_process(file: Path) -> None:
    with two(file) as (one, _):
        record(one, WR)
        os.close(os.open(file, os.O_RDONLY))
        assert elsewhere(file, lambda it: record(it, WR)) == "ok"


def test_a_child_inherits_none(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        record(descriptor, WR)
        assert in_child(lambda: answer(lambda: record(descriptor, WR))) == "EAGAIN"


def test_two_that_would_wait_for_each_other(file: Path) -> None:
    ready, go = os.pipe()
    with opened(file, os.O_RDWR) as descriptor:
        record(descriptor, WR, 0, 1)

        def cross() -> None:
            with opened(file, os.O_RDWR) as own:
                record(own, WR, 1, 1)
                os.write(go, b"x")
                record(own, WR, 0, 1, command=fcntl.F_SETLKW)

        child = Child(cross)
        try:
            assert os.read(ready, 1) == b"x"
            wait_until(lambda: somebody_waits(file), "the child does not wait")
            with fails(errno.EDEADLK):
                record(descriptor, WR, 1, 1, command=fcntl.F_SETLKW)
        finally:
            record(descriptor, UNLCK)
            os.close(ready)
            os.close(go)
        child.result()


def test_flock_and_fcntl_do_not_see_each_other(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        fcntl.flock(descriptor, EX)
        assert elsewhere(file, lambda it: record(it, WR)) == "ok"


# --- open file description locks ---


def test_open_file_locks_conflict_within_a_process(file: Path) -> None:
    with two(file) as (one, other):
        record(one, WR, 0, 5, command=OPEN_FILE)
        with fails(errno.EAGAIN):
            record(other, WR, 4, 5, command=OPEN_FILE)
        record(other, WR, 5, 5, command=OPEN_FILE)


def test_open_file_locks_outlive_other_closes_and_are_inherited(file: Path) -> None:
    with two(file) as (one, other):
        record(one, WR, command=OPEN_FILE)
        os.close(os.open(file, os.O_RDONLY))
        with fails(errno.EAGAIN):
            record(other, RD, command=OPEN_FILE)
        in_child(lambda: record(one, WR, command=OPEN_FILE))


def test_open_file_and_process_locks_see_each_other(file: Path) -> None:
    with two(file) as (one, other):
        record(one, WR, command=OPEN_FILE)
        with fails(errno.EAGAIN):
            record(other, WR)
        found = asked(other, WR, command=fcntl.F_OFD_GETLK)
    assert found == (WR, 0, 0, -1)


def test_an_open_file_lock_has_no_pid(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor, fails(errno.EINVAL):
        record(descriptor, WR, command=OPEN_FILE, pid=os.getpid())
