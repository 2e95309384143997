"""symlink(2) and readlink(2)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser
from conformance.posix.expect import fails
from conformance.posix.libc import AT_SYMLINK_NOFOLLOW, utimensat
from conformance.posix.processes import ALICE, BOB

TARGET_BYTES_MAX = 4095


@pytest.mark.parametrize("length", [1, 7, 59, 60, 61, 255, 256, 1023, 1024, 4094, TARGET_BYTES_MAX])
def test_targets_of_every_length(place: Path, length: int) -> None:
    target = bytes(33 + index % 90 for index in range(length))
    link = os.fsencode(place / "link")
    os.symlink(target, link)
    assert os.readlink(link) == target
    status = os.lstat(link)
    assert (status.st_size, stat.S_ISLNK(status.st_mode)) == (length, True)


def test_a_target_of_4096_bytes(place: Path) -> None:
    with fails(errno.ENAMETOOLONG):
        os.symlink("t" * (TARGET_BYTES_MAX + 1), place / "link")
    assert os.listdir(place) == []


def test_an_empty_target(place: Path) -> None:
    with fails(errno.ENOENT):
        os.symlink("", place / "link")


@pytest.mark.parametrize(
    "target",
    [b"\xff\xfe\x80", b"a\nb", b"a//b/./../c/", b" ", b"-rf", "grüße".encode(), b"\x01\x7f"],
)
def test_a_target_is_kept_byte_for_byte(place: Path, target: bytes) -> None:
    link = os.fsencode(place / "link")
    os.symlink(target, link)
    assert os.readlink(link) == target


def test_relative_to_the_links_own_directory(place: Path) -> None:
    (place / "folder").mkdir()
    (place / "file").write_bytes(b"here")
    (place / "folder" / "link").symlink_to("../file")
    assert (place / "folder" / "link").read_bytes() == b"here"
    (place / "folder").rename(place / "moved")
    assert (place / "moved" / "link").read_bytes() == b"here"


def test_absolute(place: Path) -> None:
    (place / "file").write_bytes(b"here")
    (place / "link").symlink_to(place / "file")
    assert (place / "link").read_bytes() == b"here"


def test_out_of_the_file_system(place: Path) -> None:
    (place / "link").symlink_to("/proc/self")
    assert os.readlink(place / "link" / "cwd") == os.getcwd()


def test_in_the_middle_of_a_path(place: Path) -> None:
    (place / "folder").mkdir()
    (place / "link").symlink_to("folder")
    (place / "link" / "file").write_bytes(b"here")
    assert (place / "folder" / "file").read_bytes() == b"here"
    assert os.stat(place / "link").st_ino == os.stat(place / "folder").st_ino


def test_a_target_may_come_and_go(place: Path) -> None:
    (place / "link").symlink_to("file")
    assert not (place / "link").exists()
    (place / "file").write_bytes(b"here")
    assert (place / "link").read_bytes() == b"here"
    (place / "file").unlink()
    with fails(errno.ENOENT):
        os.stat(place / "link")


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_readlink_of_something_else(place: Path, kind: str) -> None:
    if kind == "file":
        (place / "it").write_bytes(b"")
    else:
        (place / "it").mkdir()
    with fails(errno.EINVAL):
        os.readlink(place / "it")


def test_a_slash_after_a_symlink_follows_it(place: Path) -> None:
    (place / "folder").mkdir()
    (place / "link").symlink_to("folder")
    assert stat.S_ISDIR(os.lstat(f"{place}/link/").st_mode)
    with fails(errno.EINVAL):
        os.readlink(f"{place}/link/")


def test_removing_it_leaves_its_target(place: Path) -> None:
    (place / "folder").mkdir()
    (place / "link").symlink_to("folder")
    with fails(errno.ENOTDIR):
        os.rmdir(place / "link")
    with fails(errno.ENOTDIR):
        os.unlink(f"{place}/link/")
    os.unlink(place / "link")
    assert os.listdir(place) == ["folder"]


def test_reading_it_takes_no_permission_but_the_directorys(place: Path, as_user: AsUser) -> None:
    (place / "folder").mkdir()
    (place / "folder" / "link").symlink_to("target")
    os.chown(place / "folder", BOB.uid, BOB.gid)
    (place / "folder").chmod(0o711)
    assert as_user(ALICE, lambda: os.readlink(place / "folder" / "link")) == "target"
    (place / "folder").chmod(0o700)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.readlink(place / "folder" / "link"))


def test_it_has_times_of_its_own(place: Path) -> None:
    (place / "file").write_bytes(b"")
    before = os.stat(place / "file")
    (place / "link").symlink_to("file")
    utimensat(place / "link", (11, 12), (13, 14), AT_SYMLINK_NOFOLLOW)
    status = os.lstat(place / "link")
    assert (status.st_atime_ns, status.st_mtime_ns) == (11_000_000_012, 13_000_000_014)
    assert os.stat(place / "file").st_mtime_ns == before.st_mtime_ns
