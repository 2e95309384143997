"""What another session changes is seen through the mount at once, whatever the kernel cached."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import threading
import time
from pathlib import Path

import pytest

from fuse_driver.directories import SETTLED_NS
from tests.mount.model import ModelMount
from tests.mount.mounting import DEADLINE_S


class Listing:
    """A directory stream as of opendir(3).  Python's own looks at the directory each time, and then
    the kernel sees from its times that it was changed."""

    class Entry(ctypes.Structure):
        _fields_ = (
            ("inode", ctypes.c_uint64),
            ("offset", ctypes.c_int64),
            ("length", ctypes.c_ushort),
            ("type", ctypes.c_ubyte),
            ("name", ctypes.c_char * 256),
        )

    def __init__(self, directory: Path) -> None:
        self._libc = ctypes.CDLL(None)
        self._libc.opendir.restype = ctypes.c_void_p
        self._libc.readdir.restype = ctypes.POINTER(self.Entry)
        self._stream = ctypes.c_void_p(self._libc.opendir(os.fsencode(directory)))

    def again(self) -> list[str]:
        """The names from the start."""
        self._libc.rewinddir(self._stream)
        names = []
        while entry := self._libc.readdir(self._stream):
            names.append(os.fsdecode(entry.contents.name))
        return sorted(set(names) - {".", ".."})

    def close(self) -> None:
        self._libc.closedir(self._stream)


def test_create_where_the_kernel_knew_nothing(model_mount: ModelMount) -> None:
    path = model_mount / "new"
    assert not path.exists()
    model_mount.tell("create", "new", "hello")
    assert path.read_text() == "hello"
    assert list(model_mount.directory.iterdir()) == [path]


def test_truncate_of_what_the_kernel_cached(model_mount: ModelMount) -> None:
    path = model_mount / "file"
    path.write_text("0123456789")
    with path.open("rb", buffering=0) as stream:
        assert stream.read() == b"0123456789"
        model_mount.tell("truncate", "file", "4")
        assert path.stat().st_size == 4
        assert os.fstat(stream.fileno()).st_size == 4
        assert os.pread(stream.fileno(), 100, 0) == b"0123"


def test_new_content_of_a_mapped_file(model_mount: ModelMount) -> None:
    path = model_mount / "file"
    path.write_bytes(b"a" * mmap.PAGESIZE)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as page:
        assert page[0:1] == b"a"
        model_mount.tell("write", "file", "b")
        assert page[0:2] == b"ba"


def test_rename_and_remove(model_mount: ModelMount) -> None:
    old, new = model_mount / "old", model_mount / "new"
    old.write_text("x")
    assert not new.exists()
    model_mount.tell("rename", "old", "new")
    assert not old.exists()
    assert new.read_text() == "x"
    model_mount.tell("remove", "new")
    assert not new.exists()
    assert list(model_mount.directory.iterdir()) == []


def test_a_listing_that_the_kernel_kept(model_mount: ModelMount) -> None:
    directory = model_mount.directory
    (directory / "old").touch()
    deadline = time.monotonic() + DEADLINE_S
    # Of a directory that was changed just now, none is kept.
    while time.time_ns() - directory.stat().st_ctime_ns < SETTLED_NS:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with contextlib.closing(Listing(directory)) as listing:
        assert [listing.again() for _ in range(3)] == [["old"]] * 3
        model_mount.tell("create", "new", "x")
        assert listing.again() == ["new", "old"]
        (directory / "own").touch()
        assert listing.again() == ["new", "old", "own"]
        model_mount.tell("remove", "old")
        assert listing.again() == ["new", "own"]


def test_removed_while_open(model_mount: ModelMount) -> None:
    path = model_mount / "file"
    path.write_text("kept")
    with path.open() as stream:
        model_mount.tell("remove", "file")
        assert not path.exists()
        assert os.fstat(stream.fileno()).st_nlink == 0
        assert stream.read() == "kept"


def test_mode(model_mount: ModelMount) -> None:
    path = model_mount / "file"
    path.touch()
    path.chmod(0o600)
    assert path.stat().st_mode & 0o7777 == 0o600
    model_mount.tell("chmod", "file", "0640")
    assert path.stat().st_mode & 0o7777 == 0o640


def test_nobody_waits_for_the_fsync_of_another(model_mount: ModelMount) -> None:
    (model_mount / "other").write_text("other")
    # The kernel itself lets only one fsync of a file through at a time.
    files = [os.open(model_mount / f"file{n}", os.O_CREAT | os.O_RDWR) for n in range(8)]
    syncers = [threading.Thread(target=os.fsync, args=[file], daemon=True) for file in files]
    seen: list[object] = []

    def use_meanwhile() -> None:
        seen.append(os.fstat(files[0]).st_size)
        seen.append((model_mount / "other").read_text())
        seen.append(len(list(model_mount.directory.iterdir())))
        seen.append((model_mount / "written").write_text("meanwhile"))

    model_mount.tell("hold")
    for syncer in syncers:
        syncer.start()
    model_mount.tell("held", str(len(syncers)))
    user = threading.Thread(target=use_meanwhile, daemon=True)
    user.start()
    user.join(DEADLINE_S)
    assert seen == [0, "other", len(files) + 1, len("meanwhile")]
    assert all(syncer.is_alive() for syncer in syncers)
    model_mount.tell("go")
    for syncer, file in zip(syncers, files, strict=True):
        syncer.join(DEADLINE_S)
        assert not syncer.is_alive()
        os.close(file)


def test_an_unexpected_failure_is_an_error_of_one_request_only(model_mount: ModelMount) -> None:
    path = model_mount / "file"
    path.write_text("x")
    model_mount.tell("break", "readlink")
    (model_mount / "link").symlink_to("file")
    with pytest.raises(OSError, match="Input/output error"):
        (model_mount / "link").readlink()
    assert path.read_text() == "x"
    model_mount.expected_complaint = "RuntimeError: broken by the test"
