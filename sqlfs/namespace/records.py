"""A node's row in memory, and its bytes.

The body of a node's seal, little-endian::

    mode u32, uid u32, gid u32, nlink u32, rdev u64, size u64,
    mtime i64, ctime i64, btime i64, atime i64     (ns since 1970 UTC)
    flags u8 (bit 0: has xattrs, bit 1: has deltas)
    content u8: 0 nothing (empty, or one hole), 1 inline, 2 reference
    with bit 1: number of deltas u32, sum of their seals 24 bytes
    inline:    the bytes (a symlink's target, or a tiny file)
    reference: level u8, length u64, digest 32 bytes
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass

from sqlfs.chunks import Reference
from sqlfs.errors import Corrupt
from sqlfs.limits import FILE_BYTES_MAX, MANIFEST_LEVEL_MAX, NODE_BYTES_MAX
from sqlfs.types import Attributes

_FIXED = struct.Struct("<IIIIQQqqqqBB")
_REFERENCE = struct.Struct("<BQ32s")
_DELTAS = struct.Struct("<I24s")
_HAS_XATTRS, _HAS_DELTAS = 1, 2
_NOTHING, _INLINE, _REFERRED = 0, 1, 2


@dataclass(slots=True, weakref_slot=True, eq=False)
class NodeRecord:
    """The one object of a node in its owner's memory; guarded by the store's lock."""

    id: int
    since: int
    mode: int
    uid: int
    gid: int
    nlink: int
    rdev: int
    size: int
    mtime_ns: int
    ctime_ns: int
    btime_ns: int
    atime_ns: int
    has_xattrs: bool = False
    inline: bytes | None = None
    root: Reference | None = None
    has_atime_row: bool = False  # a later access time stands in its own row
    # Rows of changes that are not in the content named above, and the sum of their seals.
    delta_count: int = 0
    delta_sum: int = 0

    @property
    def data_bytes(self) -> int:
        """Bytes stored for the content as of its last flush, holes not counted."""
        if self.inline is not None:
            return len(self.inline)
        return self.root.length if self.root is not None else 0

    def attributes(self, data_bytes: int) -> Attributes:
        """What ``stat`` shows; `data_bytes` are those of the content, flushed or not."""
        return Attributes(
            self.id,
            self.mode,
            self.nlink,
            self.uid,
            self.gid,
            self.rdev,
            self.size,
            -(-data_bytes // 512),
            self.atime_ns,
            self.mtime_ns,
            self.ctime_ns,
            self.btime_ns,
        )


def encode_node(record: NodeRecord) -> bytes:
    content, tail = _NOTHING, b""
    if record.inline is not None:
        content, tail = _INLINE, record.inline
    elif record.root is not None:
        root = record.root
        content, tail = _REFERRED, _REFERENCE.pack(root.level, root.length, root.digest)
    flags = _HAS_XATTRS if record.has_xattrs else 0
    if record.delta_count:
        flags |= _HAS_DELTAS
        tail = _DELTAS.pack(record.delta_count, record.delta_sum.to_bytes(24, "little")) + tail
    fixed = _FIXED.pack(
        record.mode,
        record.uid,
        record.gid,
        record.nlink,
        record.rdev,
        record.size,
        record.mtime_ns,
        record.ctime_ns,
        record.btime_ns,
        record.atime_ns,
        flags,
        content,
    )
    return fixed + tail


def decode_node(id_: int, since: int, body: bytes) -> NodeRecord:
    """Raises Corrupt."""
    if len(body) < _FIXED.size:
        raise Corrupt(f"node {id_}: row too short")
    (mode, uid, gid, nlink, rdev, size, mtime, ctime, btime, atime, flags, content) = (
        _FIXED.unpack_from(body)
    )
    tail = body[_FIXED.size :]
    delta_count = delta_sum = 0
    if flags & _HAS_DELTAS:
        if len(tail) < _DELTAS.size:
            raise Corrupt(f"node {id_}: row too short")
        delta_count, raw_sum = _DELTAS.unpack_from(tail)
        delta_sum, tail = int.from_bytes(raw_sum, "little"), tail[_DELTAS.size :]
    inline: bytes | None = None
    root: Reference | None = None
    if content == _INLINE:
        inline = tail
    elif content == _REFERRED and len(tail) == _REFERENCE.size:
        root = Reference(*_REFERENCE.unpack(tail))
        if root.level > MANIFEST_LEVEL_MAX:
            raise Corrupt(f"node {id_}: content of level {root.level}")
    elif content != _NOTHING or tail:
        raise Corrupt(f"node {id_}: content of an unknown kind")
    if size > FILE_BYTES_MAX:
        raise Corrupt(f"node {id_}: a size of {size} bytes")
    if inline is not None and len(body) > NODE_BYTES_MAX:
        raise Corrupt(f"node {id_}: {len(inline)} inline bytes, more than there can be")
    if inline is not None and len(inline) != size:
        raise Corrupt(f"node {id_}: {len(inline)} inline bytes where the size is {size}")
    if flags & _HAS_DELTAS and (not delta_count or not stat.S_ISREG(mode) or inline is not None):
        raise Corrupt(f"node {id_}: deltas where none can be")
    return NodeRecord(
        id_, since, mode, uid, gid, nlink, rdev, size, mtime, ctime, btime, atime,
        bool(flags & _HAS_XATTRS), inline, root, delta_count=delta_count, delta_sum=delta_sum,
    )  # fmt: skip
