"""Sticky directories: only owners take things away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser
from conformance.posix.expect import answer, exists
from conformance.posix.kinds import make
from conformance.posix.libc import RENAME_EXCHANGE, renameat2
from conformance.posix.processes import ALICE, BOB, User

CAROL = User(61003, 61003)
KINDS = ["file", "directory", "symlink", "fifo"]

# Who does it, in a directory of Alice's, to a thing of Bob's.
WHO = [(ALICE, "ok"), (BOB, "ok"), (CAROL, "EPERM")]
who = pytest.mark.parametrize(("user", "result"), WHO, ids=["directory's", "thing's", "neither's"])


@pytest.fixture
def sticky(place: Path, as_user: AsUser) -> Path:
    folder = place / "sticky"
    folder.mkdir()
    os.chown(folder, ALICE.uid, ALICE.gid)
    folder.chmod(0o1777)
    place.chmod(0o777)
    assert as_user(ALICE, os.geteuid) == ALICE.uid
    return folder


def of_bob(path: Path, kind: str) -> Path:
    make(path, kind)
    os.lchown(path, BOB.uid, BOB.gid)
    return path


@who
@pytest.mark.parametrize("kind", KINDS)
def test_removing(sticky: Path, as_user: AsUser, kind: str, user: User, result: str) -> None:
    path = of_bob(sticky / "it", kind)
    remove = os.rmdir if kind == "directory" else os.unlink
    assert as_user(user, lambda: answer(lambda: remove(path))) == result
    assert exists(path) == (result != "ok")


@who
@pytest.mark.parametrize("kind", ["file", "symlink", "fifo"])
def test_renaming_out_of_it(
    sticky: Path, as_user: AsUser, kind: str, user: User, result: str
) -> None:
    path = of_bob(sticky / "it", kind)
    assert as_user(user, lambda: answer(lambda: os.rename(path, sticky.parent / "out"))) == result
    assert exists(path) == (result != "ok")


@who
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_renaming_within_it(
    sticky: Path, as_user: AsUser, kind: str, user: User, result: str
) -> None:
    path = of_bob(sticky / "it", kind)
    assert as_user(user, lambda: answer(lambda: os.rename(path, sticky / "new"))) == result


@who
@pytest.mark.parametrize("kind", ["file", "symlink"])
def test_replacing_in_it(sticky: Path, as_user: AsUser, kind: str, user: User, result: str) -> None:
    path = of_bob(sticky / "it", kind)
    new = sticky.parent / "new"
    new.write_bytes(b"new")
    os.chown(new, user.uid, user.gid)
    inode = os.lstat(new if result == "ok" else path).st_ino
    assert as_user(user, lambda: answer(lambda: os.rename(new, path))) == result
    assert os.lstat(path).st_ino == inode


@who
@pytest.mark.needs("exchange")
def test_exchanging_in_it(sticky: Path, as_user: AsUser, user: User, result: str) -> None:
    path = of_bob(sticky / "it", "file")
    own = make(sticky.parent / "own", "file")
    os.chown(own, user.uid, user.gid)
    assert as_user(user, lambda: answer(lambda: renameat2(own, path, RENAME_EXCHANGE))) == result


def test_root_may(sticky: Path) -> None:
    of_bob(sticky / "it", "file").unlink()
    assert os.listdir(sticky) == []


@pytest.mark.parametrize("user", [BOB, CAROL], ids=["bob", "carol"])
def test_anybody_makes_and_links_things_there(sticky: Path, as_user: AsUser, user: User) -> None:
    def work() -> None:
        (sticky / "mine").write_bytes(b"")
        os.link(sticky / "mine", sticky / "also mine")
        os.rename(sticky / "mine", sticky / "still mine")
        os.unlink(sticky / "also mine")

    as_user(user, work)
    assert os.listdir(sticky) == ["still mine"]


def test_without_the_bit_anybody_may(sticky: Path, as_user: AsUser) -> None:
    sticky.chmod(0o777)
    path = of_bob(sticky / "it", "file")
    as_user(CAROL, lambda: os.unlink(path))
    assert os.listdir(sticky) == []
