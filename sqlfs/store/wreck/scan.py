"""Looking at every page of a file once, and keeping what may be rows of its tables."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlfs.store.digest import Progress
from sqlfs.store.wreck.cells import Cell, RecordHead, cell_at
from sqlfs.store.wreck.finds import Data, Finds, Rank
from sqlfs.store.wreck.page_use import PageUse
from sqlfs.store.wreck.pages import Page, Pages
from sqlfs.store.wreck.rows import Candidate, candidates
from sqlfs.store.wreck.scratch import Scratch

# Where rows of a table or an index are kept; of those of chunk_data, only where they are.
_KEPT_AS: Final = {
    "volume": "volume", "key_slot": "key_slot", "node": "node", "edge": "edge", "xattr": "xattr",
    "delta": "delta", "counter": "small", "atime": "small", "chunk": "piece",
    "chunk_by_digest": "piece", "sqlite_autoindex_volume_1": "uuid",
}  # fmt: skip
_SMALL_BYTES_MAX: Final = 256
_REPORTED_PAGES: Final = 256


class Wreck:
    """A file of which SQLite can't be asked, scanned.  Use as a context manager, or :meth:`close`.

    ``notices``: lines on what could not be told.  Raises NotFound, InUse, NoSpace where there is no
    room for temporary files.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        """Calls `progress` with the bytes that were looked at, and how many there are."""
        self.path = path
        self._scratch = Scratch()
        try:
            self._pages = Pages(path, self._scratch)
            self._use = PageUse(self._pages)
            self.finds = Finds(self._scratch)
            self._scan(progress)
            self.finds.complete()
        except BaseException:
            self.close()
            raise
        self.notices = [*self._pages.notices]
        if self._use.untold:
            self.notices.append(
                f"of {self._use.untold} of the pages with rows it can't be told whether they are in"
                " use: what was deleted may be among what comes out of them"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        pages: Pages | None = getattr(self, "_pages", None)
        if pages is not None:
            pages.close()
        self._scratch.close()

    def sealed(self, data: Data) -> bytes | None:
        """What a row of ``chunk_data`` holds; None where a page of it leads nowhere."""
        page = self._pages.read(data.in_log, data.offset)
        cell = cell_at(page, data.cell, is_first=data.page == 1)
        head = RecordHead.of(cell) if cell is not None else None
        payload = self._payload(cell) if cell is not None else None
        if head is None or payload is None:
            return None
        value = head.values(payload)[-1]
        return value if isinstance(value, bytes) else None

    # --- scanning ---

    def _scan(self, progress: Progress | None) -> None:
        total = self._pages.bytes
        for count, page in enumerate(self._pages.all(), 1):
            found = list(candidates(page.bytes, is_first=page.number == 1))
            if found:
                rank = self._rank(page)
                for candidate in found:
                    self._keep(page, rank, candidate)
            if progress and count % _REPORTED_PAGES == 0:
                done = count * self._pages.size
                progress(min(done, total), total)
        if progress:
            progress(total, total)

    def _keep(self, page: Page, rank: Rank | None, candidate: Candidate) -> None:
        cell, names = candidate.cell, candidate.names
        if "chunk_data" in names:
            generation = candidate.head.values(cell.local)[1]
            place = (page.in_log, page.offset, page.number, cell.number)
            self.finds.add("data", (int(rank or 0), cell.rowid, generation, *place))
            if cell.length > _SMALL_BYTES_MAX:
                return
        payload = self._payload(cell)
        if payload is None:
            return
        try:
            values = candidate.head.values(payload)
        except UnicodeDecodeError:
            return
        if cell.rowid is not None:
            values[0] = cell.rowid
        for table in {_KEPT_AS[name] for name in names if name in _KEPT_AS}:
            if table == "piece":
                # By its digest a piece is what it is, whatever became of its page.
                by_index = cell.rowid is None
                domain, digest, id_ = values if by_index else (*values[1:3], values[0])
                self.finds.add(table, (domain, digest, id_))
            elif rank is not None:
                self.finds.add(table, (int(rank), *values))

    def _rank(self, page: Page) -> Rank | None:
        """None for a page that is free: what is there was deleted, or stands elsewhere too."""
        if page.superseded:
            return Rank.OLDER
        live = self._use.is_live(page.number)
        if live is None:
            return Rank.UNTOLD
        return Rank.LIVE if live else None

    def _payload(self, cell: Cell) -> bytes | None:
        """All of a cell's payload, from the pages that it goes on on; None where they don't."""
        parts, left, number = [cell.local], cell.length - len(cell.local), cell.overflow
        while left > 0:
            page = self._pages.newest(number)
            if page is None:
                return None
            parts.append(page[4 : 4 + left])
            left -= len(parts[-1])
            number = int.from_bytes(page[:4], "big")
        return b"".join(parts)
