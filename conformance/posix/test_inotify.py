"""inotify(7): who watches learns of everything that happens here."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.posix import notify
from conformance.posix.expect import fails
from conformance.posix.files import opened
from conformance.posix.kinds import make
from conformance.posix.notify import Notifier
from conformance.posix.processes import in_child


@pytest.fixture
def notifier() -> Iterator[Notifier]:
    with Notifier() as it:
        yield it


@pytest.fixture
def folder(place: Path) -> Path:
    """With a file, an empty directory, and something outside."""
    folder = make(place / "folder", "directory")
    make(folder / "file", "file")
    make(folder / "inner", "directory")
    make(place / "outside", "file")
    return folder


def _write(path: Path) -> None:
    with opened(path, os.O_WRONLY) as descriptor:
        os.write(descriptor, b"x")


def _read(path: Path) -> None:
    with opened(path, os.O_RDONLY) as descriptor:
        os.read(descriptor, 1)


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


Step = Callable[[Path], object]
IN_A_DIRECTORY: dict[str, tuple[Step, list[str]]] = {
    "create": (
        lambda it: _create(it / "new"),
        ["CREATE new", "OPEN new", "CLOSE_WRITE new"],
    ),
    "mkdir": (lambda it: os.mkdir(it / "new"), ["CREATE|ISDIR new"]),
    "mkfifo": (lambda it: os.mkfifo(it / "new"), ["CREATE new"]),
    "symlink": (lambda it: os.symlink("x", it / "new"), ["CREATE new"]),
    "link": (lambda it: os.link(it.parent / "outside", it / "new"), ["CREATE new"]),
    "unlink": (lambda it: os.unlink(it / "file"), ["DELETE file"]),
    "rmdir": (lambda it: os.rmdir(it / "inner"), ["DELETE|ISDIR inner"]),
    "write": (
        lambda it: _write(it / "file"),
        ["OPEN file", "MODIFY file", "CLOSE_WRITE file"],
    ),
    "read": (
        lambda it: _read(it / "file"),
        ["OPEN file", "ACCESS file", "CLOSE_NOWRITE file"],
    ),
    "truncate": (lambda it: os.truncate(it / "file", 3), ["MODIFY file"]),
    "chmod": (lambda it: os.chmod(it / "file", 0o600), ["ATTRIB file"]),
    "chmod of a directory": (lambda it: os.chmod(it / "inner", 0o700), ["ATTRIB|ISDIR inner"]),
    "chown": (lambda it: os.chown(it / "file", os.geteuid(), -1), ["ATTRIB file"]),
    "utime": (lambda it: os.utime(it / "file"), ["ATTRIB file"]),
    "moving in": (lambda it: os.rename(it.parent / "outside", it / "new"), ["MOVED_TO new"]),
    "moving out": (lambda it: os.rename(it / "file", it.parent / "new"), ["MOVED_FROM file"]),
    "moving within": (
        lambda it: os.rename(it / "file", it / "new"),
        ["MOVED_FROM file", "MOVED_TO new"],
    ),
    "moving a directory": (
        lambda it: os.rename(it / "inner", it / "new"),
        ["ISDIR|MOVED_FROM inner", "ISDIR|MOVED_TO new"],
    ),
    "replacing": (lambda it: os.rename(it.parent / "outside", it / "file"), ["MOVED_TO file"]),
    "work further below": (lambda it: os.mkdir(it / "inner" / "new"), []),
    "stat": (lambda it: os.stat(it / "file"), []),
}


@pytest.mark.parametrize(("step", "wanted"), IN_A_DIRECTORY.values(), ids=IN_A_DIRECTORY.keys())
def test_what_happens_in_a_directory(
    notifier: Notifier, folder: Path, step: Step, wanted: list[str]
) -> None:
    notifier.watch(folder)
    step(folder)
    assert [str(it) for it in notifier.events()] == wanted


@pytest.mark.needs("user_xattr")
def test_an_extended_attribute(notifier: Notifier, folder: Path) -> None:
    notifier.watch(folder)
    os.setxattr(folder / "file", "user.x", b"v")
    assert [str(it) for it in notifier.events()] == ["ATTRIB file"]


OF_A_FILE: dict[str, tuple[Step, list[str]]] = {
    "unlink": (os.unlink, ["ATTRIB", "DELETE_SELF", "IGNORED"]),
    "rename": (lambda it: os.rename(it, it.with_name("new")), ["MOVE_SELF"]),
    "replace": (
        lambda it: os.rename(it.parent.parent / "outside", it),
        ["ATTRIB", "DELETE_SELF", "IGNORED"],
    ),
    "link": (lambda it: os.link(it, it.with_name("new")), ["ATTRIB"]),
    "write": (_write, ["OPEN", "MODIFY", "CLOSE_WRITE"]),
}


@pytest.mark.parametrize(("step", "wanted"), OF_A_FILE.values(), ids=OF_A_FILE.keys())
def test_what_happens_to_a_file(
    notifier: Notifier, folder: Path, step: Step, wanted: list[str]
) -> None:
    notifier.watch(folder / "file")
    step(folder / "file")
    assert [str(it) for it in notifier.events()] == wanted


def test_the_end_of_an_unlinked_file_is_its_last_close(notifier: Notifier, folder: Path) -> None:
    notifier.watch(folder / "file", notify.ATTRIB | notify.DELETE_SELF)
    with opened(folder / "file", os.O_RDONLY):
        os.unlink(folder / "file")
        assert [str(it) for it in notifier.events()] == ["ATTRIB"]
    assert [str(it) for it in notifier.events()] == ["DELETE_SELF", "IGNORED"]


def test_the_end_of_a_directory(notifier: Notifier, folder: Path) -> None:
    notifier.watch(folder / "inner")
    os.rmdir(folder / "inner")
    assert [str(it) for it in notifier.events()] == ["DELETE_SELF", "IGNORED"]


def test_both_halves_of_a_move_have_one_cookie(notifier: Notifier, folder: Path) -> None:
    notifier.watch(folder)
    notifier.watch(folder / "inner")
    os.rename(folder / "file", folder / "inner" / "new")
    gone, come = notifier.events()
    assert (str(gone), str(come)) == ("MOVED_FROM file", "MOVED_TO new")
    assert gone.cookie == come.cookie != 0


def test_another_process_is_seen(notifier: Notifier, folder: Path) -> None:
    notifier.watch(folder)
    in_child(lambda: os.mkdir(folder / "new"))
    assert [str(it) for it in notifier.events()] == ["CREATE|ISDIR new"]


def test_a_watch_follows_a_move(notifier: Notifier, folder: Path) -> None:
    notifier.watch(folder)
    folder.rename(folder.with_name("moved"))
    os.mkdir(folder.with_name("moved") / "new")
    assert [str(it) for it in notifier.events()] == ["MOVE_SELF", "CREATE|ISDIR new"]


def test_two_names_of_a_file_are_one_watch(notifier: Notifier, folder: Path) -> None:
    os.link(folder / "file", folder / "other")
    assert notifier.watch(folder / "file") == notifier.watch(folder / "other")


def test_a_watch_that_was_taken_back(notifier: Notifier, folder: Path) -> None:
    watch = notifier.watch(folder)
    notifier.unwatch(watch)
    os.mkdir(folder / "new")
    assert [str(it) for it in notifier.events()] == ["IGNORED"]
    with fails(errno.EINVAL):
        notifier.unwatch(watch)


def test_a_watch_for_one_event(notifier: Notifier, folder: Path) -> None:
    notifier.watch(folder, notify.CREATE | notify.ONESHOT)
    os.mkdir(folder / "new")
    os.mkdir(folder / "newer")
    assert [str(it) for it in notifier.events()] == ["CREATE|ISDIR new", "IGNORED"]


@pytest.mark.parametrize(
    ("name", "mask", "code"),
    [
        ("file", notify.ALL | notify.ONLYDIR, errno.ENOTDIR),
        ("absent", notify.ALL, errno.ENOENT),
        ("file/x", notify.ALL, errno.ENOTDIR),
        ("file", 0, errno.EINVAL),
    ],
)
def test_what_cannot_be_watched(
    notifier: Notifier, folder: Path, name: str, mask: int, code: int
) -> None:
    with fails(code):
        notifier.watch(folder / name, mask)


def test_a_symlink_is_followed_or_not(notifier: Notifier, folder: Path) -> None:
    (folder / "link").symlink_to("file")
    followed = notifier.watch(folder / "link")
    kept = notifier.watch(folder / "link", notify.ALL | notify.DONT_FOLLOW)
    assert followed == notifier.watch(folder / "file")
    assert kept != followed
