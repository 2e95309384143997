"""Small file systems of the tests' own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.full.disk import Disk, loop_ext4, tmpfs

MIB = 2**20


@pytest.fixture(scope="session", autouse=True)
def may_mount() -> None:
    if os.geteuid() != 0:
        pytest.skip("file systems are mounted by root only")


def _has_loop_devices() -> bool:
    return subprocess.run(["losetup", "--find"], capture_output=True).returncode == 0


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A file system of 64 MiB."""
    make = tmpfs
    if request.param == "ext4":
        if not _has_loop_devices():
            pytest.skip("no loop device is to be had")
        make = loop_ext4
    with ExitStack() as stack:
        yield stack.enter_context(make(tmp_path, 64 * MIB))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system in memory, of 64 MiB."""
    with tmpfs(tmp_path, 64 * MIB) as made:
        yield made


@pytest.fixture
def disk_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if there is one: thousands of files are written."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="sqlfs-full-", dir=memory if memory.is_dir() else tmp_path
    ) as folder:
        yield Path(folder)
