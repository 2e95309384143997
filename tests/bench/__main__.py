"""`python -m tests.bench [DIRECTORY]`: a mounted volume against a plain directory, as ratios.

Both lie in one temporary folder below DIRECTORY (default: the system's).  Rounds alternate between
the two, so that whatever else the machine does meanwhile meets both; medians are compared.  Writing
a large file includes its fsync.  Before it is read, it and the volume file leave the kernel's
cache; what the mount itself remembers stays, as it would in use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

ROUNDS = 5
LARGE_BYTES = 64 * 1024 * 1024
BLOCK_BYTES = 1024 * 1024
SMALL_FILES = 500
DURABLE_FILES = 50
SMALL_BYTES = 2048
MOUNT_S_MAX = 30.0

Measure = Callable[[Path], float]


def write_large(folder: Path) -> float:
    """MiB/s of one new file, fsync included; random bytes, so that nothing is deduplicated."""
    blocks = [os.urandom(BLOCK_BYTES) for _ in range(LARGE_BYTES // BLOCK_BYTES)]
    started = time.perf_counter()
    with (folder / "large").open("wb", buffering=0) as file:
        for block in blocks:
            file.write(block)
        os.fsync(file.fileno())
    return _mib_per_second(started)


def read_large(folder: Path) -> float:
    """MiB/s of the file that write_large left."""
    for held in (folder / "large", *folder.parent.glob("bench.sqlite*")):
        _forget(held)
    started = time.perf_counter()
    with (folder / "large").open("rb", buffering=0) as file:
        while file.read(BLOCK_BYTES):
            pass
    return _mib_per_second(started)


def create_small(folder: Path) -> float:
    """New small files a second, in a directory of their own, made durable by nobody."""
    return _create(folder, SMALL_FILES, lambda _: None)


def create_durable(folder: Path) -> float:
    """New small files a second, each with an fsync of its own."""
    return _create(folder, DURABLE_FILES, os.fsync)


def _create(folder: Path, count: int, finish: Callable[[int], None]) -> float:
    data = [os.urandom(SMALL_BYTES) for _ in range(count)]
    place = Path(tempfile.mkdtemp(dir=folder))
    started = time.perf_counter()
    for number, content in enumerate(data):
        with (place / str(number)).open("wb", buffering=0) as file:
            file.write(content)
            finish(file.fileno())
    return count / (time.perf_counter() - started)


MEASURES: tuple[tuple[str, str, Measure], ...] = (
    ("write 64 MiB", "MiB/s", write_large),
    ("read 64 MiB", "MiB/s", read_large),
    (f"create {SMALL_FILES} files", "files/s", create_small),
    (f"create and fsync {DURABLE_FILES}", "files/s", create_durable),
)


def _mib_per_second(started: float) -> float:
    return LARGE_BYTES / 2**20 / (time.perf_counter() - started)


def _forget(file: Path) -> None:
    """Make the kernel drop the pages of `file` that it holds."""
    with file.open("rb", buffering=0) as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A new plain volume in `folder`, mounted there too."""
    mountpoint = folder / "mounted"
    mountpoint.mkdir()
    options = ["-f", "--log", str(folder / "log")]
    command = [sys.executable, "-m", "fuse_driver", *options, str(folder / "bench.sqlite")]
    with subprocess.Popen([*command, str(mountpoint)], stdout=subprocess.DEVNULL) as driver:
        try:
            _wait_until_mounted(mountpoint, driver)
            yield mountpoint
        finally:
            driver.terminate()  # which unmounts, and ends when the file is whole


def _wait_until_mounted(mountpoint: Path, driver: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + MOUNT_S_MAX
    while not mountpoint.is_mount():
        if driver.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("bench: the volume could not be mounted")
        time.sleep(0.01)


def compare(volume: Path, plain: Path) -> Iterator[tuple[str, str, float, float]]:
    """Name, unit, and the medians for the volume and for the plain directory."""
    for name, unit, measure in MEASURES:
        rounds = [(measure(volume), measure(plain)) for _ in range(ROUNDS)]
        ours, theirs = zip(*rounds, strict=True)
        yield name, unit, median(ours), median(theirs)


def main() -> None:
    """Print one line per measure."""
    table = Table("measure", "volume", "directory", "unit", "ratio")
    where = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="sqlfs-bench-", dir=where) as folder:
        plain = Path(folder) / "plain"
        plain.mkdir()
        with mounted(Path(folder)) as volume:
            for name, unit, ours, theirs in compare(volume, plain):
                table.add_row(name, f"{ours:.0f}", f"{theirs:.0f}", unit, f"{ours / theirs:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
