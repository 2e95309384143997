"""What once came out differently on a mount, one by one."""

from __future__ import annotations

import os

import pytest

from sqlfs.limits import CHUNK_BYTES_DEFAULT
from tests.acceptance.volumes import Volume
from tests.oracle.pair import Pair, Step
from tests.oracle.replay import replay

APPENDED: list[Step] = [
    ("open", (1, "a", os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)),
    ("write", (1, b"first")),
    ("map", (2, 1, True, True)),
    ("map_write", (2, 0, b"FIRST")),
    ("map_sync", (2,)),
    ("fsync", (1, False)),
]

COPIED_PAST_ITS_END: list[Step] = [
    ("open", (1, "a", os.O_CREAT | os.O_RDWR, 0o644)),
    ("write", (1, b"a" * 4097)),
    ("copy_range", (1, 0, 1, CHUNK_BYTES_DEFAULT, 188_131)),
]


def test_pages_of_an_appending_handle_stay_in_their_place(pair: Pair) -> None:
    assert replay(pair, APPENDED) == []
    pair.finish()


def test_a_file_copied_past_its_own_end_is_as_long_as_asked(pair: Pair) -> None:
    assert replay(pair, COPIED_PAST_ITS_END) == []
    pair.finish()


def test_a_name_that_is_replaced_meanwhile_is_listed_once(volume: Volume) -> None:
    names = ["a", "b", "c"]
    for name in names:
        (volume / name).touch()
    with os.scandir(volume.directory) as listing:
        listed = [next(listing).name for _ in names]
        (volume / "new").touch()
        (volume / "new").rename(volume / "a")
        listed += [entry.name for entry in listing]
    assert sorted(listed) == names


@pytest.mark.xfail(raises=AssertionError, reason="O_NOATIME counts for files alone")
def test_a_directory_is_listed_without_trace_if_asked(volume: Volume) -> None:
    os.utime(volume.directory, ns=(1, 1))
    descriptor = os.open(volume.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME)
    try:
        os.listdir(descriptor)
        assert os.fstat(descriptor).st_atime_ns == 1
    finally:
        os.close(descriptor)


@pytest.mark.xfail(raises=AssertionError, reason="the kernel answers it, and tells nobody")
def test_each_readlink_after_a_day_is_an_access(volume: Volume) -> None:
    link = volume / "link"
    link.symlink_to("target")
    link.readlink()
    os.utime(link, ns=(1, 1), follow_symlinks=False)
    link.readlink()
    assert link.lstat().st_atime_ns > 1
