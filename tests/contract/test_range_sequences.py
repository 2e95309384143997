"""Random sequences of what changes content, against plain byte strings: bytes, holes, blocks.

More than the usual runs: SQLFS_RANGE_EXAMPLES=500 python -m pytest tests/contract
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlfs.errors import Invalid, NoSuchRange
from sqlfs.maintenance import check_file
from sqlfs.types import AllocateMode, AttributeChanges
from sqlfs.volume import VolumeFile
from sqlfs.volume.session import Session
from tests.contract.implementations import (
    CHUNK_BYTES,
    IMPLEMENTATIONS,
    PASSPHRASE,
    VOLUME,
    Implementation,
    started,
)
from tests.contract.nodes import make_file

DEEPER = os.environ.get("SQLFS_RANGE_EXAMPLES")
FILES = 2
BYTES_MAX = 16 * 2**20
INLINE_MAX = 2048

# Around the ends of chunks (4 KiB), and of manifests (128 chunks).
EDGES = [0, 1, 511, 513, 4095, 4096, 4097, 12_288, 524_287, 524_288, 528_385, 1_048_576]
OFFSETS = st.sampled_from(EDGES) | st.integers(0, 600_000)
ALIGNED = st.sampled_from([0, 0, 4096, 8192, 524_288, 5000])
LENGTHS = st.sampled_from([1, 100, 4096, 8192, 40_000, 300_000]) | st.integers(1, 20_000)
FILE = st.integers(0, FILES - 1)

STEP = st.one_of(
    st.tuples(st.just("write"), FILE, OFFSETS, LENGTHS, st.integers(0, 4)),
    st.tuples(st.just("truncate"), FILE, OFFSETS),
    st.tuples(st.just("punch"), FILE, OFFSETS, LENGTHS | OFFSETS),
    st.tuples(st.just("zero"), FILE, OFFSETS, LENGTHS | OFFSETS),
    st.tuples(st.just("copy"), FILE, OFFSETS, FILE, OFFSETS, LENGTHS | OFFSETS),
    st.tuples(st.just("copy_aligned"), FILE, FILE, ALIGNED, LENGTHS | st.just(BYTES_MAX)),
    st.tuples(st.just("sync")),
    st.tuples(st.just("reopen")),
)


class Files:
    """Some files of a volume, and beside them what they must hold."""

    def __init__(self, implementation: Implementation) -> None:
        self._implementation = implementation
        self.session = implementation.session()
        self._nodes = [make_file(self.session, b"%d" % i) for i in range(FILES)]
        self._data = [bytearray() for _ in range(FILES)]
        self._open()

    def _open(self) -> None:
        self._handles = [self.session.open(node, os.O_RDWR) for node in self._nodes]

    def write(self, file: int, offset: int, length: int, seed: int) -> None:
        data = random.Random(seed).randbytes(length) if seed else bytes(length)
        self.session.write(self._handles[file], offset, data)
        self._put(file, offset, data)

    def truncate(self, file: int, size: int) -> None:
        self.session.setattr(self._nodes[file], AttributeChanges(size=size))
        data = self._data[file]
        del data[size:]
        data.extend(bytes(size - len(data)))

    def punch(self, file: int, offset: int, length: int) -> None:
        mode = AllocateMode.PUNCH_HOLE | AllocateMode.KEEP_SIZE
        self.session.allocate(self._handles[file], mode, offset, length + 1)
        end = min(offset + length + 1, len(self._data[file]))
        self._put(file, offset, bytes(max(0, end - offset)))

    def zero(self, file: int, offset: int, length: int) -> None:
        mode = AllocateMode.ZERO_RANGE
        self.session.allocate(self._handles[file], mode, offset, length + 1)
        self._put(file, offset, bytes(length + 1))

    def copy(self, source: int, offset_in: int, target: int, offset_out: int, length: int) -> None:
        data = bytes(self._data[source][offset_in : offset_in + length])
        places = self._handles[source], offset_in, self._handles[target], offset_out
        if source == target and abs(offset_in - offset_out) < len(data):
            with pytest.raises(Invalid):
                self.session.copy_range(*places, length)
            return
        assert self.session.copy_range(*places, length) == len(data)
        self._put(target, offset_out, data)

    def copy_aligned(self, source: int, target: int, offset: int, length: int) -> None:
        """Slot by slot: to the same place, or in one file to its end."""
        end = len(self._data[source])
        if source != target:
            self.copy(source, offset, target, offset, length)
        elif end < BYTES_MAX // 4:
            self.copy(
                source, offset, target, end - end % -CHUNK_BYTES + offset % CHUNK_BYTES, length
            )

    def sync(self) -> None:
        self.session.sync()

    def reopen(self) -> None:
        self.session.close()
        self._implementation.reopen()
        self.session = self._implementation.session()
        self._open()

    def _put(self, file: int, offset: int, new: bytes) -> None:
        data = self._data[file]
        if new:
            data.extend(bytes(max(0, offset - len(data))))
            data[offset : offset + len(new)] = new

    # --- looking ---

    def check(self) -> None:
        for handle, data in zip(self._handles, self._data, strict=True):
            assert self.session.read(handle, 0, BYTES_MAX) == bytes(data)
            for whence in (os.SEEK_DATA, os.SEEK_HOLE):
                for offset in (0, 4097, len(data) // 2):
                    found = _seek(self.session, handle, offset, whence)
                    assert found == _found(data, offset, whence), (whence, offset)

    def check_blocks(self) -> None:
        for node, data in zip(self._nodes, self._data, strict=True):
            used = [len(data[at : at + CHUNK_BYTES]) for at in _data_slots(data)]
            stored = len(data) if len(data) <= INLINE_MAX else sum(used)
            assert self.session.getattr(node).blocks == -(-stored // 512)


def _data_slots(data: bytearray) -> list[int]:
    slots = range(0, len(data), CHUNK_BYTES)
    return [
        at for at in slots if data.count(0, at, at + CHUNK_BYTES) < len(data[at:][:CHUNK_BYTES])
    ]


def _found(data: bytearray, offset: int, whence: int) -> int | None:
    if offset >= len(data):
        return None
    full = set(_data_slots(data))
    first = offset - offset % CHUNK_BYTES
    for at in range(first, len(data), CHUNK_BYTES):
        if (at in full) == (whence == os.SEEK_DATA):
            return max(at, offset)
    return None if whence == os.SEEK_DATA else len(data)


def _seek(session: Session, handle: int, offset: int, whence: int) -> int | None:
    try:
        return session.seek(handle, offset, whence)
    except NoSuchRange:
        return None


@pytest.mark.parametrize("name", [name for name in IMPLEMENTATIONS if name != "model"])
@settings(
    max_examples=int(DEEPER or 20),
    deadline=None,
    database=None,
    derandomize=DEEPER is None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(steps=st.lists(STEP, min_size=5, max_size=25))
def test_contents_after_any_sequence(name: str, steps: list[tuple[str, *tuple[int, ...]]]) -> None:
    with tempfile.TemporaryDirectory(prefix="sqlfs-ranges-") as directory:
        with started(name, Path(directory)) as implementation:
            files = Files(implementation)
            for verb, *arguments in steps:
                getattr(files, verb)(*arguments)
                files.check()
            files.reopen()
            files.check()
            files.check_blocks()
            files.session.close()
        passphrase = None if name == "direct" else PASSPHRASE
        with VolumeFile.open(next(Path(directory).glob("*.sqlite"))) as file:
            file.session(VOLUME, passphrase=passphrase)
            assert list(check_file(file, deep=True)) == []
