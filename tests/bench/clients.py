"""Workloads of several processes at a time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from tests.bench import material, small_files, streams
from tests.bench.workload import MIB, Workload


def at_once(count: int, work: Callable[[int], None]) -> None:
    """`work` in as many processes, each with its number.  Raises OSError where one fails."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=[number]) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if failed := sum(process.exitcode != 0 for process in processes):
        raise OSError(f"{failed} of {count} clients failed")


class _Clients(Workload[Path]):
    fresh = True
    clients: ClassVar[int]


class _Writing(_Clients):
    """Clients that write a large file each, different ones, with an fsync at the end."""

    unit = "MiB/s"

    @property
    def amount(self) -> float:
        return self.clients * self.sizes.client_bytes / MIB

    @cached_property
    def data(self) -> list[bytes]:
        data = material.unique(self.clients * self.sizes.client_bytes)
        return [bytes(part) for part in material.blocks(data, self.sizes.client_bytes)]

    def prepare(self, root: Path) -> None:
        del root
        assert self.data

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        at_once(
            self.clients, lambda number: streams.write(root / f"new-{number}", self.data[number])
        )


class _Creating(_Clients):
    """Clients that create small files, each in a directory of its own."""

    unit = "files/s"

    @property
    def amount(self) -> float:
        return self.clients * self.sizes.client_files

    def run(self, root: Path, round_number: int) -> None:
        del round_number
        at_once(
            self.clients,
            lambda number: small_files.create(root / f"many-{number}", self.sizes.client_files),
        )


class TwoWriting(_Writing):
    name = "2-clients-write"
    clients = 2


class FourWriting(_Writing):
    name = "4-clients-write"
    clients = 4


class TwoCreating(_Creating):
    name = "2-clients-create"
    clients = 2


class FourCreating(_Creating):
    name = "4-clients-create"
    clients = 4


WORKLOADS: tuple[type[Workload[Path]], ...] = (
    TwoWriting,
    FourWriting,
    TwoCreating,
    FourCreating,
)
