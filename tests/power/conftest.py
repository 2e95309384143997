"""What all power cuts need."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlfs.store import image
from sqlfs.volume import file


@pytest.fixture
def disk_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if there is one, for the images: thousands are written."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="sqlfs-power-", dir=memory if memory.is_dir() else tmp_path
    ) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def nobody_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else opens the images, and closing an inotify instance takes the kernel 10 ms."""
    monkeypatch.setattr(file, "OpenWatch", NoWatch)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backups of small files take a while, too."""
    monkeypatch.setattr(image, "PIECE_BYTES", 16384)


class NoWatch:
    """To be used without the committing thread, which asks for more."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def hold(self) -> bool:
        return False

    def may_change(self) -> bool:
        return True

    def close(self) -> None:
        pass
