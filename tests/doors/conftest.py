"""Two mounts of one file: the first owns it, the second is its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mount.mounting import Mount


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the file is, and a folder for each mountpoint."""
    return tmp_path


@pytest.fixture
def mounts(fuse: None, place: Path) -> Iterator[list[Mount]]:  # noqa: ARG001
    """Three mountpoints of one file, in no use yet."""
    with ExitStack() as stack:
        found = []
        for name in ("first", "second", "third"):
            folder = place / name
            folder.mkdir()
            mount = stack.enter_context(Mount(folder))
            mount.file = place / "volume.sqlite"
            found.append(mount)
        yield found


@pytest.fixture
def first(mounts: list[Mount]) -> Mount:
    """A mount of a new plain volume, which owns the file."""
    mounts[0].start()
    return mounts[0]


@pytest.fixture
def second(first: Mount, mounts: list[Mount]) -> Mount:
    """Another mount of the same volume, a client of the first."""
    assert first.is_mounted
    mounts[1].start()
    return mounts[1]
