"""chmod(2): who may, and what it sets."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser, Tick
from conformance.posix.expect import fails, permissions
from conformance.posix.files import opened
from conformance.posix.kinds import KINDS, TYPES, make
from conformance.posix.processes import ALICE, BOB, STAFF, User

CHANGEABLE = [it for it in KINDS if it.values[0] not in ("symlink", "full directory")]


@pytest.fixture
def file(place: Path) -> Path:
    return make(place / "file", "file")


@pytest.mark.parametrize("mode", [0o000, 0o777, 0o111, 0o644, 0o1000, 0o2000, 0o4000, 0o7777])
@pytest.mark.parametrize("kind", CHANGEABLE)
def test_every_bit_is_kept(place: Path, kind: str, mode: int) -> None:
    path = make(place / "it", kind)
    os.chmod(path, mode)
    assert os.lstat(path).st_mode == TYPES[kind] | mode


def test_through_a_descriptor(file: Path) -> None:
    with opened(file, os.O_RDONLY) as descriptor:
        os.fchmod(descriptor, 0o4711)
        assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o4711
    assert permissions(file) == 0o4711


def test_a_symlink_is_followed(place: Path, file: Path) -> None:
    (place / "link").symlink_to("file")
    os.chmod(place / "link", 0o600)
    assert permissions(file) == 0o600
    assert permissions(place / "link") == 0o777


def test_a_symlink_has_no_mode_to_change(place: Path) -> None:
    (place / "link").symlink_to("nowhere")
    with (
        opened(place / "link", os.O_PATH | os.O_NOFOLLOW) as descriptor,
        fails(errno.EOPNOTSUPP),
    ):
        os.chmod(f"/proc/self/fd/{descriptor}", 0o600)


def test_all_names_of_a_file_show_it(place: Path, file: Path) -> None:
    os.link(file, place / "other")
    os.chmod(place / "other", 0o604)
    assert permissions(file) == 0o604


@pytest.mark.parametrize("user", [BOB, BOB.also_in(ALICE.gid)], ids=["stranger", "same group"])
@pytest.mark.parametrize("kind", ["file", "directory", "fifo"])
def test_only_the_owner_may(place: Path, as_user: AsUser, kind: str, user: User) -> None:
    path = make(place / "it", kind)
    os.chown(path, ALICE.uid, ALICE.gid)
    os.chmod(path, 0o666)
    with fails(errno.EPERM):
        as_user(user, lambda: os.chmod(path, 0o777))
    as_user(ALICE, lambda: os.chmod(path, 0o751))
    assert permissions(path) == 0o751


def test_the_owner_may_without_any_permission(file: Path, as_user: AsUser) -> None:
    os.chown(file, ALICE.uid, ALICE.gid)
    os.chmod(file, 0)
    as_user(ALICE, lambda: os.chmod(file, 0o400))
    assert permissions(file) == 0o400


@pytest.mark.parametrize("kind", ["file", "directory"])
@pytest.mark.parametrize(("member", "kept"), [(True, True), (False, False)])
def test_set_gid_is_for_members_of_the_group(
    place: Path, as_user: AsUser, kind: str, member: bool, kept: bool
) -> None:
    path = make(place / "it", kind)
    os.chown(path, ALICE.uid, STAFF)
    user = ALICE.also_in(STAFF) if member else ALICE
    as_user(user, lambda: os.chmod(path, 0o2755))
    assert permissions(path) == (0o2755 if kept else 0o755)


@pytest.mark.parametrize("bit", [stat.S_ISUID, stat.S_ISVTX], ids=["set-uid", "sticky"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_the_owner_may_set_the_other_special_bits(
    place: Path, as_user: AsUser, kind: str, bit: int
) -> None:
    path = make(place / "it", kind)
    os.chown(path, ALICE.uid, ALICE.gid)
    as_user(ALICE, lambda: os.chmod(path, 0o700 | bit))
    assert permissions(path) == 0o700 | bit


def test_it_moves_ctime_alone(file: Path, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    os.chmod(file, stat.S_IMODE(before.st_mode))
    after = os.stat(file)
    assert after.st_ctime_ns > before.st_ctime_ns
    assert (after.st_mtime_ns, after.st_atime_ns) == (before.st_mtime_ns, before.st_atime_ns)


def test_a_refusal_changes_nothing(file: Path, as_user: AsUser, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.chmod(file, 0o777))
    assert os.stat(file) == before


def test_open_descriptors_keep_what_they_were_opened_for(file: Path, as_user: AsUser) -> None:
    os.chown(file, ALICE.uid, ALICE.gid)

    def write_after_chmod() -> None:
        with opened(file, os.O_RDWR) as descriptor:
            os.chmod(file, 0)
            os.write(descriptor, b"still")
            assert os.pread(descriptor, 5, 0) == b"still"

    as_user(ALICE, write_after_chmod)


def test_searching_and_listing_a_directory_are_two_permissions(
    place: Path, as_user: AsUser
) -> None:
    folder = make(place / "folder", "full directory")
    os.chmod(folder, 0o711)
    as_user(ALICE, lambda: os.stat(folder / "inside"))
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.listdir(folder))
    os.chmod(folder, 0o744)
    assert as_user(ALICE, lambda: os.listdir(folder)) == ["inside"]
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.stat(folder / "inside"))
