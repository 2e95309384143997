"""Opening what the independent reader reads, and closing it again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.format.reader import VolumeFileReader
from tests.format.volumes import KINDS, Kind

Read = Callable[[Path], VolumeFileReader]


@pytest.fixture
def read() -> Iterator[Read]:
    readers: list[VolumeFileReader] = []

    def reader_of(path: Path) -> VolumeFileReader:
        readers.append(VolumeFileReader(path))
        return readers[-1]

    yield reader_of
    for reader in readers:
        reader.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """For a volume file, in memory where that is to be had: nothing here is about disks."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="sqlfs-format-", dir=memory if memory.is_dir() else tmp_path
    ) as folder:
        yield Path(folder) / "volume.sqlite"
