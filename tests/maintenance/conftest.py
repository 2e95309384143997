"""A volume file in memory where that is to be had: nothing here is about disks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.format.volumes import Kind


@pytest.fixture(params=["plain", "encrypted"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(b"pass" if request.param == "encrypted" else None)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="sqlfs-maintenance-", dir=memory if memory.is_dir() else tmp_path
    ) as folder:
        yield Path(folder) / "volume.sqlite"
