"""The verbs on attributes: stat, symlink targets, extended attributes."""

from __future__ import annotations

import stat

from sqlfs.errors import FileTooBig, Invalid, IsADirectory
from sqlfs.limits import FILE_BYTES_MAX
from sqlfs.namespace import ACL_NAMES, NodeRecord, check_owner, clock
from sqlfs.types import AttributeChanges, Attributes, XattrFlag
from sqlfs.volume.base import Changing, SessionBase


class AttributeVerbs(SessionBase):
    def getattr(self, node: int) -> Attributes:
        with self._reading() as volume:
            return volume.attributes(volume.nodes.get(node))

    def setattr(self, node: int, changes: AttributeChanges) -> Attributes:
        with self._changing(frees=True) as change:
            volume = self._open_volume
            record = volume.nodes.get(node)
            now = clock.now_ns()
            for owner in (changes.uid, changes.gid):
                if owner is not None:
                    check_owner(owner)
            if changes.size is not None:
                _check_size(record, changes.size)
                before = record.size
                volume.check_quota(size=changes.size - before)
                volume.truncate(record, changes.size)
                volume.count(size=changes.size - before)
                record.mtime_ns = now
            if changes.mode is not None:
                volume.acls.change_mode(record, changes.mode)
            if changes.uid is not None:
                record.uid = changes.uid
            if changes.gid is not None:
                record.gid = changes.gid
            if changes.atime_ns is not None:
                record.atime_ns = clock.kept_ns(changes.atime_ns)
            if changes.mtime_ns is not None:
                record.mtime_ns = clock.kept_ns(changes.mtime_ns)
            record.ctime_ns = now if changes.ctime_ns is None else clock.kept_ns(changes.ctime_ns)
            volume.nodes.touch(record)
            if changes.size is None:
                change.attributes(node)
            else:
                change.content(node)
            return volume.attributes(record)

    def readlink(self, node: int) -> bytes:
        with self._reading() as volume:
            record = volume.nodes.get(node)
            if not stat.S_ISLNK(record.mode):
                raise Invalid(f"node {node} is not a symlink")
            self._accessed(record)
            return record.inline or b""

    # --- extended attributes ---

    def getxattr(self, node: int, name: bytes) -> bytes:
        with self._reading() as volume:
            record = volume.nodes.get(node)
            if name in ACL_NAMES:
                return volume.acls.get(record, name)
            return volume.xattrs.get(record, name)

    def setxattr(
        self, node: int, name: bytes, value: bytes, flags: XattrFlag = XattrFlag.NONE
    ) -> None:
        with self._changing(len(value)) as change:
            volume = self._open_volume
            record = volume.nodes.get(node)
            if name not in ACL_NAMES:
                volume.xattrs.set(record, name, bytes(value), flags)
                _note(record, change)
            elif volume.acls.set(record, name, bytes(value)):
                _note(record, change)

    def listxattr(self, node: int) -> list[bytes]:
        with self._reading() as volume:
            return volume.xattrs.names(volume.nodes.get(node))

    def removexattr(self, node: int, name: bytes) -> None:
        with self._changing(frees=True) as change:
            volume = self._open_volume
            record = volume.nodes.get(node)
            if name not in ACL_NAMES:
                volume.xattrs.remove(record, name)
                _note(record, change)
            elif volume.acls.remove(record, name):
                _note(record, change)


def _note(record: NodeRecord, change: Changing) -> None:
    record.ctime_ns = clock.now_ns()
    change.attributes(record.id)


def _check_size(record: NodeRecord, size: int) -> None:
    if stat.S_ISDIR(record.mode):
        raise IsADirectory(f"node {record.id} is a directory: it has no size to set")
    if not stat.S_ISREG(record.mode):
        raise Invalid(f"node {record.id} is not a regular file: it has no size to set")
    if size < 0:
        raise Invalid(f"a size of {size} bytes is below 0")
    if size > FILE_BYTES_MAX:
        raise FileTooBig(f"a size of {size} bytes is over the limit of {FILE_BYTES_MAX}")
