"""Names through the mount: making, linking, renaming, removing, listing."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.mount.mounting import Mount, raises, run

RENAME_NOREPLACE = 1
AT_FDCWD = -100


def renameat2(old: Path, new: Path, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, bytes(old), AT_FDCWD, bytes(new), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def test_the_root(mounted: Mount) -> None:
    status = mounted.directory.stat()
    assert mounted.directory.is_mount()
    assert (status.st_ino, stat.S_ISDIR(status.st_mode)) == (1, True)


def test_directories_and_their_link_counts(mounted: Mount) -> None:
    top = mounted / "top"
    top.mkdir(0o750)
    (top / "sub").mkdir()
    assert stat.S_IMODE(top.stat().st_mode) == 0o750
    assert top.stat().st_nlink == 3
    with raises(errno.ENOTEMPTY):
        top.rmdir()
    with raises(errno.EEXIST):
        top.mkdir()
    (top / "sub").rmdir()
    assert top.stat().st_nlink == 2
    top.rmdir()
    assert not top.exists()


def test_what_cannot_be(mounted: Mount) -> None:
    (mounted / "file").touch()
    (mounted / "directory").mkdir()
    with raises(errno.ENOENT):
        (mounted / "missing").stat()
    with raises(errno.ENOTDIR):
        (mounted / "file" / "below").stat()
    with raises(errno.EISDIR):
        (mounted / "directory").write_text("x")
    with raises(errno.ENAMETOOLONG):
        (mounted / ("n" * 256)).touch()
    with raises(errno.EINVAL):
        (mounted / "directory").rename(mounted / "directory" / "below")
    with raises(errno.EEXIST):
        os.open(mounted / "file", os.O_CREAT | os.O_EXCL)


@pytest.mark.parametrize("name", [b"n" * 255, b"\xff\xfe", b"new\nline", b" ", b"-o", b"..."])
def test_any_name(mounted: Mount, name: bytes) -> None:
    path = os.path.join(bytes(mounted.directory), name)  # noqa: PTH118
    with open(path, "wb") as stream:
        stream.write(name)
    mounted.remount()
    assert os.listdir(bytes(mounted.directory)) == [name]  # noqa: PTH208
    with open(path, "rb") as stream:
        assert stream.read() == name


def test_hard_links(mounted: Mount) -> None:
    first, second = mounted / "first", mounted / "second"
    first.write_text("one")
    second.hardlink_to(first)
    assert first.stat().st_nlink == 2
    assert first.samefile(second)
    second.write_text("two")
    assert first.read_text() == "two"
    first.unlink()
    assert second.stat().st_nlink == 1
    with raises(errno.EPERM):
        os.link(mounted.directory, mounted / "directory")


def test_symlinks(mounted: Mount) -> None:
    target = "t" * 4000
    (mounted / "link").symlink_to(target)
    assert os.readlink(mounted / "link") == target  # noqa: PTH115
    assert (mounted / "link").lstat().st_size == len(target)
    (mounted / "file").write_text("x")
    (mounted / "short").symlink_to("file")
    assert (mounted / "short").read_text() == "x"
    (mounted / "loop").symlink_to("loop")
    with raises(errno.ELOOP):
        (mounted / "loop").stat()


def test_special_nodes(mounted: Mount) -> None:
    made = {
        "fifo": (stat.S_IFIFO, 0),
        "socket": (stat.S_IFSOCK, 0),
        "character": (stat.S_IFCHR, os.makedev(1, 3)),
        "block": (stat.S_IFBLK, os.makedev(259, 70000)),
        "regular": (stat.S_IFREG, 0),
    }
    for name, (kind, device) in made.items():
        os.mknod(mounted / name, kind | 0o640, device)
    mounted.remount()
    for name, (kind, device) in made.items():
        status = (mounted / name).stat()
        assert (status.st_mode, status.st_rdev) == (kind | 0o640, device)


def test_a_fifo_carries_data(mounted: Mount) -> None:
    fifo = mounted / "fifo"
    os.mkfifo(fifo)
    writer = subprocess.Popen(["sh", "-c", f"echo through > {fifo}"])
    assert fifo.read_text() == "through\n"
    assert writer.wait() == 0


def test_rename_replaces_at_once(mounted: Mount) -> None:
    old, new = mounted / "old", mounted / "new"
    old.write_text("old")
    new.write_text("new")
    with new.open() as replaced:
        old.rename(new)
        assert new.read_text() == "old"
        assert not old.exists()
        assert os.fstat(replaced.fileno()).st_nlink == 0
        assert replaced.read() == "new"


def test_rename_noreplace(mounted: Mount) -> None:
    old, new = mounted / "old", mounted / "new"
    old.write_text("old")
    new.write_text("new")
    with raises(errno.EEXIST):
        renameat2(old, new, RENAME_NOREPLACE)
    new.unlink()
    renameat2(old, new, RENAME_NOREPLACE)
    assert new.read_text() == "old"


def test_renaming_the_parent_of_an_open_file(mounted: Mount) -> None:
    (mounted / "a").mkdir()
    with (mounted / "a" / "file").open("w") as stream:
        (mounted / "a").rename(mounted / "b")
        stream.write("written after")
    assert (mounted / "b" / "file").read_text() == "written after"
    assert not (mounted / "a").exists()


def test_a_removed_directory_that_somebody_is_in(mounted: Mount) -> None:
    place = mounted / "gone"
    place.mkdir()
    descriptor = os.open(place, os.O_RDONLY)
    try:
        place.rmdir()
        assert os.fstat(descriptor).st_nlink == 0
        assert os.listdir(descriptor) == []  # noqa: PTH208
        with raises(errno.ENOENT):
            os.mkdir("below", dir_fd=descriptor)
    finally:
        os.close(descriptor)


def test_dot_and_dot_dot_are_listed_first(mounted: Mount) -> None:
    (mounted / "one").mkdir()
    (mounted / "one" / "two").mkdir()
    listed = run("ls", "-f", "-i", mounted / "one").stdout.split()
    inodes, names = listed[::2], listed[1::2]
    assert names == [".", "..", "two"]
    assert int(inodes[0]) == (mounted / "one").stat().st_ino
    assert int(inodes[1]) == 1


def test_a_listing_is_exact_while_others_come_and_go(mounted: Mount) -> None:
    steady = {f"steady{n:04}" for n in range(600)}
    for name in sorted(steady):
        (mounted / name).touch()
        (mounted / f"doomed-{name}").touch()
    seen: list[str] = []
    with os.scandir(mounted.directory) as entries:
        for number, entry in enumerate(entries):
            seen.append(entry.name)
            if number % 50 == 0:
                for doomed in sorted(steady)[number : number + 50]:
                    (mounted / f"doomed-{doomed}").unlink(missing_ok=True)
                    (mounted / f"fresh-{doomed}").touch()
    assert len(seen) == len(set(seen))
    assert steady <= set(seen)
    assert steady <= set(os.listdir(mounted.directory))  # noqa: PTH208


def test_a_tree_removed_while_it_is_listed(mounted: Mount) -> None:
    for number in range(300):
        place = mounted / f"d{number}"
        place.mkdir()
        (place / "file").write_text(str(number))
    run("rm", "-r", *mounted.directory.iterdir())
    assert list(mounted.directory.iterdir()) == []
