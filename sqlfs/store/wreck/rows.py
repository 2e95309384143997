"""The rows of one page that may be ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlfs.store.wreck.cells import Cell, RecordHead, cells
from sqlfs.store.wreck.kinds import kinds, signature


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cell, and the names of the tables or indices whose rows look like it."""

    cell: Cell
    head: RecordHead
    names: tuple[str, ...]


def candidates(page: bytes, *, is_first: bool) -> Iterator[Candidate]:
    """None for a page that holds no rows of volume files."""
    known = kinds()
    for cell in cells(page, is_first=is_first):
        head = RecordHead.of(cell)
        if head is None:
            continue
        alike = known.get((cell.rowid is not None, signature(head)), ())
        names = tuple(kind.name for kind in alike if kind.fits(head))
        if names:
            yield Candidate(cell, head, names)
