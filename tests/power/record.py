"""The record of a run: every effect on the disk, in order, and what was acknowledged when."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Write:
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """Everything that was done to `file` before event `covers` is durable."""

    file: int
    covers: int


@dataclass(frozen=True, slots=True)
class Create:
    file: int
    name: str


@dataclass(frozen=True, slots=True)
class Unlink:
    name: str


@dataclass(frozen=True, slots=True)
class SyncFolder:
    """Every creation and removal before event `covers` is durable."""

    covers: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """From here on, a loss of what `state` names would be a broken promise."""

    state: int


Event = Write | Truncate | Sync | Create | Unlink | SyncFolder | Acknowledge


class Recorder:
    """The record of what happens to one volume file and its log.

    What lies in `path` and beside it when the recorder is made counts as durable.  Files are
    numbered in the order in which they were made: a name may mean several in turn.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base: dict[str, bytes] = {}
        self.events: list[Event] = []  # guarded by _lock
        self._files: dict[str, int] = {}  # what a name means now; guarded by _lock
        self._made = 0  # guarded by _lock
        self._lock = threading.Lock()
        for found in sorted(path.parent.iterdir()):
            self.base[found.name] = found.read_bytes()
            self._files[found.name] = self._number()

    @property
    def base_files(self) -> dict[str, int]:
        """The numbers of the files that were there at the start."""
        return {name: number for number, name in enumerate(self.base)}

    def acknowledge(self, state: int) -> None:
        self._append(Acknowledge(state))

    def here(self) -> int:
        """The number of the next event."""
        with self._lock:
            return len(self.events)

    def opened(self, name: str, *, is_new: bool) -> int:
        """The number of the file that `name` means; a new one if it was just made."""
        with self._lock:
            if is_new:
                self._files[name] = self._number()
                self.events.append(Create(self._files[name], name))
            return self._files[name]

    def wrote(self, file: int, offset: int, data: bytes) -> None:
        self._append(Write(file, offset, data))

    def truncated(self, file: int, size: int) -> None:
        self._append(Truncate(file, size))

    def synced(self, file: int, covers: int) -> None:
        self._append(Sync(file, covers))

    def synced_name(self, name: str, covers: int) -> None:
        with self._lock:
            self.events.append(Sync(self._files[name], covers))

    def unlinked(self, name: str, *, durable: bool) -> None:
        with self._lock:
            del self._files[name]
            self.events.append(Unlink(name))
            if durable:
                self.events.append(SyncFolder(len(self.events)))

    def synced_folder(self, covers: int) -> None:
        self._append(SyncFolder(covers))

    def _append(self, event: Event) -> None:
        with self._lock:
            self.events.append(event)

    def _number(self) -> int:
        self._made += 1
        return self._made - 1


class RecordingSyncer:
    """The store's own syncs: done, and written to the record once they are."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def sync(self, fd: int, which: str) -> None:
        covers = self._recorder.here()
        os.fdatasync(fd)
        name = self._recorder.path.name + ("-wal" if which == "log" else "")
        self._recorder.synced_name(name, covers)
