"""Small writes in memory, over the stored chunk of one slot."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Patches:
    """Pieces by their offset within the slot: sorted, apart from each other by a byte at least."""

    __slots__ = ("_pieces", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[bytearray] = []

    def __iter__(self) -> Iterator[tuple[int, bytearray]]:
        return zip(self._starts, self._pieces, strict=True)

    def put(self, start: int, piece: bytes | memoryview) -> None:
        """Lay `piece`, which has a byte at least, over what is there."""
        stop = start + len(piece)
        starts, pieces = self._starts, self._pieces
        first = bisect_left(starts, start)
        if first and starts[first - 1] + len(pieces[first - 1]) >= start:
            first -= 1
        last = bisect_right(starts, stop, first)
        if first == last:
            starts.insert(first, start)
            pieces.insert(first, bytearray(piece))
            return
        begin = min(start, starts[first])
        if last - first > 1 or begin < starts[first]:
            whole = bytearray(max(stop, starts[last - 1] + len(pieces[last - 1])) - begin)
            for at, old in zip(starts[first:last], pieces[first:last], strict=True):
                whole[at - begin : at - begin + len(old)] = old
            starts[first:last], pieces[first:last] = [begin], [whole]
        pieces[first][start - begin : stop - begin] = piece

    def covering(self, start: int, stop: int) -> memoryview | None:
        """The bytes from `start` to before `stop` if one piece has them all."""
        at = bisect_right(self._starts, start) - 1
        if at < 0:
            return None
        begin, piece = self._starts[at], self._pieces[at]
        if begin + len(piece) < stop:
            return None
        return memoryview(piece)[start - begin : stop - begin]

    def lay(self, out: memoryview, start: int) -> None:
        """Write into `out`, which is the slot from `start` on, what lies there."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, start + len(out))
        for at, piece in zip(self._starts[first:last], self._pieces[first:last], strict=True):
            within = memoryview(piece)[max(0, start - at) : start + len(out) - at]
            begin = max(0, at - start)
            out[begin : begin + len(within)] = within

    def over(self, base: bytes) -> bytearray:
        """The slot whose stored bytes are `base`; what is between its end and a piece is zeros."""
        end = self._starts[-1] + len(self._pieces[-1]) if self._starts else 0
        whole = bytearray(base).ljust(end, b"\0")
        with memoryview(whole) as out:
            self.lay(out, 0)
        return whole
