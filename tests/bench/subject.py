"""What can be measured: something that is made, used, and made use of again after a break."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

Root = TypeVar("Root")

DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True)
class Cost:
    """What a subject took for a workload: CPU seconds of its own processes, from the start of the
    measured part to the subject's end, so that what it put off counts too; and the most memory
    that was resident at a time meanwhile."""

    cpu_s: float
    peak_bytes: int


class Use(ABC, Generic[Root]):
    """A subject that is being used."""

    root: Root

    @abstractmethod
    def start(self) -> None:
        """The measured part begins: what was before does not count."""

    @abstractmethod
    def stop(self) -> None:
        """The measured part is over, as far as memory is concerned.  It may be so repeatedly."""

    @abstractmethod
    def cost(self) -> Cost:
        """Of CPU time, once the use has ended."""


class Subject(ABC, Generic[Root]):
    """Something to be measured, under the `name` that it is asked for by."""

    name: str
    note: str = ""  # what to know when reading its figures

    def missing(self) -> str | None:
        """None if it can be used here; otherwise why not and what to do, in one line."""
        return None

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def create(self, folder: Path) -> None:
        """Make a new, empty one in the empty `folder`."""

    @abstractmethod
    def use(self, folder: Path) -> AbstractContextManager[Use[Root]]:
        """The one in `folder`; from the context's end nothing of it is running or mounted."""

    def forget(self, folder: Path) -> None:
        """Drop whatever the subject keeps in `folder` for no other reason than speed."""


def may_drop_caches() -> bool:
    return os.access(DROP_CACHES, os.W_OK)


def drop_caches(folder: Path) -> None:
    """Have the kernel drop all that it can read again, if this process may ask for that.

    What is not yet written can't be dropped: so the file system of `folder` is synced first, and
    others, whose writing is nobody's business here, are not.
    """
    if may_drop_caches():
        subprocess.run(["sync", "--file-system", folder], check=True)
        DROP_CACHES.write_text("3")
