"""A bar for work that is counted in rows or pieces, at a terminal and only if it takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# What is over sooner needs no bar (seconds).
_LONG_S: Final = 1.0


class StepProgress:
    """Called with what is being done, how much of it is done, and how much there is.  On standard
    error, so that standard output may carry results."""

    def __init__(self) -> None:
        self._hidden = sys.stderr is None or not sys.stderr.isatty()
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._hidden or (self._bar is None and time.monotonic() - self._began < _LONG_S):
            return
        if self._bar is None or self._task is None:
            self._start()
        assert self._bar is not None
        assert self._task is not None
        self._bar.update(self._task, description=what, completed=done, total=total or None)

    def _start(self) -> None:
        # Loading rich takes longer than most commands.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def verifying() -> Iterator[Callable[[int, int], None]]:
    """For :func:`sqlfs.owner.open`: shows how far a copy is verified, if that takes long."""
    with StepProgress() as steps:
        yield lambda done, total: steps("verify", done, total)
