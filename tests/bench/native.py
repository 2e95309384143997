"""What sqlfs is compared with at last: the plain directory that nothing can be faster than."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.subject import Cost, Subject, Use


class NativeUse(Use[Path]):
    def __init__(self, root: Path) -> None:
        self.root = root

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def cost(self) -> Cost:
        return Cost(0.0, 0)


class Native(Subject[Path]):
    """The backing directory itself: what a machine can do at best."""

    name = "native"
    note = "a plain directory: not encrypted, no daemon"

    def version(self) -> str:
        return f"{os.uname().sysname} {os.uname().release}"

    def create(self, folder: Path) -> None:
        (folder / "store").mkdir()

    @contextmanager
    def use(self, folder: Path) -> Iterator[NativeUse]:
        yield NativeUse(folder / "store")
