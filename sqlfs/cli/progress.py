"""A bar with rate and time left, for long transfers and only at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from sqlfs.limits import MIB

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# What is over in a moment needs no bar.
LONG_BYTES: Final = 32 * MIB


class TransferProgress:
    """Counts bytes.  On standard error, so that standard output may carry content."""

    def __init__(self, what: str, total: Callable[[], int | None] = lambda: None) -> None:
        """`total` finds out how many bytes there will be, None if that can't be known; it is
        called only if somebody watches."""
        self._what = what
        watched = sys.stderr is not None and sys.stderr.isatty()
        self._total = total() if watched else None
        self._hidden = not watched
        self._done = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def advance(self, size: int) -> None:
        """`size` more bytes are done."""
        if self._hidden:
            return
        self._done += size
        if self._bar is None and max(self._done, self._total or 0) >= LONG_BYTES:
            self._start()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)

    def reach(self, done: int, total: int) -> None:
        """`done` bytes are done so far, of `total`."""
        self._total = total
        self.advance(done - self._done)

    def finish(self) -> None:
        """Nothing more comes: another bar may follow below.  Idempotent."""
        if self._bar is not None:
            self._bar.stop()

    def _start(self) -> None:
        # Loading rich takes longer than most commands.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(self._what, total=self._total)
        self._bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()
