"""Every call that takes a path resolves it alike: the errors come in the same order for all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.posix.conftest import AsUser
from conformance.posix.expect import answer, fails
from conformance.posix.libc import renameat2
from conformance.posix.processes import ALICE, in_child

Call = Callable[[str], object]

NAME_BYTES_MAX = 255
PATH_BYTES_MAX = 4096


def _open(flags: int) -> Call:
    return lambda path: os.close(os.open(path, flags))


def _chroot(path: str) -> None:
    in_child(lambda: os.chroot(path))


def _execute(path: str) -> None:
    in_child(lambda: os.execv(path, ["it"]))


# Calls on something that is there, which follow a symlink at the end.
FOLLOWING: dict[str, Call] = {
    "chdir": lambda path: in_child(lambda: os.chdir(path)),
    "chmod": lambda path: os.chmod(path, 0o600),
    "chown": lambda path: os.chown(path, -1, -1),
    "chroot": _chroot,
    "execve": _execute,
    "getxattr": lambda path: os.getxattr(path, "user.x"),
    "listdir": os.listdir,
    "listxattr": os.listxattr,
    "open": _open(os.O_RDONLY),
    "open O_DIRECTORY": _open(os.O_RDONLY | os.O_DIRECTORY),
    "open O_PATH": _open(os.O_PATH),
    "open O_TRUNC": _open(os.O_WRONLY | os.O_TRUNC),
    "removexattr": lambda path: os.removexattr(path, "user.x"),
    "setxattr": lambda path: os.setxattr(path, "user.x", b""),
    "stat": os.stat,
    "statvfs": os.statvfs,
    "truncate": lambda path: os.truncate(path, 0),
    "utime": os.utime,
}
# Calls on something that is there, which do not follow a symlink at the end.
KEEPING: dict[str, Call] = {
    "lchown": lambda path: os.lchown(path, -1, -1),
    "link from": lambda path: os.link(path, path + "-new"),
    "lstat": os.lstat,
    "readlink": os.readlink,
    "rename from": lambda path: os.rename(path, "renamed"),
    "rmdir": os.rmdir,
    "unlink": os.unlink,
}
# Calls that make something new.
MAKING: dict[str, Call] = {
    "link to": lambda path: os.link("file", path),
    "mkdir": os.mkdir,
    "mkfifo": os.mkfifo,
    "mknod": lambda path: os.mknod(path, 0o100644),
    "open O_EXCL": _open(os.O_CREAT | os.O_EXCL | os.O_WRONLY),
    "symlink": lambda path: os.symlink("target", path),
}
# Calls that make something new and may meet something there.
PLACING: dict[str, Call] = {
    "open O_CREAT": _open(os.O_CREAT | os.O_WRONLY),
    "rename to": lambda path: os.rename("file", path),
}
EVERY = FOLLOWING | KEEPING | MAKING | PLACING


def each(calls: dict[str, Call]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", calls.values(), ids=calls.keys())


@pytest.fixture
def here(place: Path) -> Path:
    """The working directory, with one thing of each kind that paths meet."""
    os.chdir(place)
    (place / "file").write_bytes(b"content")
    (place / "folder").mkdir()
    os.mkfifo("fifo")
    os.symlink("loop", "loop")
    os.symlink("nowhere", "dangling")
    return place


BAD_PATHS = {
    "an empty path": ("", errno.ENOENT),
    "a missing folder": ("absent/x", errno.ENOENT),
    "a dangling symlink as folder": ("dangling/x", errno.ENOENT),
    "a file as folder": ("file/x", errno.ENOTDIR),
    "a fifo as folder": ("fifo/x", errno.ENOTDIR),
    "a file before dot dot": ("file/../file", errno.ENOTDIR),
    "a symlink to itself as folder": ("loop/x", errno.ELOOP),
    "a name of 256 bytes": ("n" * (NAME_BYTES_MAX + 1), errno.ENAMETOOLONG),
    "a folder's name of 256 bytes": ("n" * (NAME_BYTES_MAX + 1) + "/x", errno.ENAMETOOLONG),
    "a path of 4096 bytes": ("./" * 2047 + "xx", errno.ENAMETOOLONG),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("path", "code"), BAD_PATHS.values(), ids=BAD_PATHS.keys())
@each(EVERY)
def test_a_bad_path(call: Call, path: str, code: int) -> None:
    assert len(path) < PATH_BYTES_MAX or code == errno.ENAMETOOLONG
    with fails(code):
        call(path)


@pytest.mark.usefixtures("here")
@each(FOLLOWING | KEEPING)
def test_nothing_of_that_name(call: Call) -> None:
    with fails(errno.ENOENT):
        call("absent")


@pytest.mark.usefixtures("here")
@each(FOLLOWING)
def test_following_a_symlink_to_nowhere(call: Call) -> None:
    with fails(errno.ENOENT):
        call("dangling")


@pytest.mark.usefixtures("here")
@each(FOLLOWING)
def test_following_a_symlink_to_itself(call: Call) -> None:
    with fails(errno.ELOOP):
        call("loop")


@pytest.mark.usefixtures("here")
@each(FOLLOWING | KEEPING)
def test_a_slash_after_a_file(call: Call) -> None:
    with fails(errno.ENOTDIR):
        call("file/")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("there", ["file", "folder", "fifo", "loop", "dangling"])
@each(MAKING)
def test_making_what_is_there(call: Call, there: str) -> None:
    before = os.lstat(there)
    with fails(errno.EEXIST):
        call(there)
    assert os.lstat(there).st_ino == before.st_ino


SLASHES = {
    "link to": "ENOENT",
    "mkdir": "ok",
    "mkfifo": "ENOENT",
    "mknod": "ENOENT",
    "open O_CREAT": "EISDIR",
    "open O_EXCL": "EISDIR",
    "rename to": "ENOTDIR",
    "symlink": "ENOENT",
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", SLASHES)
def test_a_slash_after_what_is_made(name: str) -> None:
    assert answer(lambda: EVERY[name]("new/")) == SLASHES[name]


@each(EVERY)
def test_a_folder_that_may_not_be_searched(here: Path, as_user: AsUser, call: Call) -> None:
    (here / "folder" / "it").write_bytes(b"")
    os.chown("folder", ALICE.uid, ALICE.gid)
    os.chmod("folder", 0o600)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: call("folder/it"))


WRITING_FOLDER = MAKING | {it: PLACING[it] for it in ("open O_CREAT",)}


@each(WRITING_FOLDER)
def test_a_folder_that_may_not_be_written(here: Path, as_user: AsUser, call: Call) -> None:
    os.chown("folder", ALICE.uid, ALICE.gid)
    os.chown("file", ALICE.uid, ALICE.gid)
    os.chmod("folder", 0o500)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: call("folder/new"))
    assert os.listdir(here / "folder") == []


@pytest.mark.parametrize("name", ["unlink", "rename from"])
def test_removing_from_a_folder_that_may_not_be_written(
    here: Path, as_user: AsUser, name: str
) -> None:
    (here / "folder" / "it").write_bytes(b"")
    os.chown("folder", ALICE.uid, ALICE.gid)
    os.chown("folder/it", ALICE.uid, ALICE.gid)
    os.chmod("folder", 0o500)
    os.chmod(here, 0o777)
    with fails(errno.EACCES):
        as_user(ALICE, lambda: EVERY[name]("folder/it"))
    assert os.listdir(here / "folder") == ["it"]


@pytest.mark.parametrize("name", [*MAKING, "open O_CREAT"])
def test_making_in_a_removed_directory(here: Path, name: str) -> None:
    target = str(here / "file")
    calls = EVERY | {"link to": lambda path: os.link(target, path)}
    os.chdir("folder")
    os.rmdir(here / "folder")
    with fails(errno.ENOENT):
        calls[name]("new")


@pytest.mark.usefixtures("here")
@each(MAKING | PLACING)
def test_a_name_of_255_bytes(call: Call) -> None:
    name = "n" * NAME_BYTES_MAX
    call(name)
    assert name in os.listdir(".")


@pytest.mark.usefixtures("here")
@each(MAKING | PLACING)
def test_a_path_of_4095_bytes(call: Call) -> None:
    call("./" * 2046 + "new")
    assert "new" in os.listdir(".")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("links", "result"), [(40, "ok"), (41, "ELOOP")])
def test_how_many_symlinks_a_path_may_take(links: int, result: str) -> None:
    for number in range(links):
        os.symlink(f"link{number - 1}" if number else "file", f"link{number}")
    assert answer(lambda: os.stat(f"link{links - 1}")) == result


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("flags", [1 << 3, 1 << 31, 3], ids=["unknown", "top bit", "both"])
def test_flags_of_rename_that_mean_nothing(flags: int) -> None:
    with fails(errno.EINVAL):
        renameat2("file", "new", flags)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("folder/.", "ok"),
        ("folder/..", "ok"),
        ("folder//..//file", "ok"),
        ("./folder/../folder/./../file", "ok"),
        ("folder/", "ok"),
        ("folder/absent/..", "ENOENT"),
    ],
)
def test_dots_and_slashes(path: str, result: str) -> None:
    assert answer(lambda: os.stat(path)) == result


@pytest.mark.usefixtures("here")
def test_a_path_through_a_directory_descriptor() -> None:
    os.mkdir("folder/inner")
    descriptor = os.open("folder", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.rename("folder", "moved")
        os.close(os.open("inner/new", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        assert os.stat("inner/new", dir_fd=descriptor).st_ino == os.stat("moved/inner/new").st_ino
        assert os.stat("../file", dir_fd=descriptor).st_size == 7
        with fails(errno.ENOENT):
            os.stat("absent", dir_fd=descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.usefixtures("here")
def test_a_file_is_no_directory_descriptor() -> None:
    descriptor = os.open("file", os.O_RDONLY)
    try:
        with fails(errno.ENOTDIR):
            os.stat("x", dir_fd=descriptor)
    finally:
        os.close(descriptor)
