"""Pieces whose data stands in another row than their own: found by trying, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from sqlfs.errors import SqlfsError
from sqlfs.maintenance.references import References
from sqlfs.maintenance.repair.mending import Home, Mending

_LACKING_MAX: Final = 1000  # pieces without sound data, and rows of data that are tried for them
_ROWS_MAX: Final = 64
_PAGE: Final = 512


class Misplaced:
    """In one key domain.  With `deep` every piece is read to learn which are damaged; else it is
    tried for those that are missing, and for manifests."""

    def __init__(self, mending: Mending, home: Home, references: References, *, deep: bool) -> None:
        self._mending = mending
        self._db = mending.db
        self._home = home
        self._references = references
        self._deep = deep

    def put_back(self) -> bool:
        """Whether anything was found."""
        lacking = dict(self._missing())
        lacking.update(self._damaged())
        rows = [row for row in lacking.values() if row]
        rows += islice((id_ for (id_,) in self._mending.rows("repair_stray_data")), _ROWS_MAX)
        found: list[tuple[bytes, int, int]] = []
        for digest, own_row in lacking.items():
            for row in rows:
                if self._fits(digest, row, any_generation=True):
                    found.append((digest, own_row, row))
                    break
        self._move(found)
        return bool(found)

    def _missing(self) -> Iterator[tuple[bytes, int]]:
        """Digests that are referred to and have no row."""
        told = 0
        for reference, _ in self._references.all():
            if not self._db.raw_rows("chunk_find", self._home.volume.domain, reference.digest):
                yield reference.digest, 0
                told += 1
                if told == _LACKING_MAX:
                    return

    def _damaged(self) -> Iterator[tuple[bytes, int]]:
        """Digests whose data does not open, and their rows."""
        told = 0
        for id_, digest in self._suspects():
            if not self._fits(digest, id_):
                yield digest, id_
                told += 1
                if told == _ROWS_MAX:
                    return

    def _suspects(self) -> Iterator[tuple[int, bytes]]:
        domain, last = self._home.volume.domain, 0
        if not self._deep:
            for digest in list(self._references.damaged):
                for id_, _ in self._db.raw_rows("chunk_find", domain, digest):
                    yield id_, digest
            return
        while page := self._db.raw_rows("chunk_page", domain, last, _PAGE):
            for id_, digest, _ in page:
                if self._references.to(digest):
                    yield id_, digest
            last = page[-1][0]

    def _fits(self, digest: bytes, row: int, *, any_generation: bool = False) -> bool:
        """Whether the data in a row is that of a piece."""
        levels = sorted({reference.level for reference, _ in self._references.to(digest)})
        try:
            pool = self._home.volume.pool
            pool.examine(row, digest, levels, any_generation=any_generation)
        except SqlfsError:
            return False
        return True

    def _move(self, found: list[tuple[bytes, int, int]]) -> None:
        db, volume = self._db, self._home.volume
        generation = volume.sealer.generation
        data = [db.raw_rows("chunk_data_get", row)[0][1] for _, _, row in found]
        for (digest, own_row, row), sealed in zip(found, data, strict=True):
            target = own_row or row
            if not own_row:
                db.write("chunk_insert_at", row, volume.domain, digest)
            db.write("chunk_data_delete", target)
            db.write_blob("chunk_data_insert", target, generation, sealed)
            what = f"piece {digest.hex()[:16]} of {self._home}"
            self._mending.note("content", what, "its data was misfiled: put right")
