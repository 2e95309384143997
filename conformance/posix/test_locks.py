"""Advisory locks between processes and descriptors: flock(2), fcntl(2), open file descriptions."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.posix.expect import answer, fails, wait_until
from conformance.posix.files import opened
from conformance.posix.kinds import make
from conformance.posix.processes import Child, in_child

# struct flock on 64-bit Linux: type, whence, start, length, pid.
FLOCK = struct.Struct("hhqqi4x")
EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
RD, WR, UNLCK = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
POSIX, OPEN_FILE = fcntl.F_SETLK, fcntl.F_OFD_SETLK

Locker = Callable[[int, bool], None]


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(b"0123456789")
    return path


@contextmanager
def two(path: Path) -> Iterator[tuple[int, int]]:
    with opened(path, os.O_RDWR) as one, opened(path, os.O_RDWR) as other:
        yield one, other


def record(
    descriptor: int,
    type_: int,
    start: int = 0,
    length: int = 0,
    *,
    command: int = POSIX,
    whence: int = os.SEEK_SET,
    pid: int = 0,
) -> None:
    """Lock, or unlock, bytes of a file without waiting."""
    fcntl.fcntl(descriptor, command, FLOCK.pack(type_, whence, start, length, pid))


def asked(
    descriptor: int, type_: int, start: int = 0, length: int = 0, *, command: int = fcntl.F_GETLK
) -> tuple[int, int, int, int]:
    """What stands in the way of such a lock: type (F_UNLCK: nothing), start, length, pid."""
    reply = fcntl.fcntl(descriptor, command, FLOCK.pack(type_, os.SEEK_SET, start, length, 0))
    found, _, at, size, pid = FLOCK.unpack(reply)
    return found, at, size, pid


def elsewhere(path: Path, call: Callable[[int], object]) -> str:
    """What `call` answers in another process, on a descriptor of its own."""

    def work() -> str:
        with opened(path, os.O_RDWR) as descriptor:
            return answer(lambda: call(descriptor))

    return in_child(work)


# --- the same for all three families ---

FAMILIES: dict[str, Locker] = {
    "flock": lambda it, exclusive: fcntl.flock(it, (EX if exclusive else SH) | NB),
    "fcntl": lambda it, exclusive: record(it, WR if exclusive else RD),
    "open file": lambda it, exclusive: record(it, WR if exclusive else RD, command=OPEN_FILE),
}
every_family = pytest.mark.parametrize("lock", FAMILIES.values(), ids=FAMILIES.keys())


@every_family
@pytest.mark.parametrize(
    ("held", "wanted", "result"),
    [
        (True, True, "EAGAIN"),
        (True, False, "EAGAIN"),
        (False, True, "EAGAIN"),
        (False, False, "ok"),
    ],
)
def test_between_processes(file: Path, lock: Locker, held: bool, wanted: bool, result: str) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        lock(descriptor, held)
        assert elsewhere(file, lambda it: lock(it, wanted)) == result
    assert elsewhere(file, lambda it: lock(it, wanted)) == "ok"


@every_family
def test_through_another_name(place: Path, file: Path, lock: Locker) -> None:
    os.link(file, place / "link")
    with opened(file, os.O_RDWR) as descriptor:
        lock(descriptor, True)
        assert elsewhere(place / "link", lambda it: lock(it, False)) == "EAGAIN"
        file.rename(place / "moved")
        assert elsewhere(place / "moved", lambda it: lock(it, False)) == "EAGAIN"


@every_family
def test_a_lock_goes_up_and_down(file: Path, lock: Locker) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        lock(descriptor, False)
        lock(descriptor, True)
        assert elsewhere(file, lambda it: lock(it, False)) == "EAGAIN"
        lock(descriptor, False)
        assert elsewhere(file, lambda it: lock(it, False)) == "ok"


@every_family
def test_a_lock_does_not_go_up_while_others_share_it(file: Path, lock: Locker) -> None:
    with two(file) as (one, _):
        lock(one, False)

        def share_and_raise() -> str:
            with opened(file, os.O_RDWR) as descriptor:
                lock(descriptor, False)
                return answer(lambda: lock(descriptor, True))

        assert in_child(share_and_raise) == "EAGAIN"


@every_family
def test_a_lock_goes_with_its_process(file: Path, lock: Locker) -> None:
    reading, writing = os.pipe()

    def hold() -> None:
        descriptor = os.open(file, os.O_RDWR)
        lock(descriptor, True)
        os.write(writing, b"x")
        os.read(os.pipe()[0], 1)

    child = Child(hold)
    assert os.read(reading, 1) == b"x"
    try:
        assert elsewhere(file, lambda it: lock(it, True)) == "EAGAIN"
    finally:
        child.kill()
        os.close(reading)
        os.close(writing)
    assert elsewhere(file, lambda it: lock(it, True)) == "ok"


@every_family
def test_locks_bind_only_those_who_ask(file: Path, lock: Locker) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        lock(descriptor, True)
        assert elsewhere(file, lambda it: os.pwrite(it, b"x", 0)) == "ok"
        assert elsewhere(file, lambda it: os.ftruncate(it, 1)) == "ok"


@every_family
def test_on_a_file_without_a_name(file: Path, lock: Locker) -> None:
    with two(file) as (one, other):
        file.unlink()
        lock(one, True)
        assert in_child(lambda: answer(lambda: lock(other, True))) == "EAGAIN"


WAITING: dict[str, Locker] = {
    "flock": lambda it, exclusive: fcntl.flock(it, EX if exclusive else SH),
    "fcntl": lambda it, exclusive: record(it, WR if exclusive else RD, command=fcntl.F_SETLKW),
    "open file": lambda it, exclusive: record(
        it, WR if exclusive else RD, command=fcntl.F_OFD_SETLKW
    ),
}


def somebody_waits(path: Path) -> bool:
    """Whether any process waits for a lock on the file."""
    inode = f":{os.stat(path).st_ino} "
    with open("/proc/locks") as locks:
        return any("->" in line and inode in line for line in locks)


@pytest.mark.parametrize("family", FAMILIES)
def test_waiting_for_a_lock(file: Path, family: str) -> None:
    def wait() -> bytes:
        with opened(file, os.O_RDWR) as own:
            WAITING[family](own, True)
            return os.pread(own, 5, 0)

    with opened(file, os.O_RDWR) as descriptor:
        FAMILIES[family](descriptor, True)
        child = Child(wait)
        try:
            wait_until(lambda: somebody_waits(file), "the child does not wait")
            os.pwrite(descriptor, b"ready", 0)
        finally:
            unlock(descriptor, family)
        assert child.result() == b"ready"


def unlock(descriptor: int, family: str) -> None:
    if family == "flock":
        fcntl.flock(descriptor, UN)
    else:
        record(descriptor, UNLCK, command=POSIX if family == "fcntl" else OPEN_FILE)


# --- flock: of an open file description ---


def test_flock_between_two_descriptors_of_one_process(file: Path) -> None:
    with two(file) as (one, other):
        fcntl.flock(one, EX)
        with fails(errno.EAGAIN):
            fcntl.flock(other, EX | NB)


def test_flock_is_shared_by_duplicates_and_children(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        duplicate = os.dup(descriptor)
        fcntl.flock(descriptor, EX)
        fcntl.flock(duplicate, EX | NB)
        os.close(duplicate)
        in_child(lambda: fcntl.flock(descriptor, EX | NB))
        assert elsewhere(file, lambda it: fcntl.flock(it, SH | NB)) == "EAGAIN"
        in_child(lambda: fcntl.flock(descriptor, UN))
        assert elsewhere(file, lambda it: fcntl.flock(it, SH | NB)) == "ok"


def test_flock_needs_no_permission_to_write(place: Path, file: Path) -> None:
    for path in (file, place):
        with opened(path, os.O_RDONLY) as descriptor:
            fcntl.flock(descriptor, EX | NB)


def test_flock_stays_until_the_last_close(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    duplicate = os.dup(descriptor)
    fcntl.flock(descriptor, EX)
    os.close(descriptor)
    assert elsewhere(file, lambda it: fcntl.flock(it, SH | NB)) == "EAGAIN"
    os.close(duplicate)
    assert elsewhere(file, lambda it: fcntl.flock(it, SH | NB)) == "ok"


def test_flock_of_a_fifo(place: Path) -> None:
    with two(make(place / "fifo", "fifo")) as (one, other):
        fcntl.flock(one, EX)
        with fails(errno.EAGAIN):
            fcntl.flock(other, EX | NB)


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
