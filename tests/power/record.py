"""The record of a run: every effect on the disk, in order, and what was acknowledged when."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from sqlfs.store.io import DataSyncer

_LOG = "-wal"


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


@dataclass(slots=True)
class Record:
    """What was in a folder, and what happened to it.

    ``base`` counts as durable.  Files are numbered in the order in which they were made, those
    of the base first: a name may mean several in turn.
    """

    base: dict[str, bytes]
    events: list[Event] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Record:
        """The record of a machine that has just come up and found `folder`."""
        return cls({each.name: each.read_bytes() for each in sorted(folder.iterdir())})

    @property
    def base_files(self) -> dict[str, int]:
        """The numbers of the files that were there at the start."""
        return {name: number for number, name in enumerate(self.base)}

    @property
    def files(self) -> dict[str, int]:
        """The numbers of the files that are there at the end, for whoever looks."""
        found = self.base_files
        for event in self.events:
            if isinstance(event, Create):
                found[event.name] = event.file
            elif isinstance(event, Unlink):
                del found[event.name]
        return found

    def until(self, event: int) -> Record:
        """The record as it was when so many events had happened."""
        return Record(self.base, self.events[:event])


class Recorder:
    """Goes on with the record of one volume file and its log."""

    def __init__(self, path: Path, record: Record) -> None:
        self.path = path
        self.record = record
        self._events = record.events  # guarded by _lock
        self._files = record.files  # what a name means now; guarded by _lock
        made = sum(isinstance(event, Create) for event in record.events)
        self._made = len(record.base) + made  # guarded by _lock
        self._lock = threading.Lock()

    def acknowledge(self, state: int) -> None:
        self._append(Acknowledge(state))

    def here(self) -> int:
        """The number of the next event."""
        with self._lock:
            return len(self._events)

    def opened(self, name: str, *, is_new: bool) -> int:
        """The number of the file that `name` means; a new one if it was just made."""
        with self._lock:
            if is_new:
                self._files[name] = self._number()
                self._events.append(Create(self._files[name], name))
            return self._files[name]

    def wrote(self, file: int, offset: int, data: bytes) -> None:
        self._append(Write(file, offset, data))

    def wrote_name(self, name: str, offset: int, data: bytes) -> None:
        with self._lock:
            self._events.append(Write(self._files[name], offset, data))

    def truncated(self, file: int, size: int) -> None:
        self._append(Truncate(file, size))

    def synced(self, file: int, covers: int) -> None:
        self._append(Sync(file, covers))

    def synced_name(self, name: str, covers: int) -> None:
        with self._lock:
            self._events.append(Sync(self._files[name], covers))

    def unlinked(self, name: str, *, durable: bool) -> None:
        with self._lock:
            del self._files[name]
            self._events.append(Unlink(name))
            if durable:
                self._events.append(SyncFolder(len(self._events)))

    def synced_folder(self, covers: int) -> None:
        self._append(SyncFolder(covers))

    def _append(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)

    def _number(self) -> int:
        self._made += 1
        return self._made - 1


class RecordingSyncer(DataSyncer):
    """The store's own syncs: done, and written to the record once they are."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def sync(self, fd: int, which: str) -> None:
        covers = self._recorder.here()
        super().sync(fd, which)
        name = self._recorder.path.name + (_LOG if which == "log" else "")
        self._recorder.synced_name(name, covers)

    def give_back(self, fd: int, offset: int, length: int) -> None:
        super().give_back(fd, offset, length)
        held = os.fstat(fd).st_size - offset
        if held > 0:
            zeros = bytes(min(length, held))
            self._recorder.wrote_name(self._recorder.path.name + _LOG, offset, zeros)

    def write(self, fd: int, offset: int, data: bytes) -> None:
        super().write(fd, offset, data)
        self._recorder.wrote_name(self._recorder.path.name + _LOG, offset, data)

    def sync_folder(self, folder: Path) -> None:
        covers = self._recorder.here()
        super().sync_folder(folder)
        self._recorder.synced_folder(covers)
