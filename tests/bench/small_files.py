"""Workloads on many small files in one directory."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

from tests.bench import material
from tests.bench.workload import Workload

FILE_BYTES = 2048


def create(folder: Path, count: int) -> None:
    """New files `0`, `1` and so on, made durable by nobody."""
    data = memoryview(material.unique(FILE_BYTES + count))
    folder.mkdir()
    for number in range(count):
        with (folder / str(number)).open("xb", buffering=0) as file:
            file.write(data[number : number + FILE_BYTES])


class _SmallFiles(Workload[Path]):
    unit = "files/s"

    @property
    def amount(self) -> float:
        return self.sizes.small_files

    def prepare(self, root: Path) -> None:
        create(root / "many", self.sizes.small_files)

    def names(self, round_number: int) -> list[str]:
        """All of them, in an order that is another one in each round."""
        names = [str(number) for number in range(self.sizes.small_files)]
        random.Random(round_number).shuffle(names)
        return names


class Create(_SmallFiles):
    """Files of 2 KiB: open, write, close."""

    name = "create"
    fresh = True

    def prepare(self, root: Path) -> None:
        pass

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        create(root / "many", self.sizes.small_files)


class StatCold(_SmallFiles):
    """stat(2) of each file, in no order."""

    name = "stat-cold"
    cold = True

    def run(self, root: Path, round_number: int) -> None:
        folder = root / "many"
        for name in self.names(round_number):
            (folder / name).stat()


class StatWarm(StatCold):
    """The same, for the second time."""

    name = "stat-warm"
    cold = False
    warm = True


class ReadSmallCold(_SmallFiles):
    """Open, read and close each file, in no order."""

    name = "read-small-cold"
    cold = True

    def run(self, root: Path, round_number: int) -> None:
        folder = root / "many"
        for name in self.names(round_number):
            (folder / name).read_bytes()


class Rename(_SmallFiles):
    """Each file to a new name in the same directory."""

    name = "rename"
    fresh = True

    def run(self, root: Path, round_number: int) -> None:
        folder = root / "many"
        for name in self.names(round_number):
            (folder / name).rename(folder / f"renamed-{name}")


class Unlink(_SmallFiles):
    """Each file."""

    name = "unlink"
    fresh = True

    def run(self, root: Path, round_number: int) -> None:
        folder = root / "many"
        for name in self.names(round_number):
            (folder / name).unlink()


class ListLong(Workload[Path]):
    """`ls -l` of a directory with 100,000 empty files."""

    name = "ls-l-100000"
    unit = "files/s"
    cold = True

    @property
    def amount(self) -> float:
        return self.sizes.listed_files

    def prepare(self, root: Path) -> None:
        folder = root / "listed"
        folder.mkdir()
        for number in range(self.sizes.listed_files):
            os.close(os.open(folder / str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        command = ["ls", "-l", str(root / "listed")]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"}
        )


WORKLOADS: tuple[type[Workload[Path]], ...] = (
    Create,
    StatCold,
    StatWarm,
    ReadSmallCold,
    ListLong,
    Rename,
    Unlink,
)
