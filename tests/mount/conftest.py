"""Mounts as fixtures: gone after each test, with nothing to complain about in their logs."""

from __future__ import annotations

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
