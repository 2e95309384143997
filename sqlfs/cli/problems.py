"""Going on after what concerns one file only, without forgetting it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlfs.cli.exits import Exit, exit_code
from sqlfs.cli.output import complaint
from sqlfs.errors import ConnectionLost, NoSpace, ReadOnly, SqlfsError

# After these the next file would fare no better.
_FATAL: Final = (ConnectionLost, NoSpace, ReadOnly)


class Problems:
    """Says what went wrong, one line each; :attr:`code` is that of the first problem."""

    def __init__(self) -> None:
        self.code: int = Exit.OK

    @contextmanager
    def noted(self) -> Iterator[None]:
        """An error inside is said and noted, and the program goes on after the block."""
        try:
            yield
        except _FATAL:
            raise
        except SqlfsError as error:
            complaint(error.message)
            self.code = self.code or exit_code(error)
