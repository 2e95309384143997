"""link(2): several names for one thing."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser, Tick
from conformance.posix.expect import answer, fails
from conformance.posix.files import opened
from conformance.posix.kinds import KINDS, make
from conformance.posix.libc import AT_SYMLINK_FOLLOW, linkat
from conformance.posix.processes import ALICE, BOB, Child

LINKABLE = [it for it in KINDS if "directory" not in str(it.values[0])]
linkable = pytest.mark.parametrize("kind", LINKABLE)
OTHER_FILE_SYSTEM = "/proc/version"


@linkable
def test_two_names_are_one_thing(place: Path, kind: str) -> None:
    one = make(place / "one", kind)
    os.link(one, place / "two", follow_symlinks=False)
    first, second = os.lstat(one), os.lstat(place / "two")
    assert first == second
    assert first.st_nlink == 2


@linkable
def test_each_name_can_go_first(place: Path, kind: str) -> None:
    one = make(place / "one", kind)
    for name in ("two", "three"):
        os.link(one, place / name, follow_symlinks=False)
    inode = os.lstat(one).st_ino
    one.unlink()
    assert os.lstat(place / "two").st_nlink == 2
    (place / "three").unlink()
    status = os.lstat(place / "two")
    assert (status.st_nlink, status.st_ino) == (1, inode)


def test_content_and_attributes_are_shared(place: Path) -> None:
    one = make(place / "one", "file")
    os.link(one, place / "two")
    (place / "two").write_bytes(b"new")
    os.chmod(place / "two", 0o604)
    os.utime(place / "two", ns=(1, 2))
    status = os.stat(one)
    assert (status.st_mode & 0o777, status.st_atime_ns, status.st_mtime_ns) == (0o604, 1, 2)
    assert one.read_bytes() == b"new"


def test_across_directories(place: Path) -> None:
    one = make(place / "one", "file")
    (place / "folder").mkdir()
    os.link(one, place / "folder" / "two")
    (place / "folder").rename(place / "moved")
    assert os.path.samefile(one, place / "moved" / "two")


def test_ctime_moves_with_the_number_of_links(place: Path, tick: Tick) -> None:
    one = make(place / "one", "file")
    before = os.stat(one)
    tick()
    os.link(one, place / "two")
    linked = os.stat(one)
    tick()
    os.unlink(place / "two")
    after = os.stat(one)
    assert before.st_ctime_ns < linked.st_ctime_ns < after.st_ctime_ns
    assert before.st_mtime_ns == linked.st_mtime_ns == after.st_mtime_ns


def test_many_links(place: Path) -> None:
    one = make(place / "one", "file")
    for number in range(1000):
        os.link(one, place / f"link{number}")
    assert os.stat(one).st_nlink == 1001
    for number in range(0, 1000, 2):
        os.unlink(place / f"link{number}")
    assert os.stat(one).st_nlink == 501


@pytest.mark.parametrize("kind", ["directory", "full directory"])
def test_a_directory_has_one_place(place: Path, kind: str) -> None:
    folder = make(place / "folder", kind)
    with fails(errno.EPERM):
        os.link(folder, place / "two")


def test_a_directory_for_an_existing_name(place: Path) -> None:
    folder = make(place / "folder", "directory")
    make(place / "two", "file")
    with fails(errno.EEXIST):
        os.link(folder, place / "two")


def test_a_name_already_its_own(place: Path) -> None:
    one = make(place / "one", "file")
    with fails(errno.EEXIST):
        os.link(one, one)
    assert os.stat(one).st_nlink == 1


def test_across_file_systems(place: Path) -> None:
    with fails(errno.EXDEV):
        os.link(OTHER_FILE_SYSTEM, place / "two")


@pytest.mark.parametrize(("flags", "type_"), [(0, "symlink"), (AT_SYMLINK_FOLLOW, "file")])
def test_a_symlink_is_linked_or_followed(place: Path, flags: int, type_: str) -> None:
    one = make(place / "one", "file")
    (place / "link").symlink_to("one")
    linkat(place / "link", place / "two", flags)
    linked = place / "link" if type_ == "symlink" else one
    assert os.lstat(place / "two").st_ino == os.lstat(linked).st_ino


def test_following_a_symlink_to_nothing(place: Path) -> None:
    (place / "link").symlink_to("nowhere")
    with fails(errno.ENOENT):
        linkat(place / "link", place / "two", AT_SYMLINK_FOLLOW)


def protected() -> bool:
    """Whether the kernel wants more of a linker than POSIX does."""
    return Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "0"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_a_file_of_somebody_else(place: Path, as_user: AsUser, mode: int) -> None:
    place.chmod(0o777)
    one = make(place / "one", "file")
    os.chown(one, BOB.uid, BOB.gid)
    os.chmod(one, mode)
    result = as_user(ALICE, lambda: answer(lambda: os.link(one, place / "two")))
    assert result == ("EPERM" if protected() and mode != 0o666 else "ok")


def test_both_parents_count(place: Path, as_user: AsUser) -> None:
    one = make(place / "one", "file")
    (place / "folder").mkdir()
    os.chown(one, ALICE.uid, ALICE.gid)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.link(one, place / "folder" / "two"))
    os.chown(place / "folder", ALICE.uid, -1)
    as_user(ALICE, lambda: os.link(one, place / "folder" / "two"))
    assert os.stat(one).st_nlink == 2


def test_one_process_wins_a_name(place: Path) -> None:
    def race(own: Path) -> int:
        own.write_bytes(b"")
        return sum(answer(partial(os.link, own, place / str(it))) == "ok" for it in range(100))

    children = [Child(partial(race, place / f"own{number}")) for number in range(3)]
    assert sum(child.result() for child in children) == 100
    assert sum(os.stat(place / f"own{number}").st_nlink for number in range(3)) == 103


def test_a_descriptors_view_of_its_links(place: Path) -> None:
    one = make(place / "one", "file")
    with opened(one, os.O_RDONLY) as descriptor:
        os.link(one, place / "two")
        assert os.fstat(descriptor).st_nlink == 2
        os.unlink(one)
        assert os.fstat(descriptor).st_nlink == 1
