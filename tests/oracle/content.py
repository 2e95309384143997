"""Random steps on the bytes of a few files."""

from __future__ import annotations

import os
import random

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from conformance.posix import libc
from sqlfs.limits import CHUNK_BYTES_DEFAULT, INLINE_BYTES_MAX
from tests.oracle.machine import HANDLES, BesideMachine, chosen

# Two whole slots and a bit: what lies beyond is no different, and takes as long again.
_END_MAX = 2 * CHUNK_BYTES_DEFAULT + 10_000
_PAGE = 4096
_EDGES = [0, INLINE_BYTES_MAX, _PAGE, CHUNK_BYTES_DEFAULT, 2 * CHUNK_BYTES_DEFAULT]

FILES = st.sampled_from(["a", "b", "c"])
NEAR_EDGES = st.builds(
    lambda edge, by: max(0, edge + by), st.sampled_from(_EDGES), st.integers(-1, 1)
)
OFFSETS = NEAR_EDGES | st.integers(0, _END_MAX)
LENGTHS = (
    st.sampled_from([1, 7, 511, _PAGE, 5000, CHUNK_BYTES_DEFAULT, CHUNK_BYTES_DEFAULT + 1])
    | st.integers(1, 2 * CHUNK_BYTES_DEFAULT)
)  # fmt: skip
SEEDS = st.integers(0, 3)  # 0 is zeros; few, so that equal chunks are common
OPEN_FLAGS = st.sampled_from(
    [os.O_RDWR] * 6
    + [os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_TRUNC]
    + [os.O_RDWR | os.O_DSYNC, os.O_RDWR | os.O_DIRECT]
)
KEEP, PUNCH, ZERO = libc.FALLOC_KEEP_SIZE, libc.FALLOC_PUNCH_HOLE, libc.FALLOC_ZERO_RANGE
ALLOCATE_MODES = st.sampled_from([0, KEEP, PUNCH | KEEP, PUNCH | KEEP, ZERO, ZERO | KEEP, PUNCH])
MAPS = st.integers(0, 7)  # of those that are there
BOOLEANS = st.booleans()


def data_of(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length) if seed else bytes(length)


class ContentMachine(BesideMachine):
    @initialize(sizes=st.tuples(OFFSETS, OFFSETS))
    def populate(self, sizes: tuple[int, int]) -> None:
        for name, size in zip(("a", "b"), sizes, strict=True):
            handle = self.opened("open", name, os.O_CREAT | os.O_RDWR, 0o644)
            self.both("write", handle, data_of(1, size))

    def open_handle(self, pick: int) -> int:
        if not self.example.mount.descriptors:
            self.opened("open", "a", os.O_CREAT | os.O_RDWR, 0o644)
        return super().open_handle(pick)

    def mapped(self, pick: int) -> int:
        """A map that is there, if any is."""
        return chosen(pick, self.example.mount.maps)

    @rule(path=FILES, flags=OPEN_FLAGS, create=BOOLEANS)
    def open(self, path: str, flags: int, create: bool) -> None:
        self.opened("open", path, flags | (os.O_CREAT if create else 0), 0o644)

    @rule(handle=HANDLES, length=LENGTHS)
    def read(self, handle: int, length: int) -> None:
        self.both("read", self.open_handle(handle), length)

    @rule(handle=HANDLES, length=LENGTHS, seed=SEEDS)
    def write(self, handle: int, length: int, seed: int) -> None:
        self.both("write", self.open_handle(handle), data_of(seed, length))

    @rule(handle=HANDLES, offset=OFFSETS, length=LENGTHS)
    def pread(self, handle: int, offset: int, length: int) -> None:
        self.both("pread", self.open_handle(handle), offset, length)

    @rule(handle=HANDLES, offset=OFFSETS, length=LENGTHS, seed=SEEDS)
    def pwrite(self, handle: int, offset: int, length: int, seed: int) -> None:
        self.both("pwrite", self.open_handle(handle), offset, data_of(seed, length))

    @rule(handle=HANDLES, offset=OFFSETS)
    def seek(self, handle: int, offset: int) -> None:
        self.both("seek", self.open_handle(handle), offset, os.SEEK_SET)

    @rule(handle=HANDLES, size=OFFSETS)
    def ftruncate(self, handle: int, size: int) -> None:
        self.both("ftruncate", self.open_handle(handle), size)

    @rule(path=FILES, size=OFFSETS)
    def truncate(self, path: str, size: int) -> None:
        self.both("truncate", path, size)

    @rule(handle=HANDLES, mode=ALLOCATE_MODES, offset=OFFSETS, length=LENGTHS)
    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        self.both("allocate", self.open_handle(handle), mode, offset, length)

    @rule(
        source=HANDLES,
        source_offset=OFFSETS,
        handle=HANDLES,
        offset=OFFSETS,
        length=LENGTHS,
    )
    def copy_range(
        self, source: int, source_offset: int, handle: int, offset: int, length: int
    ) -> None:
        self.both(
            "copy_range",
            self.open_handle(source),
            source_offset,
            self.open_handle(handle),
            offset,
            length,
        )

    @rule(handle=HANDLES, shared=BOOLEANS, writable=BOOLEANS)
    def map(self, handle: int, shared: bool, writable: bool) -> None:
        self.opened("map", self.open_handle(handle), shared, writable)

    @rule(number=MAPS, offset=OFFSETS, length=LENGTHS)
    def map_read(self, number: int, offset: int, length: int) -> None:
        self.both("map_read", self.mapped(number), offset, length)

    @rule(number=MAPS, offset=OFFSETS, length=LENGTHS, seed=SEEDS)
    def map_write(self, number: int, offset: int, length: int, seed: int) -> None:
        self.both("map_write", self.mapped(number), offset, data_of(seed, length))

    @rule(number=MAPS)
    def map_sync(self, number: int) -> None:
        self.both("map_sync", self.mapped(number))

    @rule(number=MAPS)
    def unmap(self, number: int) -> None:
        self.both("unmap", self.mapped(number))

    @rule(path=FILES)
    def forget(self, path: str) -> None:
        self.both("forget", path)

    @rule(old=FILES, new=FILES, verb=st.sampled_from(["link", "rename"]))
    def name_again(self, old: str, new: str, verb: str) -> None:
        self.both(verb, old, new, 0)

    @rule(path=FILES)
    def unlink(self, path: str) -> None:
        self.both("unlink", path)
