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
