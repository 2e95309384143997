"""Values that cross layers.  No behaviour, no I/O.

What nearly every request makes is a tuple: a frozen dataclass takes ten times as long to make.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import NamedTuple


class Caller(NamedTuple):
    """On whose behalf a node is created."""

    uid: int
    gid: int
    umask: int = 0
    pid: int = 0


class Attributes(NamedTuple):
    """A node as ``stat`` shows it.  Times in ns since the epoch; ``blocks`` of 512 bytes."""

    node: int
    mode: int  # with the type bits of <sys/stat.h>
    nlink: int
    uid: int
    gid: int
    rdev: int
    size: int
    blocks: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    btime_ns: int
    # What stands for an entry that can't be read: none of the other fields says anything.
    is_damaged: bool = False

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.mode)


class AttributeChanges(NamedTuple):
    """What ``setattr`` is to change; ``None`` leaves a field alone.

    ``mode`` holds permission bits only.  ``ctime_ns`` of ``None`` means now.
    """

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None
    ctime_ns: int | None = None


class DirectoryEntry(NamedTuple):
    """One placement of a node.  ``cookie`` is the edge's id: later entries have greater ones."""

    cookie: int
    name: bytes
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class FileSystemStatus:
    """What ``statfs`` shows: bytes and nodes of the volume and of the room it can grow into."""

    block_size: int
    blocks: int
    blocks_free: int
    nodes: int
    nodes_free: int
    name_max: int


class RenameFlag(IntFlag):
    """renameat2(2)."""

    NONE = 0
    NOREPLACE = 1
    EXCHANGE = 2
    WHITEOUT = 4  # leave a character device 0:0 of mode 0 at the old name, as overlayfs wants it


class AllocateMode(IntFlag):
    """fallocate(2)."""

    GROW = 0
    KEEP_SIZE = 1
    PUNCH_HOLE = 2
    ZERO_RANGE = 16


class XattrFlag(IntFlag):
    """setxattr(2)."""

    NONE = 0
    CREATE = 1
    REPLACE = 2


class ChangeKind(IntEnum):
    """What a cache above a session has to forget."""

    ENTRY = 1  # what `name` in directory `node` means, "nothing" included
    ATTRIBUTES = 2  # the attributes of `node`
    CONTENT = 3  # the attributes and the bytes of `node`
    EVERYTHING = 4  # all that is known, names that are not there included


class Change(NamedTuple):
    kind: ChangeKind
    node: int
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    """A volume as everybody may see it, locked or not."""

    id: int
    uuid: bytes
    name: str
    root: int
    encrypted: bool
    dedupe: bool
    compression: int  # level of zstd; 0: none
    chunk_size: int
    created_ns: int
    epoch: int


class VolumeUsage(NamedTuple):
    """Counters of an unlocked volume: nodes, and logical bytes of its regular files."""

    nodes: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What a volume may hold: bytes as :class:`VolumeUsage` counts them, and nodes; 0: no limit."""

    bytes: int = 0
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class MountInfo:
    """A live session on a volume."""

    id: int
    volume: str
    door: str  # "fuse", "api" or "cli"
    where: str  # the mountpoint, or empty
    pid: int
    read_only: bool
    started_ns: int
    subdir: str  # the directory of the volume that it was anchored at, "/" for the whole


@dataclass(frozen=True, slots=True)
class HeldHandle:
    """What a session knows of an open file, to open it again under another owner."""

    node: int
    flags: int  # of open(2)
    lock: str  # "", "shared" or "exclusive"
    linkable: bool  # it was made without a name, and may get one
