"""A folder in memory for the images: thousands are written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def disk_folder(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="sqlfs-power-", dir=memory if memory.is_dir() else tmp_path
    ) as folder:
        yield Path(folder)
