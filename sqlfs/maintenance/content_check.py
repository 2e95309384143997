"""Checking the pieces of one key domain: their counts, and with `deep` their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlfs.errors import Corrupt
from sqlfs.limits import MANIFEST_LEVEL_MAX
from sqlfs.maintenance.findings import Finding
from sqlfs.maintenance.pace import Pace
from sqlfs.maintenance.places import Places
from sqlfs.maintenance.references import References
from sqlfs.store import greatest_key
from sqlfs.volume.opened import OpenVolume

_PAGE: Final = 512
_PIECES: Final = 8  # read under one hold of the lock

# Which levels a piece may be of that nothing refers to.
_ANY_LEVEL: Final = range(MANIFEST_LEVEL_MAX + 1)


class ContentCheck:
    """Runs when all references of `members`, the volumes of the domain, have been counted."""

    def __init__(self, members: list[OpenVolume], references: References, pace: Pace) -> None:
        self._members = members
        self._one = members[0]  # any of them reads what belongs to all
        self._references = references
        self._pace = pace

    def run(self, *, deep: bool, complete: bool) -> Iterator[Finding]:
        """`complete`: every volume of the domain was counted."""
        met = 0
        for finding, count in self._counts(complete):
            met += count
            if finding is not None:
                yield finding
        if met < self._references.total():
            self._find_missing()
        if deep:
            yield from self._pieces()
        if self._references.damaged:
            yield from Places(self._members, self._references.damaged, self._pace).findings()

    def _counts(self, complete: bool) -> Iterator[tuple[Finding | None, int]]:
        """Each count that is wrong, and how many references lead to each row."""
        volume, last = self._one, 0
        self._pace.begin("reference counts", self._chunks())
        end = greatest_key(volume.db, "chunk")
        while last <= end:
            with self._pace.page():
                rows = volume.db.raw_rows("chunk_page", volume.domain, last, _PAGE)
            if not rows:
                return
            for id_, digest, refs in rows:
                if type(digest) is not bytes:
                    continue  # told of with the structure
                seen = sum(count for _, count in self._references.to(digest))
                wrong = complete and seen != refs and not self._references.has_moved(digest)
                yield (_miscounted(id_, digest, refs, seen) if wrong else None), seen
            last = rows[-1][0]
            self._pace.advance(len(rows))

    def _find_missing(self) -> None:
        volume = self._one
        for reference, _ in self._references.all():
            digest = reference.digest
            if digest in self._references.damaged or self._references.has_moved(digest):
                continue
            if not volume.db.raw_rows("chunk_find", volume.domain, digest):
                kind = "manifest" if reference.level else "chunk"
                self._references.damaged[digest] = f"{kind} {digest.hex()[:16]} is missing"

    # --- deep ---

    def _pieces(self) -> Iterator[Finding]:
        """Read every piece, in the order in which they lie in the file."""
        volume, last = self._one, 0
        self._pace.begin("content", self._chunks())
        end = greatest_key(volume.db, "chunk")
        while last <= end:
            with self._pace.page():
                rows = volume.db.raw_rows("chunk_page", volume.domain, last, _PIECES)
                found = [finding for row in rows for finding in self._piece(*row)]
            yield from found
            if not rows:
                return
            last = rows[-1][0]
            self._pace.advance(len(rows))

    def _piece(self, id_: int, digest: object, refs: object) -> Iterator[Finding]:
        del refs
        if type(digest) is not bytes or digest in self._references.damaged:
            return
        expected = [reference for reference, _ in self._references.to(digest)]
        levels = sorted({reference.level for reference in expected})
        try:
            there = self._one.pool.examine(id_, digest, levels or _ANY_LEVEL)
            # In the reclaim queue only level and digest are known.
            wrong = [each for each in expected if each.length and each != there]
            if wrong:
                raise Corrupt(
                    f"piece {digest.hex()[:16]}: has level {there.level} and {there.length} bytes"
                    f" where level {wrong[0].level} and {wrong[0].length} were referred to"
                )
        except Corrupt as error:
            if self._references.has_moved(digest):
                return
            if expected:
                self._references.damaged[digest] = error.message
            else:
                yield Finding("content", f"chunk {digest.hex()[:16]} (row {id_})", error.message)

    def _chunks(self) -> int:
        row = self._one.db.row("chunk_count", self._one.domain)
        return int(row[0]) if row is not None else 0


def _miscounted(id_: int, digest: bytes, refs: object, seen: int) -> Finding:
    return Finding(
        "reference_count",
        f"chunk {digest.hex()[:16]} (row {id_})",
        f"counts {refs} references where there are {seen}",
    )
