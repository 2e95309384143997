"""Putting a part of one tree of manifests, or a hole, in the place of a range of another one.

What lies wholly within the range is shared or dropped as it is, however much it covers; only
the manifests on the way to the two ends of the range are taken apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlfs.chunks import ChunkPool, Entries, Reference
from sqlfs.content.tree import find
from sqlfs.limits import MANIFEST_FANOUT

# Beyond every chunk of a file.
FAR: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Part:
    """What takes the range's place: its chunk n is chunk n - `shift` of the tree `root`."""

    pool: ChunkPool
    root: Reference | None
    shift: int = 0

    def has_answer(self, first: int, level: int) -> bool:
        """Whether what belongs where a piece of `level` begins at chunk `first` is one piece, or
        a hole: not so where the two trees do not align, or `root` is of a lower level."""
        if self.piece(first, level) is not None:
            return True
        width = MANIFEST_FANOUT**level
        start = first - self.shift
        ends = {start // width, (start + width - 1) // width}
        return all(self._is_missing(number, level) for number in ends)

    def piece(self, first: int, level: int) -> Reference | None:
        """The one piece of `level` that belongs at chunk `first`, or None."""
        number, rest = divmod(first - self.shift, MANIFEST_FANOUT**level)
        return None if rest else find(self.pool, self.root, number, level)

    def _is_missing(self, number: int, level: int) -> bool:
        if self.root is not None and self.root.level < level:
            return number > 0
        return find(self.pool, self.root, number, level) is None


def splice(
    pool: ChunkPool, root: Reference | None, level: int, first: int, last: int, part: Part
) -> Reference | None:
    """The tree `root`, raised to `level`, with `part` from chunk `first` up to before `last`.

    The reference to `root` passes to the result; `part` keeps its own.  Raises Corrupt before
    anything is changed.
    """
    change = _Splice(pool, first, last, part)
    change.check(root, level, 0)
    while root is not None and root.level < level:
        root = pool.put_together(root.level + 1, [root])
    if part.root is None:
        return change.run(root, level, 0)
    # Where both trees are of one file, what is taken apart must not go before it is shared.
    pool.hold(part.root)
    new = change.run(root, level, 0)
    pool.drop(part.root)
    return new


@dataclass(frozen=True, slots=True)
class _Splice:
    pool: ChunkPool
    first: int
    last: int
    part: Part

    def check(self, node: Reference | None, level: int, start: int) -> None:
        """Read every manifest that `run` will read."""
        if self._is_whole(level, start) and self.part.has_answer(start, level):
            return
        children: Entries = []
        if node is not None:
            children = [node] if node.level < level else self.pool.entries(node)
        width = MANIFEST_FANOUT ** (level - 1)
        for slot in self._slots(level, start):
            child = children[slot] if slot < len(children) else None
            self.check(child, level - 1, start + slot * width)

    def run(self, node: Reference | None, level: int, start: int) -> Reference | None:
        """The subtree of `level` that begins at chunk `start`, of which `node` is the old one;
        the range reaches into it."""
        if self._is_whole(level, start) and self.part.has_answer(start, level):
            # Held first: it may be the same one.
            piece = self.part.piece(start, level)
            if piece is not None:
                self.pool.hold(piece)
            if node is not None:
                self.pool.drop(node)
            return piece
        children = self.pool.take_apart(node) if node is not None else []
        slots = self._slots(level, start)
        children.extend([None] * (slots.stop - len(children)))
        width = MANIFEST_FANOUT ** (level - 1)
        for slot in slots:
            children[slot] = self.run(children[slot], level - 1, start + slot * width)
        while children and children[-1] is None:
            children.pop()
        return self.pool.put_together(level, children) if children else None

    def _is_whole(self, level: int, start: int) -> bool:
        return self.first <= start and start + MANIFEST_FANOUT**level <= self.last

    def _slots(self, level: int, start: int) -> range:
        """The children of the subtree of `level` at chunk `start` that the range reaches into."""
        width = MANIFEST_FANOUT ** (level - 1)
        end = min(MANIFEST_FANOUT, -(-(self.last - start) // width))
        return range(max(0, (self.first - start) // width), end)
