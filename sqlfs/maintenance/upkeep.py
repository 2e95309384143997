"""Checks and scrubs of a file that is in use, as other processes ask for them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sqlfs.maintenance.check import check_file
from sqlfs.maintenance.findings import Finding, Progress
from sqlfs.maintenance.scrub import Scrub
from sqlfs.volume import VolumeFile


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """How far the check is that was begun last: rows or pieces of ``what``."""

    what: str
    done: int
    total: int


class Upkeep:
    """One per owner of a file.  Stop it before the file is closed."""

    def __init__(self, file: VolumeFile) -> None:
        self._file = file
        self.scrub = Scrub(file)
        self.progress = CheckProgress("", 0, 0)
        # One check at a time: each has the pools note what moves while it counts.
        self._turn = threading.Lock()

    def check(self, *, deep: bool, progress: Progress | None = None) -> list[Finding]:
        """As :func:`check_file`."""

        def note(what: str, done: int, total: int) -> None:
            self.progress = CheckProgress(what, done, total)
            if progress is not None:
                progress(what, done, total)

        with self._turn:
            return check_file(self._file, deep=deep, progress=note)

    def stop(self) -> None:
        self.scrub.stop()
