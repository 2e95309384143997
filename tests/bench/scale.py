"""How sqlfs grows: speeds, times and sizes as there is ever more in a volume.  Plain text.

A curve's point is measured at a size, on what is added or looked at there, so that a flat column
is a flat curve.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import material
from tests.bench.mounted import MountedUse
from tests.bench.subject import drop_caches
from tests.bench.volume import Sqlfs

MIB = 2**20
GIB = 2**30
TIB = 2**40

_FILE_BYTES = 512 + 1  # the smallest that has a chunk of its own
_PER_DIRECTORY = 1_000
_ROOM = 0.8  # of the free space below, for a log and what else is there


@dataclass(frozen=True)
class Growth:
    """Counts ascend."""

    files: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    sample: int = 5_000  # of files created, looked up and listed for each point
    sparse_bytes: int = TIB
    shared_bytes: int = TIB
    shared_file_bytes: int = GIB
    copied_bytes: int = 20 * GIB
    copied_step_bytes: int = GIB


FULL = Growth()
QUICK = Growth(
    files=(100, 200),
    sample=50,
    shared_bytes=64 * MIB,
    shared_file_bytes=MIB,
    copied_bytes=4 * MIB,
    copied_step_bytes=MIB,
)


@contextmanager
def _used(place: Path) -> Iterator[MountedUse]:
    """A new mount with cold caches, whose peak counts from the start."""
    drop_caches(place)
    with Sqlfs().use(place) as use:
        use.start()
        yield use
        use.stop()


class _Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @property
    def s(self) -> float:
        return time.perf_counter() - self._started


def _many_directories(place: Path, growth: Growth) -> None:
    _grow(place, growth, _PER_DIRECTORY)


def _one_directory(place: Path, growth: Growth) -> None:
    _grow(place, growth, growth.files[-1])


def _grow(place: Path, growth: Growth, per_directory: int) -> None:
    print(
        f"{'files':>9} {'create/s':>9} {'cold stat/s':>11} {'warm stat/s':>11} {'ls entries/s':>12}"
        f" {'mount s':>8} {'unmount s':>9} {'bytes/file':>10} {'peak MiB':>8}"
    )
    there = 0
    for count in growth.files:
        with _used(place) as use:
            _create(use.root, there, count - growth.sample, per_directory)
            clock = _Clock()
            _create(use.root, count - growth.sample, count, per_directory)
            create_rate = growth.sample / clock.s
        there = count
        overhead = _stored(place) / count - _FILE_BYTES
        mounting = _Clock()
        with _used(place) as use:
            mount_s = mounting.s
            numbers = random.Random(material.SEED).sample(range(count), growth.sample)
            rates = [_stat(use.root, numbers, per_directory) for _ in ("cold", "warm")]
            clock = _Clock()
            listed = sum(1 for _ in os.scandir(use.root / "0"))
            list_rate = listed / clock.s
            ending = _Clock()
        print(
            f"{count:9} {create_rate:9.0f} {rates[0]:11.0f} {rates[1]:11.0f} {list_rate:12.0f}"
            f" {mount_s:8.2f} {ending.s:9.2f} {overhead:10.0f} {_peak_mib(use):8.0f}",
            flush=True,
        )


def _create(root: Path, first: int, end: int, per_directory: int) -> None:
    data = material.unique(_FILE_BYTES)[: _FILE_BYTES - 8]
    for number in range(first, end):
        folder = root / str(number // per_directory)
        if number % per_directory == 0:
            folder.mkdir()
        with (folder / str(number)).open("xb", buffering=0) as file:
            file.write(number.to_bytes(8, "big") + data)


def _stat(root: Path, numbers: list[int], per_directory: int) -> float:
    clock = _Clock()
    for number in numbers:
        (root / str(number // per_directory) / str(number)).stat()
    return len(numbers) / clock.s


def _sparse(place: Path, growth: Growth) -> None:
    with _used(place) as use:
        file = use.root / "sparse"
        with file.open("wb", buffering=0) as stream:
            for offset in range(0, growth.sparse_bytes, growth.sparse_bytes // 64):
                os.pwrite(stream.fileno(), material.unique(4096), offset)
            stream.truncate(growth.sparse_bytes)
            os.fsync(stream.fileno())
    mounting = _Clock()
    with _used(place) as use:
        mount_s = mounting.s
        clock = _Clock()
        file = use.root / "sparse"
        file.unlink()
        unlink_s = clock.s
    print(
        f"{growth.sparse_bytes / TIB:.2f} TiB: mounted in {mount_s:.2f} s, unlinked in"
        f" {unlink_s * 1000:.1f} ms, peak {_peak_mib(use):.0f} MiB",
        flush=True,
    )


def _shared(place: Path, growth: Growth) -> None:
    """Copies of one file, by copy_file_range(2), until their sizes add up."""
    copies = growth.shared_bytes // growth.shared_file_bytes
    with _used(place) as use:
        first = use.root / "0"
        _write_unique(first, growth.shared_file_bytes)
        clock = _Clock()
        for number in range(1, copies):
            _copy_range(first, use.root / str(number), growth.shared_file_bytes)
        copy_rate = (copies - 1) * growth.shared_file_bytes / GIB / clock.s
    stored = _stored(place)
    mounting = _Clock()
    with _used(place) as use:
        mount_s = mounting.s
        clock = _Clock()
        shutil.rmtree(use.root, ignore_errors=True)
        remove_s = clock.s
    print(
        f"{growth.shared_bytes / TIB:.2f} TiB in {copies} files: copied at {copy_rate:.0f} GiB/s,"
        f" stored in {stored / MIB:.0f} MiB"
        f" ({stored / growth.shared_file_bytes:.3f} of what is unique),"
        f" mounted in {mount_s:.2f} s, removed in {remove_s:.2f} s, peak {_peak_mib(use):.0f} MiB",
        flush=True,
    )


def _copy_range(source: Path, target: Path, size: int) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        while size:
            size -= os.copy_file_range(reading.fileno(), writing.fileno(), size)


def _copied(place: Path, growth: Growth) -> None:
    step = growth.copied_step_bytes
    size = min(growth.copied_bytes, int(shutil.disk_usage(place).free * _ROOM) // step * step)
    if size < growth.copied_bytes:
        print(f"there is room for {size // MIB} MiB of {growth.copied_bytes // MIB} only")
    print(f"{'MiB':>9} {'MiB/s':>9} {'peak MiB':>9}")
    with _used(place) as use, (use.root / "copy").open("wb", buffering=0) as stream:
        for end in range(step, size + 1, step):
            clock = _Clock()
            _append_unique(stream.fileno(), step)
            rate = step / MIB / clock.s
            use.stop()
            print(f"{end // MIB:9} {rate:9.0f} {_peak_mib(use):9.0f}", flush=True)
    stored = _stored(place)
    print(f"stored in {stored / MIB:.0f} MiB ({stored / size:.3f})", flush=True)


def _write_unique(file: Path, size: int) -> None:
    with file.open("wb", buffering=0) as stream:
        _append_unique(stream.fileno(), size)


def _append_unique(descriptor: int, size: int) -> None:
    """Up to a durable end; the bytes cost next to nothing to come by."""
    block = bytearray(os.urandom(MIB))
    for _ in range(size // MIB):
        for at in range(0, MIB, 4096):
            block[at : at + 8] = os.urandom(8)
        os.write(descriptor, block)
    os.fsync(descriptor)


def _stored(place: Path) -> int:
    """Bytes that the volume takes, once it is unmounted."""
    return sum(file.stat().st_blocks * 512 for file in (place / "store").iterdir())


def _peak_mib(use: MountedUse) -> float:
    return use.cost().peak_bytes / MIB


CURVES: dict[str, Callable[[Path, Growth], None]] = {
    "many files in directories of 1,000": _many_directories,
    "many files in one directory": _one_directory,
    "a sparse file": _sparse,
    "content that is shared": _shared,
    "a large copy of unique bytes": _copied,
}


def run(folder: Path, growth: Growth, curves: Sequence[str] = ()) -> None:
    """Print those curves, or all.  Stores below `folder` and leaves nothing there."""
    for title in curves or CURVES:
        print(f"\n{title}", flush=True)
        place = folder / "scale"
        place.mkdir()
        try:
            Sqlfs().create(place)
            CURVES[title](place, growth)
        finally:
            shutil.rmtree(place, ignore_errors=True)
