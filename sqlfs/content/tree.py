"""The tree of manifests of one file: finding a chunk, and putting changes in.

With chunks of C bytes and a fan-out of F, level n covers C * F**n bytes; a file has the
lowest level that covers its size, so equal bytes have equal trees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlfs.chunks import ChunkPool, Reference
from sqlfs.errors import Corrupt
from sqlfs.limits import MANIFEST_FANOUT

Changes = Mapping[int, Reference | None]  # chunk number -> what is there now; None is a hole


def level_for(chunks: int) -> int:
    """The level of the tree of a file of that many chunks."""
    level, covered = 0, 1
    while covered < chunks:
        level += 1
        covered *= MANIFEST_FANOUT
    return level


def find(pool: ChunkPool, root: Reference | None, index: int, level: int = 0) -> Reference | None:
    """Chunk `index`, or where `level` is given, piece `index` of that level; None where there is
    a hole, or the tree is of a lower level."""
    at = root
    if at is not None and (at.level < level or index >= MANIFEST_FANOUT ** (at.level - level)):
        return None
    while at is not None and at.level > level:
        slot, index = divmod(index, MANIFEST_FANOUT ** (at.level - level - 1))
        entries = pool.entries(at)
        at = entries[slot] if slot < len(entries) else None
    return at


def damaged_span(pool: ChunkPool, root: Reference, index: int) -> tuple[int, int]:
    """Where chunk `index` can't be read: the chunks, first and behind the last, that lie beneath
    the same damage."""
    at: Reference | None = root
    first = 0
    while at is not None and at.level:
        width = MANIFEST_FANOUT ** (at.level - 1)
        try:
            entries = pool.entries(at)
        except Corrupt:
            return first, first + width * MANIFEST_FANOUT
        slot = (index - first) // width
        first += slot * width
        at = entries[slot] if slot < len(entries) else None
    return index, index + 1


def walk(pool: ChunkPool, root: Reference | None) -> Iterator[Reference]:
    """Every reference of the tree, the root first."""
    if root is None:
        return
    yield root
    if root.level:
        for entry in pool.entries(root):
            if entry is not None:
                yield from walk(pool, entry)


def check(pool: ChunkPool, root: Reference | None, indices: Iterable[int]) -> None:
    """Read every manifest on the way to `indices`: those that changing them, or cutting the tree
    behind them, takes apart.  Raises Corrupt."""
    for index in indices:
        find(pool, root, index)


def update(
    pool: ChunkPool, root: Reference | None, chunks: int, changes: Changes, *, cut: bool
) -> Reference | None:
    """The tree with `changes` put in; with `cut`, ended after `chunks` chunks.

    The reference to `root`, and those in `changes`, pass to the result.
    """
    if chunks == 0:
        if root is not None:
            pool.drop(root)
        return None
    level = level_for(chunks)
    while root is not None and root.level > level:
        first, *others = pool.take_apart(root)
        for other in others:
            if other is not None:
                pool.drop(other)
        root = first
    return _Rewrite(pool, chunks, cut).run(root, level, 0, changes)


@dataclass(frozen=True, slots=True)
class _Rewrite:
    pool: ChunkPool
    chunks: int
    cut: bool

    def run(
        self, node: Reference | None, level: int, first: int, changes: Changes
    ) -> Reference | None:
        """The subtree of `level` that begins at chunk `first`; `changes` are all within it."""
        if level == 0:
            if first not in changes:
                return node
            new = changes[first]
            if node is not None and new is not None and node.digest == new.digest:
                self.pool.drop_second(node)
            elif node is not None:
                self.pool.drop(node)
            return new
        width = MANIFEST_FANOUT ** (level - 1)
        children = self._children(node, level)
        keep = min(MANIFEST_FANOUT, -(-(self.chunks - first) // width))
        for gone in children[keep:]:
            if gone is not None:
                self.pool.drop(gone)
        del children[keep:]
        touched: dict[int, dict[int, Reference | None]] = {}
        for index, reference in changes.items():
            touched.setdefault((index - first) // width, {})[index] = reference
        if children and children[0] is not None and children[0].level < level - 1:
            touched.setdefault(0, {})
        if self.cut and level > 1 and len(children) == keep and children[-1] is not None:
            touched.setdefault(keep - 1, {})  # it may reach beyond the end
        for slot, part in touched.items():
            children.extend([None] * (slot + 1 - len(children)))
            children[slot] = self.run(children[slot], level - 1, first + slot * width, part)
        while children and children[-1] is None:
            children.pop()
        return self.pool.put_together(level, children) if children else None

    def _children(self, node: Reference | None, level: int) -> list[Reference | None]:
        if node is None:
            return []
        return [node] if node.level < level else self.pool.take_apart(node)
