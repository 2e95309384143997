"""Volumes as the stories use them: mounted, plain or encrypted, and seen from outside."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.cli.running import Outcome, succeed
from tests.mount.mounting import COMMAND, Mount, wait_until

PASSPHRASE = "correct horse battery staple"
MEMORY_BYTES_MAX = 256 * 1024 * 1024

# 1 is right for every day; 32 makes the large file of the stories one of 4 GiB.
SOAK = int(os.environ.get("SQLFS_SOAK", "1"))


class Volume(Mount):
    """A mount at ``place/mounted`` of ``place/volume.sqlite``, and the words that unlock it."""

    def __init__(self, place: Path, *, encrypted: bool) -> None:
        super().__init__(place)
        self.encrypted = encrypted
        self.words: list[str | Path] = []
        if encrypted:
            secret = place / "secret"
            secret.write_text(PASSPHRASE)
            self.words = ["--passphrase-file", secret]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        if error is None:
            self.file.unlink(missing_ok=True)  # much of the disk, and of use to nobody

    @property
    def file_bytes(self) -> int:
        return self.file.stat().st_size

    @property
    def used_bytes(self) -> int:
        """What ``df`` shows as used."""
        status = os.statvfs(self.directory)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def make(self) -> None:
        """Make the volume, and mount it."""
        self.start(*["--encrypt"] * self.encrypted)

    def start(
        self, *arguments: str | Path, command: Sequence[str] = COMMAND, **settings: object
    ) -> str:
        return super().start(*self.words, *arguments, command=command, **settings)

    def sqlfs(self, command: str, *words: str | Path, given: bytes = b"") -> Outcome:
        """Run a command of ``sqlfs`` on the volume; it must succeed and not complain."""
        return succeed(command, *self.words, self.file, *words, given=given)

    def wait_until_free(self, used_bytes_max: int) -> None:
        """What was removed is taken apart in the background."""
        wait_until(lambda: self.used_bytes < used_bytes_max, "df shows the room that was freed")

    def peak_bytes(self) -> int:
        """The most memory that the process behind the mount has had resident."""
        return peak_bytes(self.pid)


def peak_bytes(pid: int | str) -> int:
    """The most memory that a live process has had resident since it began."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found, status
    return int(found[1]) * 1024


def stored(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows of a volume file that nobody uses, by Python's own SQLite."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        return database.execute(query).fetchall()


@contextmanager
def random_file(path: Path, size: int) -> Iterator[Path]:
    """A new file of `size` random bytes, a multiple of 1 MiB; gone afterwards."""
    with path.open("wb") as stream:
        for _ in range(size // 2**20):
            stream.write(os.urandom(2**20))
    yield path
    path.unlink()


def each_file(top: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """The regular files below `top` that are `wanted`, in order."""
    found = (path for path in sorted(top.rglob("*")) if not path.is_symlink() and path.is_file())
    return [path for path in found if wanted(path)]
