"""Steps that once came out differently on a mount, one by one."""

from __future__ import annotations

import os

import pytest

from tests.acceptance.volumes import Volume
from tests.oracle.pair import Pair, Step
from tests.oracle.replay import replay

FOUND: dict[str, list[Step]] = {
    "pages written by way of an appending handle stay in their place": [
        ("open", (1, "a", os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)),
        ("write", (1, b"first")),
        ("map", (2, 1, True, True)),
        ("map_write", (2, 0, b"FIRST")),
        ("map_sync", (2,)),
        ("fsync", (1, False)),
    ],
}


@pytest.mark.xfail(
    raises=AssertionError, reason="what is written back through an appending handle is appended"
)
@pytest.mark.parametrize("steps", FOUND.values(), ids=FOUND.keys())
def test_it_comes_out_the_same(pair: Pair, steps: list[Step]) -> None:
    assert replay(pair, steps) == []
    pair.finish()


@pytest.mark.xfail(
    raises=AssertionError, reason="a name that is replaced moves to the end of its directory"
)
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


@pytest.mark.xfail(
    raises=AssertionError,
    reason="the kernel answers from memory, and the driver does not hear of it",
)
def test_each_readlink_after_a_day_is_an_access(volume: Volume) -> None:
    link = volume / "link"
    link.symlink_to("target")
    link.readlink()
    os.utime(link, ns=(1, 1), follow_symlinks=False)
    link.readlink()
    assert link.lstat().st_atime_ns > 1
