"""How the store makes files durable; replaced by tests that lose power."""

from __future__ import annotations

import os
from typing import Protocol


class Syncer(Protocol):
    """Makes what was written to a descriptor durable.  ``which`` is "log" or "main"."""

    def sync(self, fd: int, which: str) -> None: ...


class DataSyncer:
    """fdatasync(2); releases the GIL."""

    def sync(self, fd: int, which: str) -> None:  # noqa: ARG002
        os.fdatasync(fd)
