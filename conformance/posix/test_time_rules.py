"""Which call moves which times: of the thing itself, of its parent, and of nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.posix.conftest import Tick
from conformance.posix.expect import answer
from conformance.posix.files import opened
from conformance.posix.kinds import bind, make
from conformance.posix.libc import RENAME_EXCHANGE, renameat2

Step = Callable[[Path], object]


def _write(path: Path) -> None:
    with opened(path, os.O_WRONLY) as descriptor:
        os.write(descriptor, b"x")


def _fsync(path: Path) -> None:
    with opened(path, os.O_RDWR) as descriptor:
        os.fsync(descriptor)


def _rename_file_over(place: Path) -> None:
    os.rename(place / "folder" / "file", place / "folder" / "other")


# In place/folder with "file", "other", "inner/", "link": does folder's mtime (and ctime) move?
PARENT: dict[str, tuple[Step, bool]] = {
    "creat": (lambda it: (it / "folder" / "new").write_bytes(b""), True),
    "mkdir": (lambda it: os.mkdir(it / "folder" / "new"), True),
    "mkfifo": (lambda it: os.mkfifo(it / "folder" / "new"), True),
    "mknod": (lambda it: os.mknod(it / "folder" / "new"), True),
    "bind": (lambda it: bind(it / "folder" / "new").close(), True),
    "symlink": (lambda it: os.symlink("x", it / "folder" / "new"), True),
    "link": (lambda it: os.link(it / "folder" / "file", it / "folder" / "new"), True),
    "unlink": (lambda it: os.unlink(it / "folder" / "file"), True),
    "rmdir": (lambda it: os.rmdir(it / "folder" / "inner"), True),
    "rename within": (lambda it: os.rename(it / "folder" / "file", it / "folder" / "new"), True),
    "rename out": (lambda it: os.rename(it / "folder" / "file", it / "new"), True),
    "rename in": (lambda it: os.rename(it / "outside", it / "folder" / "new"), True),
    "rename over": (_rename_file_over, True),
    "rename itself": (lambda it: os.rename(it / "folder" / "file", it / "folder" / "file"), False),
    "write": (lambda it: _write(it / "folder" / "file"), False),
    "truncate": (lambda it: os.truncate(it / "folder" / "file", 0), False),
    "chmod": (lambda it: os.chmod(it / "folder" / "file", 0o600), False),
    "utime": (lambda it: os.utime(it / "folder" / "file"), False),
    "open": (lambda it: _write(it / "folder" / "file"), False),
    "open O_CREAT": (lambda it: os.close(os.open(it / "folder" / "file", os.O_CREAT)), False),
    "failing mkdir": (lambda it: os.mkdir(it / "folder" / "inner"), False),
    "failing unlink": (lambda it: os.unlink(it / "folder" / "inner"), False),
    "failing rmdir": (lambda it: os.rmdir(it / "folder" / "file"), False),
    "failing link": (lambda it: os.link(it / "folder" / "file", it / "folder" / "other"), False),
    "failing rename": (
        lambda it: os.rename(it / "folder" / "file", it / "folder" / "inner"),
        False,
    ),
    "work further below": (lambda it: os.mkdir(it / "folder" / "inner" / "new"), False),
    "listing": (lambda it: os.listdir(it / "folder"), False),
}


@pytest.fixture
def tree(place: Path) -> Path:
    folder = make(place / "folder", "directory")
    make(folder / "file", "file")
    make(folder / "other", "file")
    make(folder / "inner", "directory")
    make(place / "outside", "file")
    return place


@pytest.mark.parametrize(("step", "moves"), PARENT.values(), ids=PARENT.keys())
def test_times_of_the_parent(tree: Path, tick: Tick, step: Step, moves: bool) -> None:
    before = os.stat(tree / "folder")
    tick()
    answer(lambda: step(tree))
    after = os.stat(tree / "folder")
    assert (after.st_mtime_ns > before.st_mtime_ns) == moves
    assert (after.st_ctime_ns > before.st_ctime_ns) == moves


def _xattr(it: Path) -> None:
    os.setxattr(it, "user.x", b"v")


# What moves of the thing itself: "" nothing, "c" its ctime, "mc" its mtime and ctime.
ITSELF: dict[str, tuple[str, Step, str]] = {
    "write": ("file", _write, "mc"),
    "truncate": ("file", lambda it: os.truncate(it, 3), "mc"),
    "truncate to its size": ("file", lambda it: os.truncate(it, 7), "mc"),
    "chmod": ("file", lambda it: os.chmod(it, 0o600), "c"),
    "chmod of a directory": ("directory", lambda it: os.chmod(it, 0o700), "c"),
    "chmod of a fifo": ("fifo", lambda it: os.chmod(it, 0o700), "c"),
    "chown": ("file", lambda it: os.chown(it, os.geteuid(), -1), "c"),
    "lchown of a symlink": ("symlink", lambda it: os.lchown(it, os.geteuid(), -1), "c"),
    "link": ("file", lambda it: os.link(it, it.with_name("new")), "c"),
    "rename": ("file", lambda it: os.rename(it, it.with_name("other name")), "c"),
    "rename of a directory": ("directory", lambda it: os.rename(it, it.with_name("new")), "c"),
    "read": ("file", lambda it: it.read_bytes(), ""),
    "stat": ("file", os.stat, ""),
    "open and close": ("file", lambda it: os.close(os.open(it, os.O_RDWR)), ""),
    "fsync": ("file", _fsync, ""),
    "failing link": ("file", lambda it: os.link(it, it), ""),
    "failing chmod": ("file", lambda it: os.chmod(it / "x", 0), ""),
    "failing truncate": ("file", lambda it: os.truncate(it, -1), ""),
    "readlink": ("symlink", os.readlink, ""),
    "listdir": ("directory", os.listdir, ""),
}


@pytest.mark.parametrize(("kind", "step", "moves"), ITSELF.values(), ids=ITSELF.keys())
def test_times_of_the_thing_itself(
    place: Path, tick: Tick, kind: str, step: Step, moves: str
) -> None:
    path = make(place / "it", kind)
    with opened(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
        before = os.fstat(descriptor)
        tick()
        answer(lambda: step(path))
        after = os.fstat(descriptor)
    assert (after.st_ctime_ns > before.st_ctime_ns) == ("c" in moves)
    assert (after.st_mtime_ns > before.st_mtime_ns) == ("m" in moves)


@pytest.mark.needs("user_xattr")
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_extended_attributes_move_ctime_alone(place: Path, tick: Tick, kind: str) -> None:
    path = make(place / "it", kind)
    before = os.stat(path)
    tick()
    _xattr(path)
    middle = os.stat(path)
    tick()
    os.removexattr(path, "user.x")
    after = os.stat(path)
    assert before.st_ctime_ns < middle.st_ctime_ns < after.st_ctime_ns
    assert before.st_mtime_ns == middle.st_mtime_ns == after.st_mtime_ns


def test_losing_a_name_moves_ctime(place: Path, tick: Tick) -> None:
    path = make(place / "it", "file")
    with opened(path, os.O_RDONLY) as descriptor:
        before = os.fstat(descriptor)
        tick()
        os.unlink(path)
        after = os.fstat(descriptor)
    assert after.st_ctime_ns > before.st_ctime_ns
    assert after.st_mtime_ns == before.st_mtime_ns


def test_being_replaced_moves_ctime(place: Path, tick: Tick) -> None:
    path = make(place / "it", "file")
    os.link(path, place / "kept")
    before = os.stat(path)
    make(place / "new", "file")
    tick()
    os.rename(place / "new", path)
    assert os.stat(place / "kept").st_ctime_ns > before.st_ctime_ns


@pytest.mark.needs("exchange")
def test_an_exchange_moves_both_and_their_parents(tree: Path, tick: Tick) -> None:
    one, two = tree / "outside", tree / "folder" / "file"
    watched = [one, two, tree, tree / "folder"]
    before = [os.stat(it).st_ctime_ns for it in watched]
    tick()
    renameat2(one, two, RENAME_EXCHANGE)
    after = [os.stat(it).st_ctime_ns for it in watched]
    assert all(new > old for new, old in zip(after, before, strict=True))


READERS: dict[str, tuple[str, Step]] = {
    "read": ("file", lambda it: it.read_bytes()),
    "listing": ("full directory", os.listdir),
    "readlink": ("symlink", os.readlink),
    "following": ("symlink", lambda it: answer(lambda: os.stat(it))),
}


@pytest.mark.needs("relatime")
class TestRelatime:
    """Reading moves atime when it is not after mtime and ctime, or a day old; else it stays."""

    @pytest.mark.parametrize(("kind", "step"), READERS.values(), ids=READERS.keys())
    def test_the_first_read_moves_it_and_the_next_does_not(
        self, place: Path, tick: Tick, kind: str, step: Step
    ) -> None:
        path = make(place / "it", kind)
        before = os.lstat(path)
        tick()
        step(path)
        first = os.lstat(path)
        tick()
        step(path)
        second = os.lstat(path)
        assert first.st_atime_ns > before.st_ctime_ns
        assert second.st_atime_ns == first.st_atime_ns
        assert second.st_ctime_ns == before.st_ctime_ns

    def test_a_write_makes_the_next_read_count(self, place: Path, tick: Tick) -> None:
        path = make(place / "it", "file")
        path.read_bytes()
        first = os.stat(path)
        tick()
        _write(path)
        tick()
        path.read_bytes()
        assert os.stat(path).st_atime_ns > first.st_atime_ns

    def test_an_atime_before_yesterday_is_renewed(self, place: Path) -> None:
        path = make(place / "it", "file")
        old = os.stat(path).st_mtime_ns - 3 * 86_400 * 10**9
        os.utime(path, ns=(old, old - 1))
        path.read_bytes()
        assert os.stat(path).st_atime_ns > old

    def test_o_noatime_keeps_it(self, place: Path, tick: Tick) -> None:
        path = make(place / "it", "file")
        before = os.stat(path)
        tick()
        with opened(path, os.O_RDONLY | os.O_NOATIME) as descriptor:
            os.read(descriptor, 9)
        assert os.stat(path) == before

    @pytest.mark.parametrize("step", [os.stat, lambda it: os.close(os.open(it, os.O_RDONLY))])
    def test_looking_is_not_reading(self, place: Path, tick: Tick, step: Step) -> None:
        path = make(place / "it", "file")
        before = os.stat(path)
        tick()
        step(path)
        assert os.stat(path) == before
