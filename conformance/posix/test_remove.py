"""mkdir(2), rmdir(2) and unlink(2)."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser
from conformance.posix.expect import answer, exists, fails
from conformance.posix.kinds import every_kind, make
from conformance.posix.libc import FS_APPEND_ONLY, FS_IMMUTABLE, set_inode_flags
from conformance.posix.processes import ALICE, Child

RMDIR = {"directory": "ok", "full directory": "ENOTEMPTY"}


@every_kind
def test_unlink_takes_all_but_directories(place: Path, kind: str) -> None:
    path = make(place / "it", kind)
    wanted = "EISDIR" if "directory" in kind else "ok"
    assert answer(lambda: os.unlink(path)) == wanted
    assert exists(path) == (wanted != "ok")


@every_kind
def test_rmdir_takes_empty_directories_alone(place: Path, kind: str) -> None:
    path = make(place / "it", kind)
    wanted = RMDIR.get(kind, "ENOTDIR")
    assert answer(lambda: os.rmdir(path)) == wanted
    assert exists(path) == (wanted != "ok")


@every_kind
def test_what_keeps_a_directory_from_being_empty(place: Path, kind: str) -> None:
    folder = make(place / "folder", "directory")
    make(folder / "it", kind)
    with fails(errno.ENOTEMPTY):
        os.rmdir(folder)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("folder/.", errno.EINVAL),
        ("folder/..", errno.ENOTEMPTY),
        (".", errno.EINVAL),
        ("..", errno.ENOTEMPTY),
        ("link/", errno.ENOTDIR),
        ("/", errno.EBUSY),
    ],
)
def test_rmdir_of_odd_paths(place: Path, path: str, code: int) -> None:
    make(place / "folder", "directory")
    (place / "link").symlink_to("folder")
    os.chdir(place)
    with fails(code):
        os.rmdir(path)
    assert sorted(os.listdir(".")) == ["folder", "link"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("folder/.", errno.EISDIR),
        ("folder/..", errno.EISDIR),
        (".", errno.EISDIR),
        ("file/.", errno.ENOTDIR),
        ("folder/", errno.EISDIR),
    ],
)
def test_unlink_of_odd_paths(place: Path, path: str, code: int) -> None:
    make(place / "folder", "directory")
    make(place / "file", "file")
    os.chdir(place)
    with fails(code):
        os.unlink(path)


@pytest.mark.parametrize("path", ["folder/.", "folder/..", ".", "..", "folder/", "/"])
def test_mkdir_of_what_is_there(place: Path, path: str) -> None:
    make(place / "folder", "directory")
    os.chdir(place)
    with fails(errno.EEXIST):
        os.mkdir(path)


def test_link_counts_of_directories(place: Path) -> None:
    assert os.stat(place).st_nlink == 2
    for number in range(3):
        (place / f"folder{number}").mkdir()
    make(place / "file", "file")
    assert os.stat(place).st_nlink == 5
    (place / "folder0").rename(place / "folder1" / "moved")
    assert os.stat(place).st_nlink == 4
    assert os.stat(place / "folder1").st_nlink == 3
    os.rmdir(place / "folder1" / "moved")
    os.rmdir(place / "folder1")
    os.rmdir(place / "folder2")
    assert os.stat(place).st_nlink == 2


def test_a_new_directory_holds_itself_and_its_parent(place: Path) -> None:
    folder = make(place / "folder", "directory")
    assert os.listdir(folder) == []
    assert os.stat(folder / ".").st_ino == os.stat(folder).st_ino
    assert os.stat(folder / "..").st_ino == os.stat(place).st_ino


def test_dot_dot_follows_a_move(place: Path) -> None:
    inner = make(place / "inner", "directory")
    outer = make(place / "outer", "directory")
    descriptor = os.open(inner, os.O_RDONLY)
    try:
        inner.rename(outer / "inner")
        assert os.stat("..", dir_fd=descriptor).st_ino == os.stat(outer).st_ino
    finally:
        os.close(descriptor)


def test_one_process_wins_a_directory(place: Path) -> None:
    def race(call: str) -> int:
        function = getattr(os, call)
        return sum(answer(partial(function, place / str(it))) == "ok" for it in range(100))

    for call in ("mkdir", "rmdir"):
        children = [Child(partial(race, call)) for _ in range(3)]
        assert sum(child.result() for child in children) == 100


def test_one_process_wins_a_removal(place: Path) -> None:
    for number in range(100):
        make(place / str(number), "file")

    def race() -> int:
        return sum(answer(partial(os.unlink, place / str(it))) == "ok" for it in range(100))

    children = [Child(race) for _ in range(3)]
    assert sum(child.result() for child in children) == 100
    assert os.listdir(place) == []


def test_removing_takes_no_permission_on_the_thing(place: Path, as_user: AsUser) -> None:
    place.chmod(0o777)
    file = make(place / "file", "file")
    folder = make(place / "folder", "directory")
    file.chmod(0)
    folder.chmod(0)

    def remove() -> None:
        os.unlink(file)
        os.rmdir(folder)

    as_user(ALICE, remove)
    assert os.listdir(place) == []


def test_a_full_directory_of_somebody_else(place: Path, as_user: AsUser) -> None:
    place.chmod(0o777)
    folder = make(place / "folder", "full directory")
    with fails(errno.ENOTEMPTY):
        as_user(ALICE, lambda: os.rmdir(folder))
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.unlink(folder / "inside"))


def test_a_removed_name_can_be_anything_else(place: Path) -> None:
    path = place / "it"
    inodes = []
    for kind in ("file", "directory", "symlink", "fifo", "file"):
        make(path, kind)
        inodes.append(os.lstat(path).st_mode)
        (os.rmdir if kind == "directory" else os.unlink)(path)
    assert len(set(inodes)) == 4


@pytest.mark.needs("inode_flags")
@pytest.mark.parametrize("flag", [FS_IMMUTABLE, FS_APPEND_ONLY], ids=["immutable", "append only"])
def test_flagged_things_stay(place: Path, flag: int) -> None:
    path = make(place / "it", "file")
    set_inode_flags(path, flag)
    try:
        with fails(errno.EPERM):
            os.unlink(path)
        with fails(errno.EPERM):
            os.rename(path, place / "other")
        with fails(errno.EPERM):
            os.link(path, place / "other")
        with fails(errno.EPERM):
            os.truncate(path, 0)
        with fails(errno.EPERM):
            os.chmod(path, 0o600)
    finally:
        set_inode_flags(path, 0)
