"""The frames of a log, one by one: one that is damaged costs itself, not what follows.

SQLite ends a log at the first frame whose checksum is wrong, as it must after a power cut.  Each
frame holds the sum up to itself, from which the next one's can be told apart from damage.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from sqlfs.store.log import FRAME, HEADER, MAGICS, checksum
from sqlfs.store.wreck.reading import read_at


@dataclass(frozen=True, slots=True)
class Frame:
    """``offset``: of its page in the log, bytes; ``pages``: of the file, where a transaction ends
    with this frame, else 0."""

    page: int
    offset: int
    pages: int


def sound_frames(fd: int, page_size: int) -> Iterator[Frame]:
    """The frames of the log's present life that are whole, in order."""
    header = read_at(fd, HEADER.size, 0)
    if len(header) < HEADER.size:
        return
    magic, _, _, _, salt1, salt2, *sums = HEADER.unpack(header)
    big = bool(magic & 1)
    if magic not in MAGICS or checksum(header[:24], (0, 0), big) != tuple(sums):
        # The first frame has the same salts, and nobody writes logs the other way round.
        big = False
        first = read_at(fd, FRAME.size, HEADER.size)
        if len(first) < FRAME.size:
            return
        _, _, salt1, salt2, _, _ = FRAME.unpack(first)
    before = (sums[0], sums[1])
    stride = FRAME.size + page_size
    for at in range(HEADER.size, os.fstat(fd).st_size - stride + 1, stride):
        frame = read_at(fd, stride, at)
        if len(frame) < stride:
            return
        page, pages, *salts, sum1, sum2 = FRAME.unpack_from(frame)
        if tuple(salts) != (salt1, salt2):
            before = (sum1, sum2)
            continue
        found = checksum(frame[FRAME.size :], checksum(frame[:8], before, big), big)
        before = (sum1, sum2)
        if found == before and page > 0:
            yield Frame(page, at + FRAME.size, pages)
