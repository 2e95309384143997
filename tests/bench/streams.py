"""Workloads on one large file from its beginning to its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from tests.bench import material
from tests.bench.workload import MIB, Workload

_READ_BYTES = MIB


def write(file: Path, data: bytes, block_bytes: int = MIB) -> None:
    """A new file, written in blocks, with an fsync at its end."""
    with file.open("xb", buffering=0) as stream:
        for block in material.blocks(data, block_bytes):
            stream.write(block)
        os.fsync(stream.fileno())


def read(file: Path) -> None:
    buffer = bytearray(_READ_BYTES)
    with file.open("rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass


class _Writing(Workload[Path]):
    unit = "MiB/s"
    fresh = True
    material: Callable[[int], bytes] = staticmethod(material.unique)

    @property
    def amount(self) -> float:
        return self.sizes.stream_bytes / MIB

    @cached_property
    def data(self) -> bytes:
        return self.material(self.sizes.stream_bytes)

    def prepare(self, root: Path) -> None:
        del root
        assert self.data  # made here, not while it is measured

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        write(root / "new", self.data)


class WriteUnique(_Writing):
    """Bytes that neither compress nor repeat, in blocks of 1 MiB, with an fsync at the end."""

    name = "write-unique"


class WriteDuplicate(_Writing):
    """The same bytes as in a file that is there already."""

    name = "write-duplicate"

    def prepare(self, root: Path) -> None:
        write(root / "old", self.data)


class WriteText(_Writing):
    """Lines of text, which compress."""

    name = "write-text"
    material = staticmethod(material.text)


class WriteBinaries(_Writing):
    """Shared libraries of the machine."""

    name = "write-binaries"
    material = staticmethod(material.binaries)


class WriteSmallCalls(_Writing):
    """As write-unique, but in calls of 4 KiB."""

    name = "write-4k-calls"

    @property
    def amount(self) -> float:
        return self.sizes.small_calls_bytes / MIB

    @cached_property
    def data(self) -> bytes:
        return self.material(self.sizes.small_calls_bytes)

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        write(root / "new", self.data, 4096)


class ReadCold(Workload[Path]):
    """One large file, in blocks of 1 MiB."""

    name = "read-cold"
    unit = "MiB/s"
    cold = True

    @property
    def amount(self) -> float:
        return self.sizes.stream_bytes / MIB

    def prepare(self, root: Path) -> None:
        write(root / "large", material.unique(self.sizes.stream_bytes))

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        read(root / "large")


class ReadWarm(ReadCold):
    """The same, for the second time."""

    name = "read-warm"
    cold = False
    warm = True


WORKLOADS: tuple[type[Workload[Path]], ...] = (
    WriteUnique,
    WriteDuplicate,
    WriteText,
    WriteBinaries,
    WriteSmallCalls,
    ReadCold,
    ReadWarm,
)
