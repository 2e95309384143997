"""Mounts as fixtures: gone after each test, with nothing to complain about in their logs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.model import ModelMount
from tests.mount.mounting import Mount


@pytest.fixture
def mount(fuse: None, tmp_path: Path) -> Iterator[Mount]:  # noqa: ARG001
    """A file and a mountpoint, neither made nor mounted yet."""
    with Mount(tmp_path) as mount:
        yield mount


@pytest.fixture
def reachable(fuse: None) -> Iterator[Mount]:  # noqa: ARG001
    """A mount that other users reach: pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory(prefix="sqlfs-posix-") as place:
        Path(place).chmod(0o755)
        with Mount(Path(place)) as mount:
            yield mount


@pytest.fixture
def mounted(mount: Mount) -> Mount:
    """A new plain volume, mounted by sqlfs-mount."""
    mount.start()
    return mount


@pytest.fixture
def model_mount(fuse: None, tmp_path: Path) -> Iterator[ModelMount]:  # noqa: ARG001
    """A volume in memory, mounted by the driver, that a second session can change."""
    directory = tmp_path / "model"
    directory.mkdir()
    with ModelMount(directory) as mount:
        yield mount
