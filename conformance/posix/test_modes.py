"""With which mode, owner and group things are made."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser
from conformance.posix.expect import permissions
from conformance.posix.kinds import NULL, UNPRIVILEGED, every_kind, make
from conformance.posix.processes import ALICE, BOB, STAFF

Maker = Callable[[Path, int], None]


def _open(path: Path, mode: int) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode))


MODED: dict[str, Maker] = {
    "open": _open,
    "mkdir": os.mkdir,
    "mkfifo": os.mkfifo,
    "mknod file": lambda path, mode: os.mknod(path, stat.S_IFREG | mode),
    "mknod fifo": lambda path, mode: os.mknod(path, stat.S_IFIFO | mode),
    "mknod socket": lambda path, mode: os.mknod(path, stat.S_IFSOCK | mode),
}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077, 0o777, 0o111])
@pytest.mark.parametrize("mode", [0o777, 0o640, 0o000, 0o421])
@pytest.mark.parametrize("maker", MODED.values(), ids=MODED.keys())
def test_the_mode_loses_what_is_in_the_umask(
    place: Path, maker: Maker, mode: int, umask: int
) -> None:
    os.umask(umask)
    maker(place / "new", mode)
    assert permissions(place / "new") == mode & ~umask


# mkdir(2) takes no more than permissions and the sticky bit.
SPECIAL = [
    ("open", 0o7777, 0o7755),
    ("mkfifo", 0o7777, 0o7755),
    ("mknod file", 0o7777, 0o7755),
    ("mkdir", 0o7777, 0o1755),
    ("mkdir", 0o1700, 0o1700),
]


@pytest.mark.parametrize(("name", "mode", "result"), SPECIAL)
def test_set_id_and_sticky_bits_at_birth(place: Path, name: str, mode: int, result: int) -> None:
    MODED[name](place / "new", mode)
    assert permissions(place / "new") == result


def test_the_umask_does_not_touch_a_symlink(place: Path) -> None:
    os.umask(0o777)
    (place / "link").symlink_to("target")
    assert permissions(place / "link") == 0o777
    assert os.readlink(place / "link") == "target"


def test_opening_what_is_there_leaves_its_mode(place: Path) -> None:
    _open(place / "file", 0o600)
    _open(place / "file", 0o777)
    assert permissions(place / "file") == 0o600


@pytest.mark.parametrize("kind", UNPRIVILEGED)
def test_a_new_thing_belongs_to_its_maker(place: Path, as_user: AsUser, kind: str) -> None:
    place.chmod(0o777)
    as_user(ALICE, lambda: make(place / "new", kind))
    status = os.lstat(place / "new")
    assert (status.st_uid, status.st_gid) == (ALICE.uid, ALICE.gid)


@pytest.mark.parametrize("kind", UNPRIVILEGED)
def test_in_a_set_gid_directory_it_belongs_to_the_directorys_group(
    place: Path, as_user: AsUser, kind: str
) -> None:
    os.chown(place, -1, STAFF)
    place.chmod(0o2777)
    as_user(ALICE, lambda: make(place / "new", kind))
    status = os.lstat(place / "new")
    assert (status.st_uid, status.st_gid) == (ALICE.uid, STAFF)


@every_kind
def test_only_directories_inherit_the_set_gid_bit(place: Path, kind: str) -> None:
    place.chmod(0o2755)
    make(place / "new", kind)
    inherits = "directory" in kind
    assert bool(permissions(place / "new") & stat.S_ISGID) == inherits


def test_the_set_gid_bit_is_inherited_all_the_way_down(place: Path, as_user: AsUser) -> None:
    os.chown(place, -1, STAFF)
    place.chmod(0o2777)
    as_user(ALICE, lambda: os.makedirs(place / "a" / "b" / "c"))
    for inner in ("a", "a/b", "a/b/c"):
        assert permissions(place / inner) == 0o2755
        assert os.lstat(place / inner).st_gid == STAFF


@pytest.mark.parametrize("mode", [0o2777, 0o2770])
@pytest.mark.parametrize("name", ["open", "mknod file"])
def test_a_stranger_to_the_group_makes_no_set_gid_program(
    place: Path, as_user: AsUser, name: str, mode: int
) -> None:
    os.chown(place, -1, STAFF)
    place.chmod(0o2777)
    os.umask(0)
    as_user(ALICE, lambda: MODED[name](place / "strange", mode))
    as_user(BOB.also_in(STAFF), lambda: MODED[name](place / "member", mode))
    assert permissions(place / "strange") == mode & ~stat.S_ISGID
    assert permissions(place / "member") == mode


def test_a_sticky_directory_passes_nothing_on(place: Path) -> None:
    place.chmod(0o1777)
    (place / "folder").mkdir()
    assert permissions(place / "folder") == 0o755


@pytest.mark.parametrize("kind", ["fifo", "symlink", "directory"])
def test_a_new_thing_has_one_time_and_one_link(place: Path, kind: str) -> None:
    status = os.lstat(make(place / "new", kind))
    assert status.st_atime_ns == status.st_mtime_ns == status.st_ctime_ns
    assert status.st_nlink == (2 if kind == "directory" else 1)


def test_the_file_type_bits_of_a_mode_are_for_mknod_alone(place: Path) -> None:
    _open(place / "file", stat.S_IFCHR | 0o644)
    assert os.lstat(place / "file").st_mode == stat.S_IFREG | 0o644


@pytest.mark.needs("mknod")
def test_a_device_keeps_its_numbers_in_a_set_gid_directory(place: Path) -> None:
    place.chmod(0o2777)
    os.mknod(place / "null", stat.S_IFCHR | 0o666, NULL)
    assert os.lstat(place / "null").st_rdev == NULL
