"""How the store makes files durable; replaced by tests that lose power."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Syncer(Protocol):
    """Makes what was written to a descriptor durable.  ``which`` is "log" or "main"."""

    def sync(self, fd: int, which: str) -> None: ...

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""


class DataSyncer:
    """fdatasync(2); releases the GIL."""

    def sync(self, fd: int, which: str) -> None:  # noqa: ARG002
        os.fdatasync(fd)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
