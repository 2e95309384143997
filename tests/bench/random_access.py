"""Workloads on one file in no order, or a little at a time."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import material, streams
from tests.bench.workload import Workload

_PAGE = 4096
_RECORD_BYTES = 256


@contextmanager
def _opened(file: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(file, flags, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Random(Workload[Path]):
    def prepare(self, root: Path) -> None:
        streams.write(root / "large", material.unique(self.sizes.stream_bytes))

    def _offsets(self, count: int, round_number: int) -> list[int]:
        source = random.Random(round_number)
        return [source.randrange(self.sizes.stream_bytes // _PAGE) * _PAGE for _ in range(count)]


class RandomReadCold(_Random):
    """Reads of 4 KiB anywhere in a large file; the kernel is told not to read ahead."""

    name = "random-read-cold"
    unit = "reads/s"
    cold = True

    @property
    def amount(self) -> float:
        return self.sizes.random_reads

    def run(self, root: Path, round_number: int) -> None:
        with _opened(root / "large", os.O_RDONLY) as file:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
            for offset in self._offsets(self.sizes.random_reads, round_number):
                os.pread(file, _PAGE, offset)


class RandomWrite(_Random):
    """Writes of 4 KiB anywhere in a large file, and one fsync after all of them."""

    name = "random-write"
    unit = "writes/s"

    @property
    def amount(self) -> float:
        return self.sizes.random_writes

    def run(self, root: Path, round_number: int) -> None:
        page = os.urandom(_PAGE)
        with _opened(root / "large", os.O_WRONLY) as file:
            for offset in self._offsets(self.sizes.random_writes, round_number):
                os.pwrite(file, page, offset)
            os.fsync(file)


class RandomWriteDurable(_Random):
    """The same with an fsync after each."""

    name = "random-write-fsync"
    unit = "writes/s"

    @property
    def amount(self) -> float:
        return self.sizes.durable_writes

    def run(self, root: Path, round_number: int) -> None:
        with _opened(root / "large", os.O_WRONLY) as file:
            for offset in self._offsets(self.sizes.durable_writes, round_number):
                os.pwrite(file, os.urandom(_PAGE), offset)
                os.fsync(file)


class AppendDurable(Workload[Path]):
    """Records of 256 bytes at the end of a file, as a log grows, with an fsync after each."""

    name = "append-fsync"
    unit = "appends/s"
    fresh = True

    @property
    def amount(self) -> float:
        return self.sizes.durable_writes

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        with _opened(root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND) as file:
            for _ in range(self.sizes.durable_writes):
                os.write(file, os.urandom(_RECORD_BYTES))
                os.fsync(file)


WORKLOADS: tuple[type[Workload[Path]], ...] = (
    RandomReadCold,
    RandomWrite,
    RandomWriteDurable,
    AppendDurable,
)
