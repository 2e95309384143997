"""The directory in which everything that is measured stores its bytes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MIB = 2**20


@contextmanager
def backing(directory: Path | None, touched_bytes: int) -> Iterator[Path]:
    """A folder of our own, gone afterwards: in `directory`, or else on a tmpfs.

    Of a tmpfs the first `touched_bytes` are written and freed once, so that no subject pays for
    being the first to use that memory.
    """
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="sqlfs-bench-", dir=directory) as folder:
            yield Path(folder)
        return
    with _tmpfs() as folder:
        _touch(folder, touched_bytes)
        yield folder


@contextmanager
def _tmpfs() -> Iterator[Path]:
    """One of our own if this process may mount it, otherwise a folder on the shared one."""
    with tempfile.TemporaryDirectory(prefix="sqlfs-bench-") as place:
        mounting = ["mount", "-t", "tmpfs", "-o", "mode=700", "sqlfs-bench", place]
        if os.geteuid() == 0 and not subprocess.run(mounting, capture_output=True).returncode:
            try:
                yield Path(place)
            finally:
                subprocess.run(["umount", place], check=True)
            return
    with tempfile.TemporaryDirectory(prefix="sqlfs-bench-", dir="/dev/shm") as place:
        yield Path(place)


def _touch(folder: Path, size: int) -> None:
    file = folder / "touched"
    zeros = bytes(_MIB)
    with file.open("wb", buffering=0) as stream:
        for _ in range(size // _MIB):
            stream.write(zeros)
    file.unlink()
