"""What is done with a subject, and how much of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic

from tests.bench.subject import Root

MIB = 2**20


@dataclass(frozen=True)
class Sizes:
    """How much of everything; what is not in bytes is a count."""

    stream_bytes: int = 256 * MIB
    small_calls_bytes: int = 64 * MIB
    random_reads: int = 5_000
    random_writes: int = 5_000
    durable_writes: int = 200
    small_files: int = 5_000
    listed_files: int = 100_000
    tree_files: int = 3_000
    transactions: int = 200
    client_bytes: int = 64 * MIB
    client_files: int = 1_000


QUICK = Sizes(
    stream_bytes=4 * MIB,
    small_calls_bytes=MIB,
    random_reads=50,
    random_writes=50,
    durable_writes=5,
    small_files=50,
    listed_files=200,
    tree_files=40,
    transactions=3,
    client_bytes=MIB,
    client_files=10,
)


class Workload(ABC, Generic[Root]):
    """One row of the table.

    A round begins with a use of the subject that nothing was done with yet: :meth:`prepare`'s
    was another one, before it.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    fresh: ClassVar[bool] = False  # changes what it finds: every round gets a subject of its own
    cold: ClassVar[bool] = False  # the kernel's caches are dropped before each round
    warm: ClassVar[bool] = False  # done once right before it is measured

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes

    @property
    @abstractmethod
    def amount(self) -> float:
        """What :meth:`run` does, in units."""

    def prepare(self, root: Root) -> None:
        """Make what :meth:`run` needs.  Not measured."""

    @abstractmethod
    def run(self, root: Root, round_number: int) -> None:
        """What is measured.  Raises OSError where the subject can't do it."""
