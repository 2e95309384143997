"""Chunks and manifests: put back in their rows, counted anew, and kept where their file is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlfs.chunks import Reference
from sqlfs.errors import Corrupt
from sqlfs.limits import MANIFEST_FANOUT, MANIFEST_LEVEL_MAX
from sqlfs.maintenance.references import References
from sqlfs.maintenance.repair.lost import LostAndFound
from sqlfs.maintenance.repair.mending import Home, Mending
from sqlfs.maintenance.repair.misplaced import Misplaced
from sqlfs.maintenance.volume_check import VolumeCheck

_PAGE: Final = 512
_DIGEST_BYTES: Final = 32
_ANY_LEVEL: Final = range(MANIFEST_LEVEL_MAX + 1)


class ChunkRows:
    """Rows of chunks that can be nobody's; runs once for the file."""

    def __init__(self, mending: Mending) -> None:
        self._mending = mending

    def run(self) -> None:
        ours = {home.volume.domain for home in self._mending.homes}
        removed = 0
        for id_, domain, digest, has_data in self._mending.rows("repair_chunks"):
            if domain not in ours and self._mending.others:
                continue
            is_digest = type(digest) is bytes and len(digest) == _DIGEST_BYTES
            if domain not in ours or not is_digest or not has_data:
                self._mending.db.write("chunk_delete", id_)
                removed += 1
        if removed:
            message = "are of no volume, or without data: removed"
            self._mending.note("chunk_without_data", f"{removed} rows of chunks", message)


class Content:
    """The pieces of one key domain, all volumes of which are at hand."""

    def __init__(
        self, mending: Mending, homes: list[Home], places: dict[Home, LostAndFound], *, deep: bool
    ) -> None:
        self._mending = mending
        self._homes = homes
        self._places = places
        self._deep = deep
        self._pool = homes[0].volume.pool
        self._domain = homes[0].volume.domain

    def run(self) -> None:
        references = self._counted()
        while Misplaced(self._mending, self._homes[0], references, deep=self._deep).put_back():
            references.close()
            references = self._counted()
        if self._may_be_of_use(references) and self._keep_unreferenced(references):
            references.close()
            references = self._counted()
        self._set_counts(references)
        references.close()
        self._mending.flush()

    def _counted(self) -> References:
        references = References([home.volume.pool for home in self._homes])
        for home in self._homes:
            for _ in VolumeCheck(home.volume, references, self._mending.pace).run():
                pass  # of rows everything is known
        return references

    # --- content that nothing leads to ---

    def _may_be_of_use(self, references: References) -> bool:
        """Whether something is damaged that may have led to what nothing leads to: else that is
        left over of what was deleted."""
        return any(home.lost_nodes for home in self._homes) or any(
            kind.level > 0
            for digest in references.damaged
            for kind, _ in references.to(digest)
        )  # fmt: skip

    def _keep_unreferenced(self, references: References) -> bool:
        beneath = References([])
        try:
            for reference in self._unreferenced(references):
                if reference.level:
                    for entry in self._pool.entries(reference):
                        if entry is not None:
                            beneath.add(entry)
            tops = (it for it in self._unreferenced(references) if not beneath.to(it.digest))
            home = next((home for home in self._homes if home.lost_nodes), self._homes[0])
            kept = False
            for top in tops:
                self._places[home].place_content(top, self._extent(home, top))
                kept = True
            return kept
        finally:
            beneath.close()

    def _unreferenced(self, references: References) -> Iterator[Reference]:
        for id_, digest in self._rows():
            if not references.to(digest):
                try:
                    reference = self._pool.examine(id_, digest, _ANY_LEVEL)
                except Corrupt:
                    continue
                yield reference

    def _extent(self, home: Home, top: Reference) -> int:
        """Where the last byte lies that is stored beneath."""
        start, at = 0, top
        while at.level:
            width: int = home.volume.info.chunk_size * MANIFEST_FANOUT ** (at.level - 1)
            try:
                entries = self._pool.entries(at)
            except Corrupt:
                return start + width * MANIFEST_FANOUT
            last = entries[-1]
            assert last is not None  # a manifest does not end in a hole
            start, at = start + width * (len(entries) - 1), last
        return start + at.length

    # --- counting ---

    def _set_counts(self, references: References) -> None:
        db = self._mending.db
        put_right = removed = last = 0
        while page := db.raw_rows("chunk_page", self._domain, last, _PAGE):
            for id_, digest, refs in page:
                seen = sum(count for _, count in references.to(digest))
                if not seen:
                    db.write("chunk_delete", id_)
                    db.write("chunk_data_delete", id_)
                    removed += 1
                elif type(refs) is not int or refs != seen:
                    db.write("chunk_set_refs", id_, seen)
                    put_right += 1
            last = page[-1][0]
        what = f"key domain {self._domain}"
        if put_right:
            message = f"{put_right} pieces counted their references wrongly: counted anew"
            self._mending.note("reference_count", what, message)
        if removed:
            message = f"{removed} pieces that nothing leads to: removed"
            self._mending.note("reference_count", what, message)

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        last = 0
        while page := self._mending.db.raw_rows("chunk_page", self._domain, last, _PAGE):
            for id_, digest, _ in page:
                yield id_, digest
            last = page[-1][0]


class StrayData:
    """Data without a chunk, when all that belonged somewhere is there."""

    def __init__(self, mending: Mending) -> None:
        self._mending = mending

    def run(self) -> None:
        if self._mending.others:
            return  # perhaps of a volume that can't be judged
        removed = 0
        for (id_,) in self._mending.rows("repair_stray_data"):
            self._mending.db.write("chunk_data_delete", id_)
            removed += 1
        if removed:
            message = "belong to no chunk: removed"
            self._mending.note("data_without_chunk", f"{removed} rows of data", message)
