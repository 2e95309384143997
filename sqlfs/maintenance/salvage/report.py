"""What came out, and what did not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that is missing or incomplete.

    ``path``: of the place in the destination, or where it would have been; relative.  ``offset``
    and ``length``: of a range of content that is lost and reads as zeros, bytes; -1 where it is no
    range.  ``message``: one line, without the path.
    """

    path: bytes
    message: str
    offset: int = -1
    length: int = -1


Told = Callable[[Loss], None]


@dataclass(slots=True)
class Recovered:
    """Counts.  ``names``: more names of what has one already.  ``in_lost_and_found``: nodes whose
    place is lost.  ``left_out``: nodes that were deleted while somebody used them.  ``losses``: how
    many were told.  ``expected``: nodes that the volume says it has, None if it can't be read;
    ``found``: those that could be."""

    directories: int = 0
    files: int = 0
    others: int = 0
    names: int = 0
    bytes: int = 0
    in_lost_and_found: int = 0
    left_out: int = 0
    losses: int = 0
    expected: int | None = None
    found: int = 0
