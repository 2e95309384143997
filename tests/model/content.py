"""The bytes of one file: pages of memory, with holes where nothing was written."""

from __future__ import annotations

from collections.abc import Iterator

PAGE_BYTES = 4096


class SparseBytes:
    """A byte string of up to 2**63 - 1 bytes that stores only the pages written to."""

    def __init__(self) -> None:
        self.size = 0
        self._pages: dict[int, bytearray] = {}

    @property
    def blocks(self) -> int:
        """Pages stored, in blocks of 512 bytes."""
        return len(self._pages) * (PAGE_BYTES // 512)

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer at the end, none beyond it."""
        end = min(offset + size, self.size)
        hole = bytes(PAGE_BYTES)
        return b"".join(
            bytes(self._pages.get(page, hole)[start:stop])
            for page, start, stop in _pieces(offset, end)
        )

    def write(self, offset: int, data: bytes) -> None:
        done = 0
        for page, start, stop in _pieces(offset, offset + len(data)):
            stored = self._pages.setdefault(page, bytearray(PAGE_BYTES))
            stored[start:stop] = data[done : done + stop - start]
            done += stop - start
        if data:
            self.size = max(self.size, offset + len(data))

    def truncate(self, size: int) -> None:
        """Cut, or extend by a hole."""
        if size < self.size:
            last, kept = divmod(size, PAGE_BYTES)
            for page in [page for page in self._pages if page > last]:
                del self._pages[page]
            if last in self._pages:
                self._pages[last][kept:] = bytes(PAGE_BYTES - kept)
                if kept == 0:
                    del self._pages[last]
        self.size = size

    def punch(self, offset: int, end: int) -> None:
        """Zeros, and no pages where there is nothing else; the size stays."""
        for page in self._pages_within(offset, end):
            first = page * PAGE_BYTES
            start, stop = max(0, offset - first), min(PAGE_BYTES, end - first)
            self._pages[page][start:stop] = bytes(stop - start)
            if not any(self._pages[page]):
                del self._pages[page]

    def copy_range(self, source: SparseBytes, offset_in: int, offset_out: int, size: int) -> None:
        """`size` bytes, all of which `source` has; the two ranges do not overlap."""
        self.punch(offset_out, offset_out + size)
        self.size = max(self.size, offset_out + size)
        for page in source._pages_within(offset_in, offset_in + size):
            start = max(offset_in, page * PAGE_BYTES)
            stop = min(offset_in + size, (page + 1) * PAGE_BYTES)
            self.write(offset_out + start - offset_in, source.read(start, stop - start))

    def find_data(self, offset: int) -> int | None:
        """Where the next page that is not all zeros begins, or `offset` within one."""
        for page in self._pages_within(offset, self.size):
            if any(self._pages[page]):
                return max(offset, page * PAGE_BYTES)
        return None

    def find_hole(self, offset: int) -> int:
        """Where the next page that is all zeros begins, or the end."""
        page = offset // PAGE_BYTES
        while page in self._pages and any(self._pages[page]):
            page += 1
        return max(offset, min(self.size, page * PAGE_BYTES))

    def _pages_within(self, offset: int, end: int) -> list[int]:
        first, last = offset // PAGE_BYTES, -(-end // PAGE_BYTES)
        return sorted(page for page in self._pages if first <= page < last)

    def copy(self) -> SparseBytes:
        twin = SparseBytes()
        twin.size = self.size
        twin._pages = {page: bytearray(stored) for page, stored in self._pages.items()}
        return twin


def _pieces(offset: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The range from `offset` to `end` as (page, first byte in it, byte after the last)."""
    while offset < end:
        page, start = divmod(offset, PAGE_BYTES)
        stop = min(PAGE_BYTES, start + end - offset)
        yield page, start, stop
        offset += stop - start
