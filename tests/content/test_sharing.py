"""Copies of ranges store nothing twice, and neither they nor holes walk what they cover."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlfs.errors import Corrupt
from sqlfs.maintenance import check_file
from sqlfs.store import Database
from sqlfs.types import AllocateMode
from sqlfs.volume import VolumeFile
from sqlfs.volume.direct import DirectSession
from tests.contract.nodes import ME, noise
from tests.format.tampering import flip

CHUNK = 4096
MANIFEST = 128 * CHUNK
TB = 2**40
PUNCH = AllocateMode.PUNCH_HOLE | AllocateMode.KEEP_SIZE

# Rows that a change of a terabyte may touch: five levels of manifests of 128 entries, twice.
ROWS_MAX = 5 * 2 * 128 * 2


@dataclass
class Volume:
    """Without deduplication: what is stored once was shared."""

    path: Path

    def __post_init__(self) -> None:
        with VolumeFile.open(self.path, create=True) as file:
            file.create_volume("v", None, chunk_size=CHUNK, dedupe=False)
        self.open()

    def open(self) -> None:
        self.file = VolumeFile.open(self.path, background=False)
        self.session: DirectSession = self.file.session("v")

    def close(self) -> None:
        self.session.close()
        self.file.close()

    def make(self, name: bytes, data: bytes = b"") -> int:
        _, handle = self.session.create(self.session.root, name, 0o644, os.O_RDWR, ME)
        self.session.write(handle, 0, data)
        return handle

    def handle(self, name: bytes) -> int:
        return self.session.open(self.session.lookup(self.session.root, name).node, os.O_RDWR)

    def chunks(self) -> int:
        """Chunks and manifests that are stored when all is flushed and reclaimed."""
        self.file.commit()
        while self.file.work.reclaim(64):
            pass
        self.file.commit()
        return len(self.file.db.rows("digest_chunk"))

    def fill(self, handle: int, size: int) -> None:
        """Dense data, by copying what is there to the end."""
        self.session.write(handle, 0, noise(MANIFEST))
        done = MANIFEST
        while done < size:
            done += self.session.copy_range(handle, 0, handle, done, min(done, size - done))


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    it = Volume(tmp_path / "volume.sqlite")
    yield it
    it.close()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that changed something."""
    names: list[str] = []
    write = Database.write

    def noting(database: Database, name: str, *parameters: object) -> None:
        names.append(name)
        write(database, name, *parameters)

    monkeypatch.setattr(Database, "write", noting)
    return names


@pytest.mark.parametrize("size", [CHUNK, MANIFEST, MANIFEST + 1, 3 * MANIFEST + 100])
def test_a_whole_copy_stores_nothing(volume: Volume, size: int) -> None:
    source, target = volume.make(b"a", noise(size)), volume.make(b"b")
    before = volume.chunks()
    assert volume.session.copy_range(source, 0, target, 0, size) == size
    assert volume.chunks() == before


def test_what_is_not_flushed_yet_is_shared_too(volume: Volume) -> None:
    source, target = volume.make(b"a", noise(100 * CHUNK)), volume.make(b"b")
    assert volume.session.copy_range(source, 0, target, 0, TB) == 100 * CHUNK
    assert volume.chunks() == 100 + 1


def test_a_part_stores_its_edges_and_manifests(volume: Volume) -> None:
    source, target = volume.make(b"a", noise(MANIFEST)), volume.make(b"b")
    before = volume.chunks()
    volume.session.copy_range(source, CHUNK + 7, target, 3 * CHUNK + 7, 50 * CHUNK)
    assert volume.chunks() == before + 2 + 1


def test_what_does_not_align_is_copied(volume: Volume) -> None:
    source, target = volume.make(b"a", noise(50 * CHUNK)), volume.make(b"b")
    before = volume.chunks()
    volume.session.copy_range(source, 1, target, 0, TB)
    assert volume.chunks() == before + 50 + 1


