"""How a check shares a file with those who use it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlfs.maintenance.findings import Progress
from sqlfs.volume import VolumeFile

# Between two pages, so that those who wait for the lock get it.
_PAUSE_S: Final = 0.001
# Doors that wait for the check anyway.
_OWN_DOORS: Final = ("check", "cli")


class Pace:
    """Rows are looked at a page at a time, under the store's lock, and others come in between."""

    def __init__(self, file: VolumeFile, progress: Progress | None = None) -> None:
        self._file = file
        self._progress = progress
        self._what = ""
        self._done = self._total = 0

    @contextmanager
    def page(self) -> Iterator[None]:
        """Hold the lock, with everything that is in memory in its rows."""
        db = self._file.db
        with db.lock:
            if not self._file.read_only and db.failure is None:
                self._file.work.flush()
            yield
        if self._others():
            time.sleep(_PAUSE_S)

    def begin(self, what: str, total: int) -> None:
        """From here on, `total` rows or pieces are looked at."""
        self._what, self._done, self._total = what, 0, total
        self.advance(0)

    def advance(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._what, self._done, max(self._total, self._done))

    def _others(self) -> bool:
        return any(
            mount.door not in _OWN_DOORS or mount.pid != os.getpid()
            for mount in self._file.mounts()
        )
