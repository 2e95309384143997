"""What all repairs share: the volumes that can be judged, what belongs to them, what was done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlfs.maintenance.findings import Finding, Progress
from sqlfs.maintenance.idset import IdSet
from sqlfs.maintenance.pace import Pace
from sqlfs.volume import VolumeFile
from sqlfs.volume.opened import OpenVolume

_PAGE: Final = 512
_FIRST_ID: Final = -(2**63)
_LAST_ID: Final = 2**63 - 1

Row = tuple[Any, ...]


class Home:
    """An unlocked volume, and which of the nodes and directories there are belong to it."""

    def __init__(self, volume: OpenVolume) -> None:
        self.volume = volume
        self.nodes = IdSet()
        self.directories = IdSet()
        self.lost_nodes = False  # whether one could not be kept

    def has(self, node: object) -> bool:
        return type(node) is int and node in self.nodes

    def has_directory(self, node: object) -> bool:
        return type(node) is int and node in self.directories

    def __str__(self) -> str:
        return f"volume {self.volume.info.name!r}"


class Mending:
    """Runs in one transaction of a file that nobody else uses."""

    def __init__(self, file: VolumeFile, progress: Progress | None = None) -> None:
        self.file = file
        self.pace = Pace(file, progress)
        self.db = file.db
        self.homes = [Home(volume) for volume in file.work.volumes()]
        judged = {home.volume.info.id for home in self.homes}
        # Volumes that are locked or can't be read: what belongs to them is left alone.
        self.others = {id_ for (id_,) in self.db.raw_rows("volume_ids")} - judged
        self.foreign = IdSet()  # their nodes
        self.done: list[Finding] = []

    def note(self, check: str, what: str, message: str) -> None:
        """What is wrong with what, and what was done about it."""
        self.done.append(Finding(check, what, message))

    def home_of_volume(self, volume: object) -> Home | None:
        for home in self.homes:
            if home.volume.info.id == volume:
                return home
        return None

    def home_of(self, node: object) -> Home | None:
        """Where a node belongs that was found sound."""
        for home in self.homes:
            if home.has(node):
                return home
        return None

    def has_other_plain(self) -> bool:
        """Whether a volume that can't be judged may share the pieces of plain ones."""
        judged = {home.volume.info.id for home in self.homes}
        readable = self.file.volumes()
        known = len(readable) == len(judged | self.others)
        return not known or any(not info.encrypted and info.id not in judged for info in readable)

    def is_foreign(self, node: object) -> bool:
        return type(node) is int and node in self.foreign

    def rows(self, statement: str) -> Iterator[Row]:
        """All rows of a statement that pages by a number; they may be changed meanwhile."""
        first = _FIRST_ID
        self.pace.begin(statement.replace("_", " "), 0)
        while True:
            page = self.db.raw_rows(statement, first, _PAGE)
            yield from page
            self.pace.advance(len(page))
            if len(page) < _PAGE or page[-1][0] == _LAST_ID:
                return
            first = page[-1][0] + 1

    def flush(self) -> None:
        """Have what was changed in memory in its rows."""
        self.file.work.flush()
