"""The lock of a file, held with a transaction open."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType


class Writing:
    """Holds nothing of its own, so one serves all, also within itself; a generator would take
    five times as long."""

    __slots__ = ("_begin", "_end")

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._begin = begin
        self._end = end

    def __enter__(self) -> None:
        self._begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
