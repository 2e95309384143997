"""A volume file and its log on the disk: making them durable, and whether they are still found.

The log is found by the file's name.  If the file is renamed, or another one put in its place, while
it is in use, then the log and what is in it are no longer found, and another process may open what
lies there now.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlfs.errors import InputOutput
from sqlfs.store import ownership
from sqlfs.store.io import DataSyncer, Syncer
from sqlfs.store.log import log_path


class Place:
    """The path of a volume file, and SQLite's descriptors of it and of its log.  Whoever uses it
    sees to it that syncs of the log take turns."""

    def __init__(self, path: Path, fd: int, syncer: Syncer | None) -> None:
        self._path = path
        self._log_path = log_path(path)  # looked for after every sync
        self._fd = fd
        self._file = _identity(os.fstat(fd))
        self._log_fd = -1
        self._log: tuple[int, int] | None = None
        self._log_is_named = False
        self._syncer = syncer or DataSyncer()

    # --- syncs: OSError is the caller's ---

    def sync_file(self) -> None:
        self._syncer.sync(self._fd, "main")

    def sync_log(self) -> None:
        """Make the log durable, and its name.  Raises InputOutput if it is gone."""
        self._syncer.sync(self.log_descriptor(), "log")
        # SQLite syncs the name of a log that it makes, but not of one that it finds: it may have
        # been made by a process that was killed before it did.
        if not self._log_is_named:
            self._syncer.sync_folder(self._path.parent)
            self._log_is_named = True

    def log_descriptor(self) -> int:
        """SQLite's own.  Raises InputOutput if the log is gone."""
        if self._log_fd < 0:
            try:
                found = ownership.open_descriptors(self._log_path.stat())
            except FileNotFoundError:
                found = set()
            if not found:
                raise InputOutput(f"the log of {self._path} was removed while it was in use")
            self._log_fd = min(found)
            self._log = _identity(os.fstat(self._log_fd))
        return self._log_fd

    # --- where they are ---

    def parted(self) -> str | None:
        """How path and file came apart, with both names; None while they have not."""
        try:
            if _identity(self._path.stat()) != self._file:
                return f"{self._path} is another file now: the one that was opened is {self.now()}"
        except OSError as error:
            return (
                f"{self._path} can't be found any more ({error.strerror}): the file that was opened"
                f" is {self.now()}"
            )
        if self._log is not None and not self._log_is_in_place():
            return f"{self._log_path} was removed or replaced while it was in use"
        return None

    def remove_log(self) -> None:
        """Remove the log, which nothing needs any more, unless its name is another file's now."""
        if self._log_is_in_place():
            self._log_path.unlink()

    def _log_is_in_place(self) -> bool:
        try:
            return _identity(self._log_path.stat()) == self._log
        except OSError:
            return False

    def is_named(self) -> bool:
        """Whether the file has any name left."""
        return os.fstat(self._fd).st_nlink > 0

    def now(self) -> str:
        """Where the file is, by the kernel's word."""
        try:
            return os.readlink(f"/proc/self/fd/{self._fd}")  # noqa: PTH115
        except OSError as error:
            return f"nowhere to be seen ({error.strerror})"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
