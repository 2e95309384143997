"""The POSIX verbs over one volume, as every door speaks them.

:class:`Session` is the one interface between a volume and whoever uses it.
``sqlfs.volume.direct`` implements it in the process that owns the file,
``sqlfs.owner`` in every other one; the contract tests run against both.

Nodes are named by id, open files by handle; names are bytes.  All verbs are
synchronous and may be called from any thread.  They raise only
:class:`sqlfs.errors.SqlfsError`.  No verb checks permissions: at a mount the
kernel does (``default_permissions``), and an API user owns the file anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlfs.types import (
    AttributeChanges,
    Attributes,
    Caller,
    Change,
    DirectoryEntry,
    FileSystemStatus,
    RenameFlag,
    VolumeInfo,
    XattrFlag,
)

Listener = Callable[[Sequence[Change]], None]


class Session(Protocol):
    """One user of one unlocked volume."""

    @property
    def volume(self) -> VolumeInfo: ...

    @property
    def root(self) -> int:
        """The id of the node that the session shows as its root."""

    @property
    def read_only(self) -> bool: ...

    # --- names ---

    def lookup(self, parent: int, name: bytes) -> Attributes:
        """The child called `name`; `.` and `..` work too, the latter of the session's root being
        the root.  Raises NotFound, NotADirectory."""

    def resolve(self, path: bytes, follow: bool = True) -> Attributes:
        """Walk an absolute or root-relative path; symlinks in the middle are always followed,
        the last one if `follow`.  Raises NotFound, NotADirectory, SymlinkLoop."""

    def path_of(self, node: int) -> bytes:
        """One absolute path of `node` (the oldest placement).  Raises NotFound for an orphan, and
        where that path is not below the session's root."""

    def readdir(self, node: int, cookie: int, limit: int) -> list[DirectoryEntry]:
        """Up to `limit` entries whose cookie is above `cookie` (0: from the start), in order.
        Neither `.` nor `..`."""

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Attributes:
        """Make a node of the type in `mode` (regular, fifo, socket, device).  As with all that
        is made, `mode` is limited by the directory's default ACL, which is handed down, or where
        there is none, by the caller's umask."""

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> Attributes: ...

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Attributes: ...

    def link(self, node: int, parent: int, name: bytes) -> Attributes:
        """One more name.  Raises NotFound for a node that has none, unless `tmpfile` made it."""

    def unlink(self, parent: int, name: bytes) -> None: ...

    def rmdir(self, parent: int, name: bytes) -> None: ...

    def rename(
        self,
        parent: int,
        name: bytes,
        new_parent: int,
        new_name: bytes,
        flags: RenameFlag = RenameFlag.NONE,
        caller: Caller | None = None,
    ) -> None:
        """`caller` is to own the whiteout that WHITEOUT asks for; None is root."""

    def clone(self, source: int, parent: int, name: bytes, caller: Caller) -> Attributes:
        """A new node with the content, attributes and xattrs of `source` (any type but a
        directory).  Content is shared, not copied; the new node has its own change time."""

    # --- attributes ---

    def getattr(self, node: int) -> Attributes: ...

    def setattr(self, node: int, changes: AttributeChanges) -> Attributes: ...

    def readlink(self, node: int) -> bytes: ...

    def getxattr(self, node: int, name: bytes) -> bytes:
        """Raises NoAttribute."""

    def setxattr(
        self, node: int, name: bytes, value: bytes, flags: XattrFlag = XattrFlag.NONE
    ) -> None:
        """POSIX ACLs are the attributes ``system.posix_acl_access`` and ``_default``, in the form
        that Linux gives them; for them `flags` are ignored, and access ACL and mode agree."""

    def listxattr(self, node: int) -> list[bytes]: ...

    def removexattr(self, node: int, name: bytes) -> None:
        """Raises NoAttribute; an ACL may be missing."""

    # --- open files ---

    def create(
        self, parent: int, name: bytes, mode: int, flags: int, caller: Caller
    ) -> tuple[Attributes, int]:
        """Make a regular file and open it; raises AlreadyExists whatever `flags` say."""

    def tmpfile(self, parent: int, mode: int, flags: int, caller: Caller) -> tuple[Attributes, int]:
        """Make a regular file without a name, as it would be in `parent`, and open it.  Unless
        `flags` hold O_EXCL, `link` may give it a name; else it goes with its last user.  Raises
        NotPermitted where the directory was removed."""

    def open(self, node: int, flags: int) -> int:
        """A handle.  O_TRUNC is honoured; O_SYNC and O_DSYNC make each write durable."""

    def read(self, handle: int, offset: int, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end of the file only.  Raises DamagedRange."""

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> int:
        """All of `data` at `offset` (at the end for an O_APPEND handle); returns its length."""

    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        """fallocate(2), `mode` being one of AllocateMode's: none or KEEP_SIZE looks for room for
        what the range has not stored yet, without reserving it; PUNCH_HOLE with KEEP_SIZE makes
        the range a hole; ZERO_RANGE, with KEEP_SIZE or without, does both.  Without KEEP_SIZE
        the file grows to the range's end.  Raises NotSupported for other modes, NoSpace,
        Invalid, FileTooBig; BadHandle where `handle` is not open for writing."""

    def seek(self, handle: int, offset: int, whence: int) -> int:
        """The first byte from `offset` on that is data (`whence` SEEK_DATA) or in a hole
        (SEEK_HOLE); the end of the file counts as a hole.  Both are found in units of chunks, and
        one that is all zeros is a hole.  Raises NoSuchRange, also from the end on; Invalid."""

    def copy_range(
        self, handle_in: int, offset_in: int, handle_out: int, offset_out: int, length: int
    ) -> int:
        """copy_file_range(2): what can be is shared, the rest copied.  Returns how many bytes;
        fewer than `length` at the end of the source, or so that no call takes long.  Not one
        change: others may see a part of it.  Raises Invalid for overlapping ranges of one file,
        FileTooBig, NoSpace; BadHandle also where `handle_out` appends."""

    def flush(self, handle: int) -> None:
        """close(2) of one of the handle's descriptors: what it wrote is visible to every door."""

    def fsync(self, handle: int, data_only: bool = False) -> None: ...

    def release(self, handle: int) -> None: ...

    def lock(self, handle: int, exclusive: bool) -> None:
        """Take the node's advisory lock for `handle` without waiting.  Raises WouldBlock.
        Released with the handle."""

    # --- the whole ---

    def fsyncdir(self, node: int) -> None: ...

    def sync(self) -> None:
        """Make everything that was acknowledged durable."""

    def statfs(self) -> FileSystemStatus: ...

    # --- caches above ---

    def pin(self, node: int) -> None:
        """Somebody (the kernel) remembers `node`: keep it although its last name goes."""

    def unpin(self, node: int) -> None: ...

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with what other sessions changed: after every lock is released and
        before their verb returns."""

    def congested(self) -> bool:
        """Whether a mutating verb might have to wait now.  Never blocks."""

    def wait_uncongested(self) -> None: ...

    def catching_up(self) -> bool:
        """Whether listeners are still being told that all may be other than they know, because
        another owner was found: what they keep may be old.  Never blocks."""

    def wait_caught_up(self) -> None:
        """Until they have been told; not for ever."""

    def close(self) -> None:
        """Release what the session holds and make its work durable.  Idempotent."""
