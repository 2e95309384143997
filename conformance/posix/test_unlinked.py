"""Things that are open and have no name any more: they work until the last close."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.posix.expect import answer, exists, fails
from conformance.posix.files import opened, pattern
from conformance.posix.kinds import make
from conformance.posix.libc import AT_SYMLINK_FOLLOW, linkat
from conformance.posix.processes import in_child

Loss = Callable[[Path], None]


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"another")
    os.rename(other, path)


def _with_its_directory(path: Path) -> None:
    os.unlink(path)
    os.rmdir(path.parent)


def _and_a_new_one(path: Path) -> None:
    os.unlink(path)
    path.write_bytes(b"another")


def _last_of_two(path: Path) -> None:
    os.link(path, path.with_name("second"))
    os.unlink(path)
    os.unlink(path.with_name("second"))


def _after_a_rename(path: Path) -> None:
    os.rename(path, path.with_name("moved"))
    os.unlink(path.with_name("moved"))


LOSSES: dict[str, Loss] = {
    "unlinked": os.unlink,
    "replaced": _replace,
    "with its directory": _with_its_directory,
    "and a new one of its name": _and_a_new_one,
    "after its second name": _last_of_two,
    "after a rename": _after_a_rename,
}


@contextmanager
def lost(place: Path, loss: Loss) -> Iterator[int]:
    """A descriptor of a file with pattern(10_000) that lost its name."""
    folder = make(place / "folder", "directory")
    (folder / "file").write_bytes(pattern(10_000))
    with opened(folder / "file", os.O_RDWR) as descriptor:
        loss(folder / "file")
        yield descriptor


every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@every_loss
def test_reading_writing_and_truncating(place: Path, loss: Loss) -> None:
    with lost(place, loss) as descriptor:
        assert os.pread(descriptor, 10_000, 0) == pattern(10_000)
        os.pwrite(descriptor, b"more", 20_000)
        assert (
            os.pread(descriptor, 14_004, 9_999) == pattern(10_000)[-1:] + b"\0" * 10_000 + b"more"
        )
        os.ftruncate(descriptor, 5)
        assert os.pread(descriptor, 9, 0) == pattern(5)
        os.ftruncate(descriptor, 1 << 33)
        assert os.fstat(descriptor).st_size == 1 << 33
        os.fsync(descriptor)


@every_loss
def test_attributes(place: Path, loss: Loss) -> None:
    with lost(place, loss) as descriptor:
        assert os.fstat(descriptor).st_nlink == 0
        os.fchmod(descriptor, 0o604)
        os.utime(descriptor, ns=(3, 4))
        status = os.fstat(descriptor)
        assert stat.S_IMODE(status.st_mode) == 0o604
        assert (status.st_atime_ns, status.st_mtime_ns) == (3, 4)
        os.fchown(descriptor, os.geteuid(), os.getegid())


@every_loss
def test_opening_it_again(place: Path, loss: Loss) -> None:
    with lost(place, loss) as descriptor:
        again = f"/proc/self/fd/{descriptor}"
        with opened(again, os.O_RDWR) as second:
            os.pwrite(second, b"second", 0)
        with opened(again, os.O_WRONLY | os.O_TRUNC):
            assert os.fstat(descriptor).st_size == 0


@every_loss
def test_it_gets_no_name_again(place: Path, loss: Loss) -> None:
    with lost(place, loss) as descriptor, fails(errno.ENOENT):
        linkat(f"/proc/self/fd/{descriptor}", place / "again", AT_SYMLINK_FOLLOW)
    assert not exists(place / "again")


@every_loss
def test_another_process_has_it_too(place: Path, loss: Loss) -> None:
    with lost(place, loss) as descriptor:
        in_child(lambda: os.pwrite(descriptor, b"child", 0))
        assert os.pread(descriptor, 5, 0) == b"child"


def test_the_last_of_several_descriptors_counts(place: Path) -> None:
    path = make(place / "file", "file")
    with opened(path, os.O_RDONLY) as one:
        with opened(path, os.O_RDWR) as other:
            path.unlink()
            os.write(other, b"changed")
        assert os.read(one, 9) == b"changed"


def test_a_new_file_of_its_name_is_another(place: Path) -> None:
    path = make(place / "file", "file")
    with opened(path, os.O_RDWR) as old:
        path.unlink()
        path.write_bytes(b"new")
        os.pwrite(old, b"old", 0)
        assert os.fstat(old).st_ino != os.stat(path).st_ino
        assert path.read_bytes() == b"new"
        os.ftruncate(old, 0)
        assert os.stat(path).st_size == 3


def test_one_name_of_two_goes(place: Path) -> None:
    path = make(place / "file", "file")
    os.link(path, place / "other")
    with opened(path, os.O_RDWR) as descriptor:
        path.unlink()
        assert os.fstat(descriptor).st_nlink == 1
        os.pwrite(descriptor, b"C", 0)
    assert (place / "other").read_bytes() == b"Content"


@pytest.mark.needs("user_xattr")
def test_extended_attributes_of_it(place: Path) -> None:
    path = make(place / "file", "file")
    os.setxattr(path, "user.old", b"v")
    with opened(path, os.O_RDWR) as descriptor:
        path.unlink()
        os.setxattr(descriptor, "user.new", b"w")
        assert os.getxattr(descriptor, "user.old") + os.getxattr(descriptor, "user.new") == b"vw"


def test_many_at_once(place: Path) -> None:
    descriptors = []
    for number in range(200):
        descriptors.append(os.open(place / "file", os.O_CREAT | os.O_EXCL | os.O_RDWR))
        os.write(descriptors[-1], pattern(5000, number))
        os.unlink(place / "file")
    assert os.listdir(place) == []
    try:
        for number, descriptor in enumerate(descriptors):
            assert os.pread(descriptor, 6000, 0) == pattern(5000, number)
        assert len({os.fstat(it).st_ino for it in descriptors}) == 200
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


# --- directories ---


def test_a_removed_directory(place: Path) -> None:
    folder = make(place / "folder", "directory")
    with opened(folder, os.O_RDONLY) as descriptor:
        folder.rmdir()
        assert os.fstat(descriptor).st_nlink == 0
        assert os.listdir(descriptor) == []
        os.fchmod(descriptor, 0o700)
        os.fsync(descriptor)
        for call in (
            lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor),
            lambda: os.mkdir("x", dir_fd=descriptor),
            lambda: os.symlink("x", "x", dir_fd=descriptor),
            lambda: os.stat("x", dir_fd=descriptor),
            lambda: os.rename(place, "x", dst_dir_fd=descriptor),
        ):
            assert answer(call) == "ENOENT"


def test_a_removed_working_directory(place: Path) -> None:
    folder = make(place / "folder", "directory")
    os.chdir(folder)
    folder.rmdir()
    with fails(errno.ENOENT):
        os.getcwd()
    with fails(errno.ENOENT):
        os.mkdir("x")
    with fails(errno.ENOENT):
        os.listdir(folder)
    assert stat.S_ISDIR(os.stat(".").st_mode)
    os.chdir("..")
    assert os.getcwd() == str(place)


def test_a_directory_made_again_is_another(place: Path) -> None:
    folder = make(place / "folder", "directory")
    with opened(folder, os.O_RDONLY) as old:
        folder.rmdir()
        folder.mkdir()
        make(folder / "file", "file")
        assert os.listdir(old) == []
        assert os.fstat(old).st_ino != os.stat(folder).st_ino


# --- other kinds ---


@pytest.mark.parametrize("kind", ["file", "fifo", "socket", "symlink", "directory"])
def test_a_place_held_by_o_path(place: Path, kind: str) -> None:
    path = make(place / "it", kind)
    with opened(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
        before = os.fstat(descriptor)
        (os.rmdir if kind == "directory" else os.unlink)(path)
        after = os.fstat(descriptor)
        assert (after.st_nlink, after.st_ino) == (0, before.st_ino)
        if kind == "symlink":
            assert os.readlink("", dir_fd=descriptor) == "nowhere"


def test_a_fifo_without_a_name(place: Path) -> None:
    fifo = make(place / "fifo", "fifo")
    with opened(fifo, os.O_RDWR) as descriptor:
        fifo.unlink()
        os.write(descriptor, b"x")
        assert os.read(descriptor, 2) == b"x"
