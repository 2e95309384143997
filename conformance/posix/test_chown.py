"""chown(2): who may give what to whom, and which bits that costs."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser, Tick
from conformance.posix.expect import answer, fails, permissions
from conformance.posix.files import opened
from conformance.posix.kinds import every_kind, make
from conformance.posix.processes import ALICE, BOB, STAFF, User

pytestmark = pytest.mark.needs("users")

ID_MAX = 2**32 - 2


def owner(path: Path) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_uid, status.st_gid


@pytest.fixture
def file(place: Path) -> Path:
    """Alice's."""
    path = make(place / "file", "file")
    os.chown(path, ALICE.uid, ALICE.gid)
    return path


@every_kind
def test_root_may_anything(place: Path, kind: str) -> None:
    path = make(place / "it", kind)
    os.lchown(path, BOB.uid, STAFF)
    assert owner(path) == (BOB.uid, STAFF)


@pytest.mark.parametrize("number", [0, 1, 65534, 65535, 65536, 2**31, ID_MAX])
def test_ids_of_32_bits(place: Path, number: int) -> None:
    path = make(place / "it", "file")
    os.chown(path, number, ID_MAX - number)
    assert owner(path) == (number, ID_MAX - number)


@pytest.mark.parametrize(
    ("uid", "gid", "result"),
    [
        (-1, -1, (ALICE.uid, ALICE.gid)),
        (BOB.uid, -1, (BOB.uid, ALICE.gid)),
        (-1, STAFF, (ALICE.uid, STAFF)),
    ],
)
def test_minus_one_leaves_an_id_alone(
    file: Path, uid: int, gid: int, result: tuple[int, int]
) -> None:
    os.chown(file, uid, gid)
    assert owner(file) == result


MEMBER = ALICE.also_in(STAFF)
STRANGER = BOB.also_in(STAFF)
WHO_MAY = [
    (ALICE, -1, ALICE.gid, "ok"),
    (ALICE, ALICE.uid, -1, "ok"),
    (ALICE, ALICE.uid, ALICE.gid, "ok"),
    (MEMBER, -1, STAFF, "ok"),
    (MEMBER, ALICE.uid, STAFF, "ok"),
    (ALICE, -1, STAFF, "EPERM"),
    (ALICE, BOB.uid, -1, "EPERM"),
    (MEMBER, BOB.uid, STAFF, "EPERM"),
    (MEMBER, 0, -1, "EPERM"),
    (STRANGER, -1, STAFF, "EPERM"),
    (STRANGER, BOB.uid, -1, "EPERM"),
    (STRANGER, -1, ALICE.gid, "EPERM"),
]


@pytest.mark.parametrize("kind", ["file", "directory", "symlink"])
@pytest.mark.parametrize(("user", "uid", "gid", "result"), WHO_MAY)
def test_who_may(
    place: Path, as_user: AsUser, kind: str, user: User, uid: int, gid: int, result: str
) -> None:
    path = make(place / "it", kind)
    os.lchown(path, ALICE.uid, ALICE.gid)
    assert as_user(user, lambda: answer(lambda: os.lchown(path, uid, gid))) == result
    if result != "ok":
        assert owner(path) == (ALICE.uid, ALICE.gid)
    elif gid != -1:
        assert owner(path) == (ALICE.uid, gid)


def test_a_symlink_is_followed_or_not(place: Path) -> None:
    file = make(place / "file", "file")
    link = place / "link"
    link.symlink_to("file")
    os.chown(link, ALICE.uid, -1)
    assert (os.lstat(file).st_uid, os.lstat(link).st_uid) == (ALICE.uid, 0)
    os.lchown(link, BOB.uid, -1)
    assert (os.lstat(file).st_uid, os.lstat(link).st_uid) == (ALICE.uid, BOB.uid)


def test_through_a_descriptor(file: Path) -> None:
    with opened(file, os.O_RDONLY) as descriptor:
        os.fchown(descriptor, BOB.uid, STAFF)
        assert os.fstat(descriptor).st_uid == BOB.uid
    assert owner(file) == (BOB.uid, STAFF)


# Without execution by the group, set-gid once meant locking, and stays.
CLEARED = [
    (0o4755, 0o755),
    (0o2755, 0o755),
    (0o6755, 0o755),
    (0o6710, 0o710),
    (0o4644, 0o644),
    (0o1755, 0o1755),
    (0o755, 0o755),
]


@pytest.mark.parametrize("who", ["root", "owner"])
@pytest.mark.parametrize(("before", "after"), CLEARED)
def test_a_program_loses_its_set_id_bits(
    file: Path, as_user: AsUser, who: str, before: int, after: int
) -> None:
    if who == "root":
        os.chmod(file, before)
        os.chown(file, -1, STAFF)
    else:
        os.chown(file, -1, ALICE.gid)
        os.chmod(file, before)
        as_user(MEMBER, lambda: os.chown(file, -1, STAFF))
    assert permissions(file) == after


@pytest.mark.parametrize(("uid", "gid"), [(ALICE.uid, ALICE.gid), (-1, -1), (ALICE.uid, -1)])
def test_the_same_owner_costs_the_bits_too(file: Path, as_user: AsUser, uid: int, gid: int) -> None:
    os.chmod(file, 0o6755)
    as_user(ALICE, lambda: os.chown(file, uid, gid))
    assert permissions(file) == 0o755


def test_set_gid_without_execution_stays_for_members(file: Path, as_user: AsUser) -> None:
    os.chown(file, -1, STAFF)
    os.chmod(file, 0o2644)
    as_user(MEMBER, lambda: os.chown(file, ALICE.uid, -1))
    assert permissions(file) == 0o2644


@pytest.mark.parametrize("mode", [0o6755, 0o2775, 0o1777, 0o7777])
def test_a_directory_keeps_its_bits(place: Path, mode: int) -> None:
    folder = make(place / "folder", "directory")
    os.chmod(folder, mode)
    os.chown(folder, BOB.uid, STAFF)
    assert permissions(folder) == mode


@pytest.mark.parametrize(("uid", "gid"), [(ALICE.uid, ALICE.gid), (BOB.uid, STAFF)])
def test_it_moves_ctime_alone(file: Path, tick: Tick, uid: int, gid: int) -> None:
    before = os.stat(file)
    tick()
    os.chown(file, uid, gid)
    after = os.stat(file)
    assert after.st_ctime_ns > before.st_ctime_ns
    assert (after.st_mtime_ns, after.st_atime_ns) == (before.st_mtime_ns, before.st_atime_ns)


def test_a_refusal_changes_nothing(file: Path, as_user: AsUser, tick: Tick) -> None:
    os.chmod(file, 0o6755)
    before = os.stat(file)
    tick()
    with fails(errno.EPERM):
        as_user(BOB, lambda: os.chown(file, BOB.uid, -1))
    assert os.stat(file) == before


def test_open_descriptors_keep_what_they_were_opened_for(file: Path, as_user: AsUser) -> None:
    os.chmod(file, 0o600)
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.chown(file, BOB.uid, BOB.gid)
        as_user(ALICE, lambda: os.write(descriptor, b"still"))
        with fails(errno.EACCES):
            as_user(ALICE, lambda: os.open(file, os.O_RDONLY))
    finally:
        os.close(descriptor)
    assert file.read_bytes() == b"stillnt"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
