"""rename(2) and renameat2(2): every kind over every kind, and what must not be lost."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser
from conformance.posix.expect import answer, exists, fails
from conformance.posix.files import opened
from conformance.posix.kinds import UNPRIVILEGED, make
from conformance.posix.libc import RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, renameat2
from conformance.posix.processes import ALICE, Child

OVER = [(old, new) for old in UNPRIVILEGED for new in UNPRIVILEGED]


def outcome(old: str, new: str) -> str:
    """What rename(2) answers when a thing of kind `old` takes the place of one of kind `new`."""
    if "directory" in old:
        if "directory" not in new:
            return "ENOTDIR"
        return "ENOTEMPTY" if new == "full directory" else "ok"
    return "EISDIR" if "directory" in new else "ok"


def inode(path: Path) -> int:
    return os.lstat(path).st_ino


@pytest.mark.parametrize("across", [False, True], ids=["within", "across"])
@pytest.mark.parametrize("kind", UNPRIVILEGED)
def test_to_a_new_name(place: Path, kind: str, across: bool) -> None:
    old = make(place / "old", kind)
    (place / "folder").mkdir()
    new = place / ("folder/new" if across else "new")
    before = os.lstat(old)
    os.rename(old, new)
    after = os.lstat(new)
    assert not exists(old)
    assert (after.st_ino, after.st_mode, after.st_nlink, after.st_mtime_ns) == (
        before.st_ino,
        before.st_mode,
        before.st_nlink,
        before.st_mtime_ns,
    )
    if "directory" in kind:
        assert inode(new / "..") == inode(new.parent)
        assert os.listdir(new) == (["inside"] if kind == "full directory" else [])


@pytest.mark.parametrize(("old_kind", "new_kind"), OVER)
def test_over_what_is_there(place: Path, old_kind: str, new_kind: str) -> None:
    old, new = make(place / "old", old_kind), make(place / "new", new_kind)
    old_inode, new_inode = inode(old), inode(new)
    wanted = outcome(old_kind, new_kind)
    assert answer(lambda: os.rename(old, new)) == wanted
    if wanted == "ok":
        assert not exists(old)
        assert inode(new) == old_inode
    else:
        assert (inode(old), inode(new)) == (old_inode, new_inode)


@pytest.mark.parametrize(("old_kind", "new_kind"), OVER)
@pytest.mark.needs("noreplace")
def test_noreplace_over_what_is_there(place: Path, old_kind: str, new_kind: str) -> None:
    old, new = make(place / "old", old_kind), make(place / "new", new_kind)
    inodes = inode(old), inode(new)
    with fails(errno.EEXIST):
        renameat2(old, new, RENAME_NOREPLACE)
    assert (inode(old), inode(new)) == inodes


@pytest.mark.parametrize("kind", UNPRIVILEGED)
@pytest.mark.needs("noreplace")
def test_noreplace_to_a_new_name(place: Path, kind: str) -> None:
    old = make(place / "old", kind)
    before = inode(old)
    renameat2(old, place / "new", RENAME_NOREPLACE)
    assert os.listdir(place) == ["new"]
    assert inode(place / "new") == before


@pytest.mark.parametrize(("old_kind", "new_kind"), OVER)
@pytest.mark.needs("exchange")
def test_exchange(place: Path, old_kind: str, new_kind: str) -> None:
    (place / "folder").mkdir()
    old, new = make(place / "old", old_kind), make(place / "folder" / "new", new_kind)
    old_inode, new_inode = inode(old), inode(new)
    renameat2(old, new, RENAME_EXCHANGE)
    assert (inode(old), inode(new)) == (new_inode, old_inode)
    links = 2 + ("directory" in new_kind) + 1, 2 + ("directory" in old_kind)
    assert (os.stat(place).st_nlink, os.stat(place / "folder").st_nlink) == links
    for path in (old, new):
        if path.is_dir() and not path.is_symlink():
            assert inode(path / "..") == inode(path.parent)


@pytest.mark.needs("exchange")
class TestExchangeRefuses:
    @pytest.mark.parametrize(("old", "new"), [("there", "absent"), ("absent", "there")])
    def test_what_is_missing(self, place: Path, old: str, new: str) -> None:
        make(place / "there", "file")
        with fails(errno.ENOENT):
            renameat2(place / old, place / new, RENAME_EXCHANGE)
        assert os.listdir(place) == ["there"]

    @pytest.mark.parametrize("swapped", [False, True])
    def test_a_directory_with_its_own_child(self, place: Path, swapped: bool) -> None:
        outer = make(place / "outer", "directory")
        inner = make(outer / "inner", "directory")
        with fails(errno.EINVAL):
            renameat2(*((inner, outer) if swapped else (outer, inner)), RENAME_EXCHANGE)

    @pytest.mark.parametrize("other", [RENAME_NOREPLACE, RENAME_WHITEOUT])
    def test_to_be_combined(self, place: Path, other: int) -> None:
        one, two = make(place / "one", "file"), make(place / "two", "file")
        with fails(errno.EINVAL):
            renameat2(one, two, RENAME_EXCHANGE | other)


@pytest.mark.needs("exchange")
def test_exchange_with_open_handles(place: Path) -> None:
    one, two = place / "one", place / "two"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    with opened(one, os.O_RDWR) as first, opened(two, os.O_RDWR) as second:
        renameat2(one, two, RENAME_EXCHANGE)
        os.pwrite(first, b"1", 0)
        os.pwrite(second, b"2", 0)
    assert (one.read_bytes(), two.read_bytes()) == (b"2wo", b"1ne")


@pytest.mark.needs("exchange")
def test_exchange_with_itself(place: Path) -> None:
    one = make(place / "one", "file")
    os.link(one, place / "two")
    renameat2(one, one, RENAME_EXCHANGE)
    renameat2(one, place / "two", RENAME_EXCHANGE)
    assert os.stat(one).st_nlink == 2


@pytest.mark.needs("whiteout", "mknod")
def test_whiteout(place: Path) -> None:
    old = make(place / "old", "file")
    before = inode(old)
    renameat2(old, place / "new", RENAME_WHITEOUT)
    assert inode(place / "new") == before
    assert os.lstat(old).st_rdev == 0
    assert os.lstat(old).st_mode & 0o170000 == 0o020000


# --- hard links to one inode ---


@pytest.mark.parametrize("kind", ["file", "fifo", "symlink"])
def test_between_two_names_of_one_thing_nothing_happens(place: Path, kind: str) -> None:
    one = make(place / "one", kind)
    os.link(one, place / "two", follow_symlinks=False)
    os.rename(one, place / "two")
    assert sorted(os.listdir(place)) == ["one", "two"]
    assert os.lstat(one).st_nlink == 2


@pytest.mark.needs("noreplace")
def test_noreplace_between_two_names_of_one_thing(place: Path) -> None:
    one = make(place / "one", "file")
    os.link(one, place / "two")
    with fails(errno.EEXIST):
        renameat2(one, place / "two", RENAME_NOREPLACE)


@pytest.mark.parametrize("kind", ["file", "directory", "full directory", "symlink"])
def test_to_its_own_name_nothing_happens(place: Path, kind: str) -> None:
    one = make(place / "one", kind)
    before = os.lstat(one)
    os.rename(one, one)
    assert os.lstat(one) == before


def test_replacing_one_of_two_names(place: Path) -> None:
    one, new = make(place / "one", "file"), make(place / "new", "file")
    os.link(one, place / "two")
    os.rename(new, one)
    assert os.stat(place / "two").st_nlink == 1
    assert os.stat(one).st_nlink == 1


# --- directories ---


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_into_its_own_child(place: Path, depth: int) -> None:
    outer = make(place / "outer", "directory")
    inner = outer.joinpath(*["inner"] * depth)
    inner.mkdir(parents=True)
    with fails(errno.EINVAL):
        os.rename(outer, inner / "new")
    with fails(errno.EINVAL):
        os.rename(outer, inner)
    assert os.listdir(place) == ["outer"]


def test_over_its_own_parent(place: Path) -> None:
    inner = place / "outer" / "middle" / "inner"
    inner.mkdir(parents=True)
    with fails(errno.ENOTEMPTY):
        os.rename(inner, place / "outer")
    with fails(errno.ENOTEMPTY):
        os.rename(inner, inner.parent)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("folder/.", "new", errno.EBUSY),
        ("folder/..", "new", errno.EBUSY),
        (".", "new", errno.EBUSY),
        ("folder", ".", errno.EBUSY),
        ("folder", "other/..", errno.EBUSY),
        ("file/", "new", errno.ENOTDIR),
        ("file", "new/", errno.ENOTDIR),
        ("file", "folder/", errno.ENOTDIR),
        ("link/", "new", errno.ENOTDIR),
    ],
)
def test_odd_paths(place: Path, old: str, new: str, code: int) -> None:
    for name in ("folder", "other"):
        make(place / name, "directory")
    make(place / "file", "file")
    (place / "link").symlink_to("folder")
    os.chdir(place)
    with fails(code):
        os.rename(old, new)
    assert sorted(os.listdir(".")) == ["file", "folder", "link", "other"]


def test_slashes_after_directories(place: Path) -> None:
    make(place / "folder", "full directory")
    os.rename(f"{place}/folder/", f"{place}/new/")
    assert os.listdir(place / "new") == ["inside"]


def test_across_file_systems(place: Path) -> None:
    with fails(errno.EXDEV):
        os.rename(make(place / "file", "file"), "/proc/new")
    with fails(errno.EXDEV):
        os.rename("/proc/version", place / "new")


def test_a_deep_tree_moves_with_its_directory(place: Path) -> None:
    deep = place.joinpath("top", *["x"] * 30)
    deep.mkdir(parents=True)
    make(deep / "file", "file")
    os.chdir(deep)
    (place / "top").rename(place / "moved")
    assert os.getcwd() == str(place.joinpath("moved", *["x"] * 30))
    assert Path("file").read_bytes() == b"content"


# --- who may ---


def test_moving_a_directory_elsewhere_changes_it(place: Path, as_user: AsUser) -> None:
    """Its dot dot is part of it: without permission to write there it stays with its parent."""
    folder = make(place / "folder", "directory")
    (place / "other").mkdir()
    for path in (place, place / "other"):
        path.chmod(0o777)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.rename(folder, place / "other" / "folder"))
    as_user(ALICE, lambda: os.rename(folder, place / "renamed"))
    assert sorted(os.listdir(place)) == ["other", "renamed"]


@pytest.mark.parametrize("forbidden", ["source", "destination"])
def test_both_parents_must_be_writable(place: Path, as_user: AsUser, forbidden: str) -> None:
    for name in ("source", "destination"):
        (place / name).mkdir()
        (place / name).chmod(0o755 if name == forbidden else 0o777)
    old = make(place / "source" / "it", "file")
    with fails(errno.EACCES):
        as_user(ALICE, lambda: os.rename(old, place / "destination" / "it"))
    assert old.read_bytes() == b"content"


# --- while others look ---


def test_with_open_handles_on_either_side(place: Path) -> None:
    old, new = place / "old", place / "new"
    old.write_bytes(b"old content")
    new.write_bytes(b"new")
    with opened(old, os.O_RDWR) as moved, opened(new, os.O_RDWR) as replaced:
        os.rename(old, new)
        os.pwrite(moved, b"OLD", 0)
        os.pwrite(replaced, b"unseen", 0)
        assert os.fstat(replaced).st_nlink == 0
        assert os.fstat(moved).st_nlink == 1
        assert os.pread(replaced, 9, 0) == b"unseen"
    assert new.read_bytes() == b"OLD content"


def test_a_replaced_directory_stays_with_its_handles(place: Path) -> None:
    old, new = make(place / "old", "full directory"), make(place / "new", "directory")
    with opened(new, os.O_RDONLY) as replaced:
        os.rename(old, new)
        assert os.listdir(replaced) == []
        with fails(errno.ENOENT):
            os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=replaced)
    assert os.listdir(new) == ["inside"]


def test_a_name_that_is_replaced_is_never_missing(place: Path) -> None:
    target = place / "target"
    target.write_bytes(b"0" * 1000)

    def replace(own: str) -> None:
        for number in range(150):
            (place / own).write_bytes(b"%d" % (number % 10) * 1000)
            os.rename(place / own, target)

    children = [Child(partial(replace, own)) for own in ("a", "b")]
    for _ in range(300):
        content = target.read_bytes()
        assert content == content[:1] * 1000
    for child in children:
        child.result()


def test_directories_moved_into_each_other_by_two_processes(place: Path) -> None:
    """One of the two moves must lose, whatever the order; a cycle would lose both."""
    one, two = make(place / "one", "directory"), make(place / "two", "directory")

    def move(path: Path, into: Path) -> None:
        for _ in range(100):
            answer(partial(os.rename, path, into / path.name))
            answer(partial(os.rename, into / path.name, path))

    children = [Child(partial(move, one, two)), Child(partial(move, two, one))]
    for child in children:
        child.result()
    found = [folder for _, folders, _ in os.walk(place) for folder in folders]
    assert sorted(found) == ["one", "two"]
