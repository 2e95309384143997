"""Advisory locks between processes and descriptors: what all families share, and flock(2)."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.posix.expect import answer, fails, wait_until
from conformance.posix.files import opened
from conformance.posix.kinds import make
from conformance.posix.locking import (
    EX,
    NB,
    OPEN_FILE,
    POSIX,
    RD,
    SH,
    UN,
    UNLCK,
    WR,
    elsewhere,
    record,
    somebody_waits,
    two,
)
from conformance.posix.processes import Child, in_child

Locker = Callable[[int, bool], None]


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(b"0123456789")
    return path


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
