"""Files beyond 2 and 4 GiB, up to the largest offset there is; all of it holes."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from conformance.posix.capabilities import FILE_BYTES_MAX
from conformance.posix.expect import answer, fails
from conformance.posix.files import opened

OFFSETS = [
    2**31 - 2,
    2**31,
    2**32 - 2,
    2**32,
    2**32 + 1,
    2**33 + 4095,
    2**40,
    2**43 + 123,
]
EDGES = [2**44 - 4097, 2**48, 2**60 + 1, FILE_BYTES_MAX - 8192, FILE_BYTES_MAX - 2]


def write_and_read(path: Path, offset: int) -> None:
    with opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
        os.pwrite(descriptor, b"start", 0)
        os.pwrite(descriptor, b"xy", offset)
        assert os.fstat(descriptor).st_size == offset + 2
        assert os.pread(descriptor, 4, offset - 2) == b"\0\0xy"
        assert os.pread(descriptor, 5, 0) == b"start"
        assert os.lseek(descriptor, -1, os.SEEK_END) == offset + 1
        assert os.read(descriptor, 1) == b"y"


@pytest.mark.parametrize("offset", OFFSETS)
def test_writing_far_out(place: Path, offset: int) -> None:
    write_and_read(place / "file", offset)


@pytest.mark.needs("largest_file")
@pytest.mark.parametrize("offset", EDGES)
def test_writing_at_the_very_end(place: Path, offset: int) -> None:
    write_and_read(place / "file", offset)


@pytest.mark.parametrize("size", OFFSETS)
def test_truncating_far_out_and_back(place: Path, size: int) -> None:
    path = place / "file"
    path.write_bytes(b"content")
    os.truncate(path, size)
    assert os.stat(path).st_size == size
    with opened(path, os.O_RDONLY) as descriptor:
        assert os.pread(descriptor, 9, size - 5) == b"\0" * 5
    os.truncate(path, 3)
    assert path.read_bytes() == b"con"


@pytest.mark.needs("largest_file")
@pytest.mark.parametrize("size", [2**44, 2**62, FILE_BYTES_MAX])
def test_truncating_to_the_very_end(place: Path, size: int) -> None:
    path = place / "file"
    path.write_bytes(b"content")
    os.truncate(path, size)
    with opened(path, os.O_RDWR) as descriptor:
        assert os.lseek(descriptor, 0, os.SEEK_END) == size
        os.ftruncate(descriptor, 4)
    assert path.read_bytes() == b"cont"


def test_a_write_over_the_end_is_cut(place: Path) -> None:
    """Where the bound is lower than any offset; else there is no such write at all."""
    with opened(place / "file", os.O_RDWR | os.O_CREAT) as descriptor:
        low, high = 1 << 32, FILE_BYTES_MAX + 1
        while high - low > 1:
            middle = (low + high) // 2
            fits = answer(partial(os.ftruncate, descriptor, middle)) == "ok"
            low, high = (middle, high) if fits else (low, middle)
        os.ftruncate(descriptor, 0)
        if low == FILE_BYTES_MAX:
            with fails(errno.EINVAL):
                os.pwrite(descriptor, b"four", low - 2)
        else:
            assert os.pwrite(descriptor, b"four", low - 2) == 2
            assert os.fstat(descriptor).st_size == low
            with fails(errno.EFBIG):
                os.pwrite(descriptor, b"x", low)


def test_appending_far_out(place: Path) -> None:
    path = place / "file"
    path.write_bytes(b"")
    os.truncate(path, 2**32 + 7)
    with opened(path, os.O_RDWR | os.O_APPEND) as descriptor:
        os.write(descriptor, b"end")
        assert os.pread(descriptor, 9, 2**32 + 6) == b"\0end"
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 2**32 + 10
