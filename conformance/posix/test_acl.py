"""POSIX access control lists: what they grant, what they pass on, and which are none."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from conformance.posix.acl import (
    ACCESS,
    DEFAULT,
    GROUP,
    GROUP_OBJ,
    MASK,
    OTHER,
    USER,
    USER_OBJ,
    Entry,
    extended,
    minimal,
    packed,
    unpacked,
    with_group,
    with_user,
)
from conformance.posix.conftest import AsUser, Tick
from conformance.posix.expect import answer, fails, permissions
from conformance.posix.kinds import make
from conformance.posix.processes import ALICE, BOB, STAFF, User

pytestmark = pytest.mark.needs("acl")


@pytest.fixture
def file(place: Path) -> Path:
    return make(place / "file", "file")


@pytest.fixture
def folder(place: Path) -> Path:
    return make(place / "folder", "directory")


def put(path: Path, entries: list[Entry], name: str = ACCESS) -> None:
    os.setxattr(path, name, packed(entries))


def got(path: Path, name: str = ACCESS) -> list[Entry] | None:
    """The list of `path`; None if it says no more than the mode."""
    try:
        return unpacked(os.getxattr(path, name))
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        raise


# --- the list and the mode ---


@pytest.mark.parametrize("kind", ["file", "directory", "fifo", "socket"])
def test_there_and_back(place: Path, kind: str) -> None:
    path = make(place / "it", kind)
    entries = extended(0o751, [Entry(USER, 6, ALICE.uid), Entry(GROUP, 4, STAFF)], mask=7)
    put(path, entries)
    assert got(path) == entries
    assert ACCESS in os.listxattr(path)


@pytest.mark.parametrize("mask", range(8))
def test_the_group_bits_of_the_mode_are_the_mask(file: Path, mask: int) -> None:
    put(file, with_user(ALICE.uid, 7, mode=0o604, mask=mask))
    assert permissions(file) == 0o604 | mask << 3


@pytest.mark.parametrize("mode", [0o777, 0o640, 0o000, 0o124])
def test_a_minimal_list_is_the_mode(file: Path, mode: int) -> None:
    put(file, minimal(mode))
    assert permissions(file) == mode
    assert got(file) is None


def test_a_minimal_list_takes_the_place_of_an_extended_one(file: Path) -> None:
    put(file, with_user(ALICE.uid, 7))
    put(file, minimal(0o644))
    assert got(file) is None
    assert permissions(file) == 0o644


@pytest.mark.parametrize("mode", [0o700, 0o640, 0o777, 0o000])
def test_chmod_changes_owner_mask_and_other(file: Path, mode: int) -> None:
    put(file, with_user(ALICE.uid, 7, mode=0o664, mask=7))
    os.chmod(file, mode)
    user, named, group, mask, other = got(file) or []
    assert [user.permissions, mask.permissions, other.permissions] == [
        mode >> 6 & 7,
        mode >> 3 & 7,
        mode & 7,
    ]
    assert (named.permissions, group.permissions) == (7, 6)
    assert permissions(file) == mode


def test_removing_it_leaves_the_mode(file: Path) -> None:
    put(file, with_user(ALICE.uid, 7, mode=0o640, mask=6))
    os.removexattr(file, ACCESS)
    assert got(file) is None
    assert permissions(file) == 0o660


def test_special_bits_stay(folder: Path) -> None:
    os.chmod(folder, 0o3755)
    put(folder, with_user(ALICE.uid, 7, mode=0o750, mask=5))
    assert permissions(folder) == 0o3750


def test_it_moves_ctime_alone(file: Path, tick: Tick) -> None:
    before = os.stat(file)
    tick()
    put(file, with_user(ALICE.uid, 7))
    after = os.stat(file)
    assert after.st_ctime_ns > before.st_ctime_ns
    assert after.st_mtime_ns == before.st_mtime_ns


@pytest.mark.needs("users")
def test_it_stays_with_its_thing(place: Path, file: Path) -> None:
    entries = with_user(ALICE.uid, 7)
    put(file, entries)
    os.link(file, place / "link")
    file.rename(place / "moved")
    os.chown(place / "moved", BOB.uid, STAFF)
    assert got(place / "moved") == got(place / "link") == entries


# --- what it grants: each class in turn, and the first that fits decides ---

# The list's extra entries and mask on a file of Bob's and Bob's group, mode 0640;
# who asks; whether reading and writing are granted.
GRANTS = {
    "a named user": ([Entry(USER, 6, ALICE.uid)], 7, ALICE, "ok", "ok"),
    "a named user, read only": ([Entry(USER, 4, ALICE.uid)], 7, ALICE, "ok", "EACCES"),
    "a named user, nothing": ([Entry(USER, 0, ALICE.uid)], 7, ALICE, "EACCES", "EACCES"),
    "a named user, masked": ([Entry(USER, 6, ALICE.uid)], 4, ALICE, "ok", "EACCES"),
    "a named user, masked out": ([Entry(USER, 6, ALICE.uid)], 0, ALICE, "EACCES", "EACCES"),
    "a named user before the group": (
        [Entry(USER, 0, ALICE.uid)],
        7,
        ALICE.also_in(BOB.gid),
        "EACCES",
        "EACCES",
    ),
    "the owner is not masked": ([Entry(USER, 0, ALICE.uid)], 0, BOB, "ok", "ok"),
    "the owner before a named user": ([Entry(USER, 0, BOB.uid)], 7, BOB, "ok", "ok"),
    "a named group": ([Entry(GROUP, 6, STAFF)], 7, ALICE.also_in(STAFF), "ok", "ok"),
    "a named group, masked": ([Entry(GROUP, 6, STAFF)], 4, ALICE.also_in(STAFF), "ok", "EACCES"),
    "the file's group": ([Entry(GROUP, 0, STAFF)], 7, ALICE.also_in(BOB.gid), "ok", "EACCES"),
    "the file's group, masked": (
        [Entry(GROUP, 0, STAFF)],
        2,
        ALICE.also_in(BOB.gid),
        "EACCES",
        "EACCES",
    ),
    "any group that grants": (
        [Entry(GROUP, 2, STAFF)],
        7,
        ALICE.also_in(STAFF, BOB.gid),
        "ok",
        "ok",
    ),
    "a group that grants nothing before other": (
        [Entry(GROUP, 0, STAFF)],
        7,
        ALICE.also_in(STAFF),
        "EACCES",
        "EACCES",
    ),
    "nobody that is named": ([Entry(USER, 7, 61_009)], 7, ALICE, "EACCES", "EACCES"),
}


@pytest.mark.parametrize(
    ("entries", "mask", "user", "reads", "writes"), GRANTS.values(), ids=GRANTS.keys()
)
def test_what_it_grants(
    file: Path,
    as_user: AsUser,
    entries: list[Entry],
    mask: int,
    user: User,
    reads: str,
    writes: str,
) -> None:
    os.chown(file, BOB.uid, BOB.gid)
    put(file, extended(0o640, entries, mask))
    for how, wanted in ((os.O_RDONLY, reads), (os.O_WRONLY, writes)):
        assert as_user(user, partial(answer, partial(tried, file, how))) == wanted


def tried(path: Path, how: int) -> None:
    os.close(os.open(path, how))


def test_other_is_not_masked(file: Path, as_user: AsUser) -> None:
    put(file, extended(0o606, [Entry(USER, 7, BOB.uid)], mask=0))
    as_user(ALICE, lambda: file.read_bytes())


def test_access_sees_it(file: Path, as_user: AsUser) -> None:
    put(file, with_user(ALICE.uid, 4, mode=0o600, mask=7))
    assert as_user(ALICE, lambda: os.access(file, os.R_OK))
    assert not as_user(ALICE, lambda: os.access(file, os.W_OK))


def test_on_a_directory(folder: Path, as_user: AsUser) -> None:
    make(folder / "inside", "file")
    put(folder, with_user(ALICE.uid, 1, mode=0o700, mask=7))
    as_user(ALICE, lambda: os.stat(folder / "inside"))
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.listdir(folder))
    put(folder, with_user(ALICE.uid, 7, mode=0o700, mask=7))
    as_user(ALICE, lambda: (folder / "new").mkdir())
    with fails(errno.EACCES):
        as_user(BOB, lambda: os.stat(folder / "inside"))


# --- defaults ---

INHERITED = extended(0o750, [Entry(USER, 7, ALICE.uid), Entry(GROUP, 5, STAFF)], mask=7)


def masked(mask: int, owner: int, other: int) -> list[Entry]:
    """INHERITED as a new thing gets it: cut to the mode it was made with."""
    result = []
    for it in INHERITED:
        cut = {USER_OBJ: owner, MASK: mask, OTHER: other}.get(it.tag, 7)
        result.append(Entry(it.tag, it.permissions & cut, it.id))
    return result


def test_a_default_list_changes_nothing_of_the_directory_itself(folder: Path) -> None:
    put(folder, INHERITED, DEFAULT)
    assert got(folder, DEFAULT) == INHERITED
    assert got(folder) is None
    assert permissions(folder) == 0o755


@pytest.mark.parametrize("kind", ["file", "fifo", "socket"])
def test_things_inherit_it_as_access(folder: Path, kind: str) -> None:
    put(folder, INHERITED, DEFAULT)
    path = make(folder / "new", kind)
    assert DEFAULT not in os.listxattr(path)
    entries = got(path)
    assert entries is not None
    assert [(it.tag, it.id) for it in entries] == [(it.tag, it.id) for it in INHERITED]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_it_takes_the_place_of_the_umask(folder: Path, umask: int) -> None:
    os.umask(umask)
    put(folder, INHERITED, DEFAULT)
    os.close(os.open(folder / "new", os.O_CREAT | os.O_WRONLY, 0o666))
    assert got(folder / "new") == masked(mask=6, owner=6, other=6)
    assert permissions(folder / "new") == 0o660


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o777, 0o000])
def test_a_mode_cuts_what_is_inherited(folder: Path, mode: int) -> None:
    put(folder, INHERITED, DEFAULT)
    os.close(os.open(folder / "new", os.O_CREAT | os.O_WRONLY, mode))
    assert got(folder / "new") == masked(mode >> 3 & 7, mode >> 6 & 7, mode & 7)
    assert permissions(folder / "new") == mode & 0o770


def test_directories_inherit_it_both_ways(folder: Path) -> None:
    put(folder, INHERITED, DEFAULT)
    (folder / "a" / "b").mkdir(parents=True)
    for path in (folder / "a", folder / "a" / "b"):
        assert got(path, DEFAULT) == INHERITED
        assert got(path) == masked(mask=7, owner=7, other=7)


def test_symlinks_inherit_nothing(folder: Path) -> None:
    put(folder, INHERITED, DEFAULT)
    link = make(folder / "link", "symlink")
    assert os.listxattr(link, follow_symlinks=False) == []
    assert permissions(link) == 0o777


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o750])
def test_a_minimal_default_list_is_passed_on_as_a_mode(folder: Path, mode: int) -> None:
    put(folder, minimal(mode), DEFAULT)
    os.umask(0o777)
    (folder / "new").mkdir(mode=0o777)
    assert got(folder / "new") is None
    assert permissions(folder / "new") == mode
    assert got(folder / "new", DEFAULT) == minimal(mode)


def test_without_it_the_umask_counts_again(folder: Path) -> None:
    put(folder, INHERITED, DEFAULT)
    os.removexattr(folder, DEFAULT)
    os.close(os.open(folder / "new", os.O_CREAT | os.O_WRONLY, 0o666))
    assert got(folder / "new") is None
    assert permissions(folder / "new") == 0o644


def test_moving_inherits_nothing(folder: Path, file: Path) -> None:
    put(folder, INHERITED, DEFAULT)
    file.rename(folder / "moved")
    assert got(folder / "moved") is None


# --- what is no list, and who may ---

BAD = {
    "an unknown version": packed(minimal(0o644), version=3),
    "too short a header": b"\2\0",
    "half an entry": packed(minimal(0o644))[:-3],
    "no owner": packed(minimal(0o644)[1:]),
    "no other": packed(minimal(0o644)[:-1]),
    "a named user without a mask": packed(
        [Entry(USER_OBJ, 6), Entry(USER, 7, 1), Entry(GROUP_OBJ, 4), Entry(OTHER, 4)]
    ),
    "two masks": packed([*with_user(1, 7)[:-1], Entry(MASK, 7), Entry(OTHER, 0)]),
    "out of order": packed(minimal(0o644)[::-1]),
    "an unknown tag": packed([*minimal(0o644), Entry(0x40, 7)]),
    "permissions beyond 7": packed([Entry(USER_OBJ, 8), *minimal(0o644)[1:]]),
}


@pytest.mark.parametrize("name", [ACCESS, DEFAULT])
@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_what_is_no_list(folder: Path, name: str, value: bytes) -> None:
    with fails(errno.EINVAL, errno.EOPNOTSUPP):
        os.setxattr(folder, name, value)
    assert got(folder, name) is None
    assert permissions(folder) == 0o755


def test_a_default_list_is_for_directories(file: Path) -> None:
    with fails(errno.EACCES):
        put(file, INHERITED, DEFAULT)


def test_a_symlink_has_none(place: Path) -> None:
    link = make(place / "link", "symlink")
    with fails(errno.EOPNOTSUPP):
        os.setxattr(link, ACCESS, packed(with_user(1, 7)), follow_symlinks=False)


@pytest.mark.parametrize("name", [ACCESS, DEFAULT])
def test_only_the_owner_sets_it(folder: Path, as_user: AsUser, name: str) -> None:
    os.chown(folder, BOB.uid, BOB.gid)
    os.chmod(folder, 0o777)
    with fails(errno.EPERM):
        as_user(ALICE, lambda: put(folder, INHERITED, name))
    as_user(BOB, lambda: put(folder, INHERITED, name))
    assert as_user(ALICE, lambda: got(folder, name)) == INHERITED
    with fails(errno.EPERM):
        as_user(ALICE, lambda: os.removexattr(folder, name))


@pytest.mark.parametrize(("member", "mode"), [(True, 0o2770), (False, 0o770)])
def test_set_gid_goes_when_a_stranger_to_the_group_sets_one(
    folder: Path, as_user: AsUser, member: bool, mode: int
) -> None:
    os.chown(folder, ALICE.uid, STAFF)
    os.chmod(folder, 0o2755)
    user = ALICE.also_in(STAFF) if member else ALICE
    as_user(user, lambda: put(folder, with_user(BOB.uid, 7, mode=0o770, mask=7)))
    assert permissions(folder) == mode


def test_many_entries(file: Path) -> None:
    named = [Entry(USER, number % 8, 62_000 + number) for number in range(60)]
    put(file, extended(0o640, named, mask=7))
    assert got(file) == extended(0o640, named, mask=7)


def test_group_entries_do_not_leak_to_the_owning_group(file: Path, as_user: AsUser) -> None:
    os.chown(file, BOB.uid, BOB.gid)
    put(file, with_group(STAFF, 7, mode=0o600, mask=7))
    with fails(errno.EACCES):
        as_user(ALICE.also_in(BOB.gid), lambda: file.read_bytes())
