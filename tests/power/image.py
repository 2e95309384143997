"""What a machine may find on its disk after the power went.

A disk keeps for each file what is durable and what was done since, and the same for the
names of the folder.  A write is what SQLite takes it for: it may be lost, or torn between
sectors, but harms no byte outside its range.  Names come back as some moment between the
folder's last sync and the cut had them: file systems journal them in order.  Nothing here
renames.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from tests.power.record import Create, Event, Record, Sync, SyncFolder, Truncate, Unlink, Write


class Mode(Enum):
    """How much of what was not synced is lost."""

    KILLED = "killed"  # nothing: the process died, the machine did not
    SYNCED = "synced"  # everything
    OLD_NAMES = "old-names"  # of names everything, of bytes nothing: a removed log is back
    NEW_NAMES = "new-names"  # of names nothing, of bytes everything
    DROPPED = "dropped"  # some writes
    TORN_512 = "torn-512"  # some sectors of some writes
    TORN_4096 = "torn-4096"


_SECTOR_BYTES = {Mode.TORN_512: 512, Mode.TORN_4096: 4096}

Image = dict[str, bytes]


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Write | Truncate]] = field(default_factory=list)


class Disk:
    """The disk under a record, moved on event by event."""

    def __init__(self, record: Record) -> None:
        self._files = {
            number: _File(bytearray(record.base[name]))
            for name, number in record.base_files.items()
        }
        self._names = record.base_files  # durable
        self._pending: list[tuple[int, Create | Unlink]] = []
        self._moved = 0

    @classmethod
    def after(cls, record: Record) -> Disk:
        """The disk when all of `record` has happened."""
        disk = cls(record)
        for event in record.events:
            disk.advance(event)
        return disk

    def advance(self, event: Event) -> None:
        number, self._moved = self._moved, self._moved + 1
        match event:
            case Write() | Truncate():
                self._files[event.file].pending.append((number, event))
            case Sync():
                self._sync(self._files[event.file], event.covers)
            case Create():
                self._files[event.file] = _File()
                self._pending.append((number, event))
            case Unlink():
                self._pending.append((number, event))
            case SyncFolder():
                done = [each for each in self._pending if each[0] < event.covers]
                self._names = _renamed(self._names, [each for _, each in done])
                self._pending = self._pending[len(done) :]

    @property
    def settled(self) -> bool:
        """Whether nothing is left to lose: all modes give the same image."""
        return not self._pending and not any(file.pending for file in self._files.values())

    def image(self, mode: Mode, chance: random.Random) -> Image:
        """The files of the folder after a cut now."""
        changes = [each for _, each in self._pending]
        match mode:
            case Mode.KILLED | Mode.NEW_NAMES:
                kept = len(changes)
            case Mode.SYNCED | Mode.OLD_NAMES:
                kept = 0
            case _:
                kept = chance.randint(0, len(changes))
        names = _renamed(self._names, changes[:kept])
        return {
            name: self._content(self._files[file], mode, chance) for name, file in names.items()
        }

    def _content(self, file: _File, mode: Mode, chance: random.Random) -> bytes:
        content = bytearray(file.durable)
        if mode not in (Mode.SYNCED, Mode.NEW_NAMES):
            share = 1.0 if mode in (Mode.KILLED, Mode.OLD_NAMES) else chance.choice((0.1, 0.5, 0.9))
            for _, change in file.pending:
                for piece in _pieces(change, _SECTOR_BYTES.get(mode)):
                    if chance.random() < share:
                        _apply(content, piece)
        return bytes(content)

    def _sync(self, file: _File, covers: int) -> None:
        done = [each for each in file.pending if each[0] < covers]
        for _, change in done:
            _apply(file.durable, change)
        file.pending = file.pending[len(done) :]


def folder_image(path: Path) -> Image:
    """What lies in the folder of `path` now."""
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}


def materialize(image: Image, path: Path) -> None:
    """Make the folder of `path` hold `image` and nothing else.

    The volume file keeps its inode, as it does when a machine comes back: the open mark in it
    names that.
    """
    for found in path.parent.iterdir():
        if found.name not in image:
            found.unlink()
    for name, content in image.items():
        place = path.with_name(name)
        with place.open("r+b" if place.exists() else "xb") as out:
            out.write(content)
            out.truncate()


def _renamed(names: dict[str, int], changes: list[Create | Unlink]) -> dict[str, int]:
    result = dict(names)
    for change in changes:
        if isinstance(change, Create):
            result[change.name] = change.file
        else:
            result.pop(change.name, None)
    return result


def _pieces(change: Write | Truncate, sector: int | None) -> Iterator[Write | Truncate]:
    """What of a change becomes durable or not on its own."""
    if isinstance(change, Truncate) or sector is None:
        yield change
        return
    offset, end = change.offset, change.offset + len(change.data)
    while offset < end:
        stop = min(end, (offset // sector + 1) * sector)
        data = change.data[offset - change.offset : stop - change.offset]
        yield Write(change.file, offset, data)
        offset = stop


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        content[change.size :] = bytes(max(0, change.size - len(content)))
        return
    if len(content) < change.offset:
        content.extend(bytes(change.offset - len(content)))
    content[change.offset : change.offset + len(change.data)] = change.data
