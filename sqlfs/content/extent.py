"""Where a tree of manifests has chunks and where it has holes, without walking either."""

from __future__ import annotations

from sqlfs.chunks import ChunkPool, Reference
from sqlfs.limits import MANIFEST_FANOUT


def first_chunk(pool: ChunkPool, root: Reference | None, first: int, last: int) -> int:
    """The number of the first chunk from `first` on, or `last` if none is before it.

    Raises Corrupt."""
    if root is None or first >= min(last, MANIFEST_FANOUT**root.level):
        return last
    if root.level == 0:
        return first
    width: int = MANIFEST_FANOUT ** (root.level - 1)
    entries = pool.entries(root)
    for slot in range(first // width, len(entries)):
        start, entry = slot * width, entries[slot]
        if start >= last:
            break
        if entry is None:
            continue
        # There is data beneath it, which may all lie before `first`.
        found = start + first_chunk(pool, entry, max(0, first - start), width)
        if found < start + width:
            return min(found, last)
    return last


def first_hole(
    pool: ChunkPool, root: Reference | None, first: int, last: int, chunk_size: int
) -> int:
    """The number of the first slot from `first` on without a chunk, or `last` if none is before
    it.  `chunk_size` in bytes tells which subtrees have no hole.  Raises Corrupt."""
    if root is None or first >= min(last, MANIFEST_FANOUT**root.level):
        return min(first, last)
    if root.level == 0:
        return min(last, 1)
    width: int = MANIFEST_FANOUT ** (root.level - 1)
    entries = pool.entries(root)
    for slot in range(first // width, len(entries)):
        start, entry = slot * width, entries[slot]
        if start >= last:
            return last
        if entry is None:
            return max(first, start)
        if entry.length == width * chunk_size:
            continue
        found = start + first_hole(pool, entry, max(0, first - start), width, chunk_size)
        if found < start + width:
            return min(found, last)
    return min(last, max(first, len(entries) * width))


def bytes_within(pool: ChunkPool, root: Reference | None, first: int, last: int) -> int:
    """Bytes of data in the chunks from `first` up to before `last`.  Raises Corrupt."""
    if root is None or last <= 0 or first >= MANIFEST_FANOUT**root.level:
        return 0
    if first <= 0 and last >= MANIFEST_FANOUT**root.level:
        return root.length
    width: int = MANIFEST_FANOUT ** (root.level - 1)
    return sum(
        bytes_within(pool, entry, first - slot * width, last - slot * width)
        for slot, entry in enumerate(pool.entries(root))
    )
