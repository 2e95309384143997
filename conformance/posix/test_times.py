"""utimensat(2): setting times, to the nanosecond."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from conformance.posix import libc
from conformance.posix.conftest import AsUser, Tick
from conformance.posix.expect import answer, fails
from conformance.posix.files import opened
from conformance.posix.kinds import every_kind, make
from conformance.posix.libc import AT_SYMLINK_NOFOLLOW, UTIME_NOW, UTIME_OMIT, utimensat
from conformance.posix.processes import ALICE, BOB

SECOND = 10**9


@pytest.fixture
def file(place: Path) -> Path:
    path = make(place / "file", "file")
    os.utime(path, ns=(1 * SECOND + 1, 2 * SECOND + 2))
    return path


@every_kind
def test_every_kind_keeps_nanoseconds(place: Path, kind: str) -> None:
    path = make(place / "it", kind)
    utimensat(path, (1_000_000_001, 123_456_789), (1_700_000_000, 999_999_999), AT_SYMLINK_NOFOLLOW)
    status = os.lstat(path)
    assert status.st_atime_ns == 1_000_000_001_123_456_789
    assert status.st_mtime_ns == 1_700_000_000_999_999_999


@pytest.mark.parametrize(
    "seconds", [-(2**31) + 1, -1, 0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**33]
)
@pytest.mark.parametrize("nanoseconds", [0, 1, 999_999_999])
def test_the_range_of_times(file: Path, seconds: int, nanoseconds: int) -> None:
    utimensat(file, (seconds, nanoseconds), (seconds, nanoseconds))
    with opened(file, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
    status = os.stat(file)
    assert status.st_atime_ns == status.st_mtime_ns == seconds * SECOND + nanoseconds


@pytest.mark.parametrize(
    "seconds", [2**33 + 2**30, 2**34, 15_000_000_000, 2**40, -(2**34), -(2**40)]
)
def test_times_beyond_the_range_are_cut_to_it(file: Path, seconds: int) -> None:
    utimensat(file, (seconds, 5), (seconds, 5))
    with opened(file, os.O_RDWR) as descriptor:
        os.fsync(descriptor)
    status = os.stat(file)
    assert status.st_atime_ns == status.st_mtime_ns
    if seconds > 0:
        assert 2**32 * SECOND < status.st_mtime_ns <= seconds * SECOND + 5
    else:
        assert seconds * SECOND + 5 <= status.st_mtime_ns < 0
    file.write_bytes(b"and life goes on")
    with opened(file, os.O_RDWR) as descriptor:
        os.fsync(descriptor)


def test_omit_leaves_a_time_alone(file: Path) -> None:
    utimensat(file, (0, UTIME_OMIT), (7, 8))
    status = os.stat(file)
    assert (status.st_atime_ns, status.st_mtime_ns) == (1 * SECOND + 1, 7 * SECOND + 8)
    utimensat(file, (5, 6), (0, UTIME_OMIT))
    status = os.stat(file)
    assert (status.st_atime_ns, status.st_mtime_ns) == (5 * SECOND + 6, 7 * SECOND + 8)


def test_omitting_both_changes_nothing_at_all(file: Path, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    utimensat(file, (0, UTIME_OMIT), (0, UTIME_OMIT))
    assert os.stat(file) == before


@pytest.mark.parametrize("which", ["atime", "mtime", "both"])
def test_now(file: Path, tick: Tick, which: str) -> None:
    before = os.stat(file)
    tick()
    now, keep = (0, UTIME_NOW), (0, UTIME_OMIT)
    utimensat(file, keep if which == "mtime" else now, keep if which == "atime" else now)
    after = os.stat(file)
    assert (after.st_atime_ns > before.st_ctime_ns) == (which != "mtime")
    assert (after.st_mtime_ns > before.st_ctime_ns) == (which != "atime")
    assert after.st_ctime_ns > before.st_ctime_ns


def test_now_is_the_present(file: Path) -> None:
    os.utime(file)
    assert abs(os.stat(file).st_mtime - time.time()) < 3600


@pytest.mark.parametrize("nanoseconds", [SECOND, -1, 2**40])
def test_nanoseconds_out_of_range(file: Path, nanoseconds: int) -> None:
    for times in (((0, nanoseconds), (0, 0)), ((0, 0), (0, nanoseconds))):
        with fails(errno.EINVAL):
            utimensat(file, *times)


def test_it_moves_ctime(file: Path, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat(file)
    assert after.st_ctime_ns > before.st_ctime_ns
    assert (after.st_atime_ns, after.st_mtime_ns) == (before.st_atime_ns, before.st_mtime_ns)


def test_through_a_descriptor_even_without_write(file: Path) -> None:
    with opened(file, os.O_RDONLY) as descriptor:
        os.utime(descriptor, ns=(3, 4))
        assert os.fstat(descriptor).st_mtime_ns == 4


NOW, OMIT, SET = (0, UTIME_NOW), (0, UTIME_OMIT), (1, 2)
WHO = [
    # POSIX: with write permission, "now" for both; anything else is the owner's.
    ("owner", 0o000, NOW, NOW, "ok"),
    ("owner", 0o000, SET, SET, "ok"),
    ("owner", 0o000, NOW, OMIT, "ok"),
    ("writer", 0o666, NOW, NOW, "ok"),
    ("writer", 0o666, SET, SET, "EPERM"),
    ("writer", 0o666, NOW, OMIT, "EPERM"),
    ("writer", 0o666, OMIT, NOW, "EPERM"),
    ("writer", 0o666, NOW, SET, "EPERM"),
    ("writer", 0o666, OMIT, OMIT, "ok"),
    ("reader", 0o444, NOW, NOW, "EACCES"),
    ("reader", 0o444, SET, SET, "EPERM"),
    ("reader", 0o444, NOW, OMIT, "EPERM"),
    ("reader", 0o000, OMIT, OMIT, "ok"),
]


@pytest.mark.parametrize("kind", ["file", "directory"])
@pytest.mark.parametrize(("who", "mode", "atime", "mtime", "result"), WHO)
def test_who_may(
    place: Path,
    as_user: AsUser,
    kind: str,
    who: str,
    mode: int,
    atime: tuple[int, int],
    mtime: tuple[int, int],
    result: str,
) -> None:
    path = make(place / "it", kind)
    os.chown(path, ALICE.uid, ALICE.gid)
    os.chmod(path, mode)
    user = ALICE if who == "owner" else BOB
    assert as_user(user, lambda: answer(lambda: utimensat(path, atime, mtime))) == result


def test_a_symlink_is_followed_or_not(place: Path, file: Path) -> None:
    link = place / "link"
    link.symlink_to("file")
    before = os.lstat(link).st_mtime_ns
    utimensat(link, (0, 8), (0, 8))
    assert (os.stat(file).st_mtime_ns, os.lstat(link).st_mtime_ns) == (8, before)
    utimensat(link, (0, 9), (0, 9), AT_SYMLINK_NOFOLLOW)
    assert (os.stat(file).st_mtime_ns, os.lstat(link).st_mtime_ns) == (8, 9)


def test_set_times_survive_the_descriptor_that_wrote(file: Path) -> None:
    with opened(file, os.O_RDWR) as descriptor:
        os.write(descriptor, b"x" * 10_000)
        os.utime(file, ns=(3, 4))
        assert os.fstat(descriptor).st_mtime_ns == 4
    assert os.stat(file).st_mtime_ns == 4
    with opened(file, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
    assert os.stat(file).st_mtime_ns == 4


@pytest.mark.needs("birth_time")
def test_the_time_of_birth_stays(file: Path, tick: Tick) -> None:
    born = libc.birth_time_ns(file)
    assert born is not None
    assert born <= os.stat(file).st_ctime_ns
    tick()
    file.write_bytes(b"new")
    os.utime(file, ns=(3, 4))
    file.rename(file.with_name("moved"))
    assert libc.birth_time_ns(file.with_name("moved")) == born
