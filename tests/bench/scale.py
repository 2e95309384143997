"""How sqlfs grows: speeds, times and sizes as there is ever more in a volume.

A curve's point is measured at a size, on what is added or looked at there, so that a flat column
is a flat curve.  CPU time is the daemon's, which a busy machine changes less than rates.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench import material
from tests.bench.mounted import MountedUse
from tests.bench.subject import drop_caches
from tests.bench.volume import Sqlfs

MIB = 2**20
GIB = 2**30
TIB = 2**40

_FILE_BYTES = 512 + 1  # a small one, which lies in its node's row
_PER_DIRECTORY = 1_000
_ROOM = 0.8  # of the free space below, for a log and what else is there

Point = Mapping[str, float]  # figures by name and unit, the same ones for all points of a curve


@dataclass(frozen=True)
class Growth:
    """Counts ascend."""

    files: tuple[int, ...] = (10_000, 30_000, 100_000, 300_000, 1_000_000)
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
    """Seconds since it was made, and CPU seconds of the daemon behind `use`."""

    def __init__(self, use: MountedUse | None = None) -> None:
        self._use = use
        self._cpu_s = use.cpu_s() if use else 0.0
        self._started = time.perf_counter()

    @property
    def s(self) -> float:
        return time.perf_counter() - self._started

    def each(self, what: str, count: int) -> dict[str, float]:
        """The rate of `what`, of which there were `count`, and what one of it cost."""
        assert self._use
        rate = count / self.s
        return {f"{what}/s": rate, f"{what} us": (self._use.cpu_s() - self._cpu_s) / count * 1e6}

    def mounted(self, use: MountedUse) -> dict[str, float]:
        """What mounting took, of which the key's derivation is a good part."""
        return {"mount s": self.s, "mount CPU s": use.cpu_s()}


def _grow(per_directory: int | None, place: Path, growth: Growth) -> Iterator[Point]:
    """Files in directories of so many, or all in one."""
    per_directory = per_directory or growth.files[-1]
    there = 0
    for count in growth.files:
        with _used(place) as use:
            _create(use.root, there, count - growth.sample, per_directory)
            clock = _Clock(use)
            _create(use.root, count - growth.sample, count, per_directory)
            created = clock.each("create", growth.sample)
        there, creating_peak = count, _peak_mib(use)
        overhead = _stored(place) / count - _FILE_BYTES
        mounting = _Clock()
        with _used(place) as use:
            mounted = mounting.mounted(use)
            looks = _looks(use, count, growth.sample, per_directory)
            ending = _Clock()
        yield {
            "files": count, **created, **looks, **mounted, "unmount s": ending.s,
            "overhead B": overhead, "peak MiB": max(creating_peak, _peak_mib(use)),
        }  # fmt: skip


def _create(root: Path, first: int, end: int, per_directory: int) -> None:
    data = material.unique(_FILE_BYTES)[: _FILE_BYTES - 8]
    for number in range(first, end):
        folder = root / str(number // per_directory)
        if number % per_directory == 0:
            folder.mkdir()
        with (folder / str(number)).open("xb", buffering=0) as file:
            file.write(number.to_bytes(8, "big") + data)


def _looks(use: MountedUse, count: int, sample: int, per_directory: int) -> dict[str, float]:
    """Cold, warm, and at one directory as a whole."""
    numbers = random.Random(material.SEED).sample(range(count), sample)
    found: dict[str, float] = {}
    for what in ("cold stat", "warm stat"):
        clock = _Clock(use)
        for number in numbers:
            (use.root / str(number // per_directory) / str(number)).stat()
        found |= clock.each(what, sample)
    clock = _Clock(use)
    listed = sum(1 for _ in os.scandir(use.root / "0"))
    return found | clock.each("listed", listed)


def _sparse(place: Path, growth: Growth) -> Iterator[Point]:
    with _used(place) as use:
        file = use.root / "sparse"
        with file.open("wb", buffering=0) as stream:
            for offset in range(0, growth.sparse_bytes, growth.sparse_bytes // 64):
                os.pwrite(stream.fileno(), material.unique(4096), offset)
            stream.truncate(growth.sparse_bytes)
            os.fsync(stream.fileno())
    mounting = _Clock()
    with _used(place) as use:
        mounted = mounting.mounted(use)
        clock = _Clock()
        (use.root / "sparse").unlink()
        unlink_s = clock.s
    yield {
        "TiB": growth.sparse_bytes / TIB, **mounted, "unlink ms": unlink_s * 1000,
        "peak MiB": _peak_mib(use),
    }  # fmt: skip


def _shared(place: Path, growth: Growth) -> Iterator[Point]:
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
        mounted = mounting.mounted(use)
        clock = _Clock()
        shutil.rmtree(use.root, ignore_errors=True)
        remove_s = clock.s
    yield {
        "TiB": growth.shared_bytes / TIB, "copies": copies, "copied GiB/s": copy_rate,
        "stored / unique": stored / growth.shared_file_bytes, **mounted,
        "remove s": remove_s, "peak MiB": _peak_mib(use),
    }  # fmt: skip


def _copy_range(source: Path, target: Path, size: int) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        while size:
            size -= os.copy_file_range(reading.fileno(), writing.fileno(), size)


def _copied(place: Path, growth: Growth) -> Iterator[Point]:
    """Less than wanted where there is no room for it.  What is stored counts the log, but at the
    end, when it is gone."""
    step = growth.copied_step_bytes
    size = min(growth.copied_bytes, int(shutil.disk_usage(place).free * _ROOM) // step * step)
    point: dict[str, float] = {}
    with _used(place) as use, (use.root / "copy").open("wb", buffering=0) as stream:
        for end in range(step, size + 1, step):
            if point:
                yield point
            clock = _Clock(use)
            _append_unique(stream.fileno(), step)
            written = clock.each("MiB", step // MIB)
            use.stop()
            stored = {"stored / unique": _stored(place) / end}
            point = {"MiB": end // MIB, **written, "peak MiB": _peak_mib(use), **stored}
    yield point | {"stored / unique": _stored(place) / size}


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
    """Bytes that the volume takes."""
    return sum(file.stat().st_blocks * 512 for file in (place / "store").iterdir())


def _peak_mib(use: MountedUse) -> float:
    return use.cost().peak_bytes / MIB


@dataclass(frozen=True)
class Curve:
    title: str
    points: Callable[[Path, Growth], Iterator[Point]]


CURVES: dict[str, Curve] = {
    "files": Curve("many files in directories of 1,000", partial(_grow, _PER_DIRECTORY)),
    "directory": Curve("many files in one directory", partial(_grow, None)),
    "sparse": Curve("a sparse file", _sparse),
    "shared": Curve("content that is shared", _shared),
    "copy": Curve("a large copy of unique bytes", _copied),
}


def run(folder: Path, growth: Growth, names: Sequence[str] = ()) -> dict[str, list[Point]]:
    """Measure those curves, or all, and print each point when it is there.

    Stores below `folder` and leaves nothing there.
    """
    found: dict[str, list[Point]] = {}
    for name in names or CURVES:
        print(f"\n{name}: {CURVES[name].title}", flush=True)
        place = folder / "scale"
        place.mkdir()
        found[name] = []
        try:
            Sqlfs().create(place)
            for point in CURVES[name].points(place, growth):
                if not found[name]:
                    print("  ".join(f"{title:>{_WIDTH}}" for title in point))
                found[name].append(point)
                cells = (f"{_figure(value):>{max(_WIDTH, len(it))}}" for it, value in point.items())
                print("  ".join(cells), flush=True)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    return found


_WIDTH = 7


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
