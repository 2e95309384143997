"""The content of a file that is one chunk and nothing else: to be read, it needs no body."""

from __future__ import annotations

from sqlfs.chunks import ChunkPool
from sqlfs.errors import Corrupt
from sqlfs.namespace import NodeRecord


def read_single(record: NodeRecord, pool: ChunkPool, offset: int, size: int) -> bytes | None:
    """Up to `size` bytes of a file that has no body, fewer at its end only; None where a body
    knows more: of any other file, and of what is damaged.  Runs under the store's lock."""
    root = record.root
    if root is None or root.level or root.length != record.size or record.delta_count:
        return None
    try:
        return pool.read_range(root, offset, offset + size)
    except Corrupt:
        return None
