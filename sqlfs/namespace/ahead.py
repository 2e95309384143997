"""Reading a directory's rows before they are asked for.

Reading some hundred rows at once costs a tenth of reading each when it is looked up, and unsealing
them one after the other half of doing so between requests, when code and data are out of the
processor's caches.  So when names of one directory are looked up that are not in memory, its rows
are read on from its beginning, in the order of edges, more of them each time, and unsealed.  Where
the names that are looked up are not among those that were read, as at random in a directory of a
million, or in a thousand of a thousand, reading on ends.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sqlfs.limits import AHEAD_ROWS

# Names that are looked up one by one before reading on begins.
_ALONE: Final = 2
_ROWS_FIRST: Final = 16
_ROWS_MAX: Final = 256
# Rows of all directories that may be read for nothing, and how many more for each that was of use;
# more than are kept are never read.
_ROWS_FREE: Final = 2048
_ROWS_PER_HIT: Final = 4
_ROWS_ALLOWED_MAX: Final = AHEAD_ROWS
_DIRECTORIES: Final = 1024


@dataclass(slots=True)
class _Directory:
    misses: int = 0
    cookie: int = 0  # of the last edge that was read
    ended: bool = False  # all were read


class Foresight:
    """Which directory is read on, and how far.  Guarded by the store's lock."""

    def __init__(self) -> None:
        self._directories: OrderedDict[int, _Directory] = OrderedDict()
        self._rows_allowed = _ROWS_FREE

    def hit(self) -> None:
        """A row that was read ahead was of use."""
        self._rows_allowed = min(self._rows_allowed + _ROWS_PER_HIT, _ROWS_ALLOWED_MAX)

    def missed(self, directory: int) -> tuple[int, int] | None:
        """A name was looked up that was not in memory: above which cookie to read on, and how many
        rows; None if that does not pay."""
        known = self._directories.get(directory)
        if known is None:
            known = self._directories[directory] = _Directory()
            if len(self._directories) > _DIRECTORIES:
                self._directories.popitem(last=False)
        known.misses += 1
        if known.ended or known.misses <= _ALONE:
            return None
        doubled = _ROWS_FIRST << min(known.misses - _ALONE - 1, 16)
        wanted = min(doubled, _ROWS_MAX, self._rows_allowed)
        return (known.cookie, wanted) if wanted > 0 else None

    def read(self, directory: int, cookie: int, rows: int, *, ended: bool) -> None:
        """So many rows were read, up to the edge `cookie`; `ended`: there are no more."""
        known = self._directories[directory]
        known.cookie, known.ended = cookie, ended
        self._rows_allowed -= rows
