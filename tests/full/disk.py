"""A file system that can be filled from outside, to its last byte."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PIECE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system of the test's own."""

    folder: Path

    @property
    def free_bytes(self) -> int:
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self, name: str = "filler") -> None:
        """Leave nothing free: not a byte can be written by anybody."""
        with (self.folder / name).open("ab", buffering=0) as filler:
            piece = _PIECE_BYTES
            while piece:
                try:
                    if filler.write(bytes(piece)) < piece:
                        piece //= 2
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    piece //= 2

    def clear(self, name: str = "filler") -> None:
        (self.folder / name).unlink(missing_ok=True)


@contextmanager
def competitor(disk: Disk, chance: random.Random) -> Iterator[None]:
    """Another user of the file system, who takes all there is, again and again, and lets it go."""
    done = threading.Event()

    def compete() -> None:
        while not done.is_set():
            with contextlib.suppress(FileNotFoundError):
                disk.fill("competitor")
            # Now and then a moment in which there is room.
            if chance.random() < 0.3:
                disk.clear("competitor")
                done.wait(chance.random() / 50)

    thread = threading.Thread(target=compete)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        disk.clear("competitor")


@contextmanager
def tmpfs(folder: Path, size: int) -> Iterator[Disk]:
    mountpoint = folder / "disk"
    mountpoint.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "sqlfs-test", str(mountpoint))
    try:
        yield Disk(mountpoint)
    finally:
        _run("umount", "-l", str(mountpoint))


@contextmanager
def loop_ext4(folder: Path, size: int) -> Iterator[Disk]:
    image = folder / "image"
    with image.open("xb") as made:
        made.truncate(size)
    _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image))
    mountpoint = folder / "disk"
    mountpoint.mkdir()
    _run("mount", "-o", "loop", str(image), str(mountpoint))
    try:
        yield Disk(mountpoint)
    finally:
        _run("umount", "-l", str(mountpoint))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
