"""fsync(2) and its kin, as far as they can be seen without losing power."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.posix.expect import fails
from conformance.posix.files import opened, pattern
from conformance.posix.kinds import make

Sync = Callable[[int], None]
SYNCS: dict[str, Sync] = {"fsync": os.fsync, "fdatasync": os.fdatasync}
every_sync = pytest.mark.parametrize("sync", SYNCS.values(), ids=SYNCS.keys())


@every_sync
@pytest.mark.parametrize("mode", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR], ids=["r", "w", "rw"])
def test_files_whatever_they_were_opened_for(place: Path, sync: Sync, mode: int) -> None:
    path = make(place / "file", "file")
    with opened(path, mode) as descriptor:
        sync(descriptor)
    assert path.read_bytes() == b"content"


@every_sync
def test_directories(place: Path, sync: Sync) -> None:
    make(place / "file", "file")
    with opened(place, os.O_RDONLY) as descriptor:
        sync(descriptor)
        os.unlink(place / "file")
        sync(descriptor)


@every_sync
def test_content_after_it(place: Path, sync: Sync) -> None:
    data = pattern(1_000_000)
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        os.write(descriptor, data)
        sync(descriptor)
        os.pwrite(descriptor, b"after", 500_000)
        sync(descriptor)
        assert os.pread(descriptor, 5, 500_000) == b"after"
    assert (place / "file").read_bytes() == data[:500_000] + b"after" + data[500_005:]


@every_sync
def test_it_moves_no_time(place: Path, sync: Sync) -> None:
    path = make(place / "file", "file")
    os.utime(path, ns=(3, 4))
    with opened(path, os.O_RDWR) as descriptor:
        before = os.fstat(descriptor)
        sync(descriptor)
        assert os.fstat(descriptor) == before


@every_sync
def test_what_it_is_not_for(place: Path, sync: Sync) -> None:
    with opened(make(place / "fifo", "fifo"), os.O_RDWR) as descriptor, fails(errno.EINVAL):
        sync(descriptor)
    with opened(make(place / "file", "file"), os.O_PATH) as descriptor, fails(errno.EBADF):
        sync(descriptor)


def test_an_unlinked_file(place: Path) -> None:
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        os.unlink(place / "file")
        os.write(descriptor, b"content")
        os.fsync(descriptor)
        assert os.pread(descriptor, 9, 0) == b"content"


def test_the_descriptor_of_another_shows_it(place: Path) -> None:
    path = make(place / "file", "file")
    with opened(path, os.O_RDWR) as one, opened(path, os.O_RDONLY) as other:
        os.pwrite(one, b"CONTENT", 0)
        os.fsync(other)
        assert os.pread(other, 9, 0) == b"CONTENT"


def test_a_new_file_made_safe_in_the_usual_way(place: Path) -> None:
    """Write aside, sync, rename, sync the directory."""
    make(place / "file", "file")
    for number in range(3):
        with opened(place / "new", os.O_CREAT | os.O_EXCL | os.O_WRONLY) as descriptor:
            os.write(descriptor, b"version %d" % number)
            os.fsync(descriptor)
        os.rename(place / "new", place / "file")
        with opened(place, os.O_RDONLY) as directory:
            os.fsync(directory)
        assert (place / "file").read_bytes() == b"version %d" % number
    assert os.listdir(place) == ["file"]