def test_a_terabyte_is_copied_at_once(volume: Volume, written: list[str]) -> None:
    source, target = volume.make(b"a"), volume.make(b"b")
    volume.fill(source, TB)
    before = volume.chunks()
    written.clear()
    assert volume.session.copy_range(source, 0, target, 0, TB) == TB
    assert len(written) < ROWS_MAX
    assert volume.chunks() == before
    assert volume.session.getattr(volume.session.lookup(volume.session.root, b"b").node).blocks == (
        TB // 512
    )


def test_the_calls_of_a_program_share_as_well(volume: Volume, written: list[str]) -> None:
    """The kernel cuts a copy into pieces that end between slots."""
    source, target = volume.make(b"a"), volume.make(b"b")
    volume.fill(source, 2**33)
    piece = 2**31 - CHUNK // 2
    written.clear()
    done = 0
    while done < 2**33:
        part = volume.session.copy_range(source, done, target, done, min(piece, 2**33 - done))
        assert part == min(piece, 2**33 - done)
        done += part
    assert len(written) < 5 * ROWS_MAX


def test_a_terabyte_becomes_a_hole_at_once(volume: Volume, written: list[str]) -> None:
    handle = volume.make(b"a")
    volume.fill(handle, TB)
    volume.file.commit()
    written.clear()
    volume.session.allocate(handle, PUNCH, 100, TB - 200)
    assert len(written) < ROWS_MAX
    assert volume.session.seek(handle, CHUNK, os.SEEK_DATA) == TB - CHUNK
    # Two chunks, and a manifest of each level on the way to them.
    assert volume.chunks() == 2 + 1 + 2 * 3


def test_damage_is_met_before_anything_changes(volume: Volume) -> None:
    data = noise(3 * MANIFEST)
    volume.make(b"a", data)
    volume.file.commit()
    damaged = _second_manifest(volume, b"a")
    volume.close()
    flip(volume.path, "chunk_data", "id", damaged)
    volume.open()
    source, target = volume.handle(b"a"), volume.make(b"b", b"target")
    for offset, length in ((MANIFEST + CHUNK, CHUNK), (0, MANIFEST + CHUNK), (MANIFEST + 1, TB)):
        with pytest.raises(Corrupt):
            volume.session.allocate(source, PUNCH, offset, length)
    with pytest.raises(Corrupt):
        volume.session.copy_range(source, MANIFEST + CHUNK, target, 0, CHUNK)
    with pytest.raises(Corrupt):
        volume.session.seek(source, MANIFEST, os.SEEK_DATA)
    assert volume.session.read(target, 0, 100) == b"target"
    assert volume.session.read(source, 0, MANIFEST) == data[:MANIFEST]
    assert volume.session.read(source, 2 * MANIFEST, TB) == data[2 * MANIFEST :]
    volume.file.commit()
    assert [finding.check for finding in check_file(volume.file)].count("content") == 1


def test_damage_goes_where_a_hole_covers_it(volume: Volume) -> None:
    data = noise(3 * MANIFEST)
    volume.make(b"a", data)
    volume.file.commit()
    damaged = _second_manifest(volume, b"a")
    volume.close()
    flip(volume.path, "chunk_data", "id", damaged)
    volume.open()
    handle = volume.handle(b"a")
    volume.session.allocate(handle, PUNCH, MANIFEST, MANIFEST)
    volume.file.commit()
    expected = data[:MANIFEST] + bytes(MANIFEST) + data[2 * MANIFEST :]
    assert volume.session.read(handle, 0, TB) == expected


def _second_manifest(volume: Volume, name: bytes) -> int:
    """The row of the manifest of the second half MiB."""
    opened, node = volume.session.opened_volume, volume.session.lookup(volume.session.root, name)
    root = opened.nodes.get(node.node).root
    assert root is not None
    second = opened.pool.entries(root)[1]
    assert second is not None
    row = volume.file.db.row("chunk_find", opened.domain, second.digest)
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]
