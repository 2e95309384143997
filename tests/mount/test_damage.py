"""Damaged content at a mount: EIO for it, a line in the log that says where, all else as it was."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.format.tampering import flip, stored
from tests.format.volumes import Kind, row_of
from tests.mount.mounting import Mount

CHUNK = 256 * 1024
PAGE = 4096
CONTENT = random.Random(5).randbytes(5 * CHUNK + 1000)
DAMAGED = range(3 * CHUNK - 16 * 1024, 3 * CHUNK)  # of the third chunk the last segment


@pytest.fixture
def damaged(mounted: Mount) -> Iterator[Mount]:
    """A mount of a file with six chunks, of which the third is damaged at its end; what the log
    says of it is no complaint."""
    mounted.directory.joinpath("folder").mkdir()
    (mounted / "folder/file").write_bytes(CONTENT)
    (mounted / "other").write_bytes(CONTENT[::-1])
    mounted.unmount()
    row = row_of(mounted.file, Kind(), CONTENT[2 * CHUNK : 3 * CHUNK])
    flip(mounted.file, "chunk_data", "id", row)
    mounted.start()
    yield mounted
    mounted.unmount()
    mounted.log.write_text("")


def pages(path: Path) -> list[bytes | int]:
    """Every page, or the errno that reading it ended with."""
    descriptor = os.open(path, os.O_RDONLY)
    found: list[bytes | int] = []
    try:
        for at in range(0, len(CONTENT), PAGE):
            try:
                found.append(os.pread(descriptor, PAGE, at))
            except OSError as error:
                found.append(error.errno or 0)
        return found
    finally:
        os.close(descriptor)


def test_what_is_damaged_is_told_once_for_each_handle(damaged: Mount) -> None:
    path = damaged / "folder/file"
    expected = [
        errno.EIO if at in DAMAGED else CONTENT[at : at + PAGE]
        for at in range(0, len(CONTENT), PAGE)
    ]
    for times in (1, 2):
        assert pages(path) == expected
        told = damaged.complaints()
        assert len(told) == times
        where = f"'/folder/file' of volume 'main', bytes {DAMAGED[0]} to {DAMAGED[-1]}: chunk "
        assert where in told[-1]
    assert (damaged / "other").read_bytes() == CONTENT[::-1]


def test_damage_that_was_met_is_mended_by_the_same_bytes(damaged: Mount) -> None:
    path = damaged / "folder/file"
    assert errno.EIO in pages(path)
    with path.open("r+b", buffering=0) as stream:
        assert os.pwrite(stream.fileno(), CONTENT[2 * CHUNK : 3 * CHUNK], 2 * CHUNK)
        os.fsync(stream.fileno())
    assert path.read_bytes() == CONTENT


def test_a_damaged_manifest_names_all_that_lies_beneath(mounted: Mount) -> None:
    (mounted / "file").write_bytes(CONTENT)
    mounted.unmount()
    (row,) = stored(mounted.file, "SELECT max(id) AS id FROM chunk")
    flip(mounted.file, "chunk_data", "id", row["id"])
    mounted.start()
    assert pages(mounted / "file") == [errno.EIO] * len(range(0, len(CONTENT), PAGE))
    (told,) = mounted.complaints()
    assert f"'/file' of volume 'main', bytes 0 to {len(CONTENT) - 1}: manifest " in told
    assert (mounted / "file").stat().st_size == len(CONTENT)
    mounted.unmount()
    mounted.log.write_text("")
