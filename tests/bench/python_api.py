"""The core without FUSE: volumes as Python programs use them, in this very process."""

from __future__ import annotations

import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

import sqlfs
from tests.bench import material
from tests.bench.mounted import PASSPHRASE
from tests.bench.processes import forget_peak, peak_bytes
from tests.bench.subject import Cost, Subject, Use
from tests.bench.workload import MIB, Workload

FILE_BYTES = 2048


class Files(Protocol):
    """The methods that are measured."""

    def mkdir(self, path: str, /) -> object: ...
    def write_bytes(self, path: str, data: bytes, /) -> object: ...
    def read_bytes(self, path: str, /) -> bytes: ...
    def stat(self, path: str, /) -> object: ...
    def rename(self, source: str, destination: str, /) -> object: ...
    def remove(self, path: str, /) -> object: ...
    def sync(self) -> object: ...


class _Use(Use[Files]):
    def __init__(self, root: Files) -> None:
        self.root = root
        self._since_s = self._until_s = 0.0
        self._peak_bytes = 0

    def start(self) -> None:
        forget_peak(os.getpid())
        self._since_s = time.process_time()

    def stop(self) -> None:
        self._peak_bytes = peak_bytes(os.getpid())

    def end(self) -> None:
        self._until_s = time.process_time()

    def cost(self) -> Cost:
        """Of this process, whose own work is part of it."""
        return Cost(self._until_s - self._since_s, self._peak_bytes)


class _InProcess(Subject[Files]):
    @abstractmethod
    def opened(self, folder: Path) -> Iterator[Files]: ...

    @contextmanager
    def use(self, folder: Path) -> Iterator[_Use]:
        using: _Use | None = None
        try:
            with contextmanager(self.opened)(folder) as files:
                using = _Use(files)
                yield using
        finally:
            if using is not None:
                using.end()


class Api(_InProcess):
    name = "sqlfs"
    passphrase: str | None = PASSPHRASE.decode().strip()

    def version(self) -> str:
        return f"sqlfs {sqlfs.__version__}"

    def create(self, folder: Path) -> None:
        with sqlfs.open(folder / "volume.sqlite", create=True) as store:
            store.create_volume("main", passphrase=self.passphrase)

    def opened(self, folder: Path) -> Iterator[Files]:
        with (
            sqlfs.open(folder / "volume.sqlite") as store,
            store.mount("main", passphrase=self.passphrase) as files,
        ):
            yield files


class PlainApi(Api):
    name = "sqlfs-plain"
    note = "not encrypted"
    passphrase = None


class NativeApi(_InProcess):
    """The same methods on a plain directory."""

    name = "native"

    def version(self) -> str:
        return f"{os.uname().sysname} {os.uname().release}"

    def create(self, folder: Path) -> None:
        """The folder is all it takes."""

    def opened(self, folder: Path) -> Iterator[Files]:
        yield _Directory(folder)


class _Directory:
    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def _at(self, path: str) -> Path:
        return Path(self._folder + path)

    def mkdir(self, path: str) -> None:
        self._at(path).mkdir()

    def write_bytes(self, path: str, data: bytes) -> None:
        self._at(path).write_bytes(data)

    def read_bytes(self, path: str) -> bytes:
        return self._at(path).read_bytes()

    def stat(self, path: str) -> os.stat_result:
        return self._at(path).stat()

    def rename(self, source: str, destination: str) -> None:
        self._at(source).rename(self._at(destination))

    def remove(self, path: str) -> None:
        self._at(path).unlink()

    def sync(self) -> None:
        os.sync()


class _ApiWorkload(Workload[Files], ABC):
    unit = "files/s"

    @property
    def amount(self) -> float:
        return self.sizes.small_files

    @cached_property
    def paths(self) -> list[str]:
        paths = [f"/many/{number}" for number in range(self.sizes.small_files)]
        random.Random(material.SEED).shuffle(paths)
        return paths

    def prepare(self, root: Files) -> None:
        root.mkdir("/many")
        data = material.unique(FILE_BYTES + len(self.paths))
        for number, path in enumerate(self.paths):
            root.write_bytes(path, data[number : number + FILE_BYTES])

    def each(self, work: Callable[[str], object]) -> None:
        for path in self.paths:
            work(path)


class WriteLarge(_ApiWorkload):
    """One file of bytes that neither compress nor repeat, and a sync."""

    name = "write-unique"
    unit = "MiB/s"
    fresh = True

    @property
    def amount(self) -> float:
        return self.sizes.stream_bytes / MIB

    @cached_property
    def data(self) -> bytes:
        return material.unique(self.sizes.stream_bytes)

    def prepare(self, root: Files) -> None:
        del root
        assert self.data

    def run(self, root: Files, round_number: int) -> None:
        del round_number
        root.write_bytes("/large", self.data)
        root.sync()


class ReadLarge(WriteLarge):
    name = "read-cold"
    fresh = False
    cold = True

    def prepare(self, root: Files) -> None:
        root.write_bytes("/large", self.data)

    def run(self, root: Files, round_number: int) -> None:
        del round_number
        root.read_bytes("/large")


class Create(_ApiWorkload):
    name = "create"
    fresh = True

    def prepare(self, root: Files) -> None:
        pass

    def run(self, root: Files, round_number: int) -> None:
        del round_number
        super().prepare(root)


class Stat(_ApiWorkload):
    name = "stat-cold"
    cold = True

    def run(self, root: Files, round_number: int) -> None:
        del round_number
        self.each(root.stat)


class ReadSmall(_ApiWorkload):
    name = "read-small-cold"
    cold = True

    def run(self, root: Files, round_number: int) -> None:
        del round_number
        self.each(root.read_bytes)


class Rename(_ApiWorkload):
    name = "rename"
    fresh = True

    def run(self, root: Files, round_number: int) -> None:
        del round_number
        self.each(lambda path: root.rename(path, f"{path}-renamed"))


class Remove(_ApiWorkload):
    name = "unlink"
    fresh = True

    def run(self, root: Files, round_number: int) -> None:
        del round_number
        self.each(root.remove)


SUBJECTS: dict[str, Subject[Files]] = {
    subject.name: subject for subject in (Api(), PlainApi(), NativeApi())
}
WORKLOADS: dict[str, type[Workload[Files]]] = {
    workload.name: workload
    for workload in (WriteLarge, ReadLarge, Create, Stat, ReadSmall, Rename, Remove)
}
